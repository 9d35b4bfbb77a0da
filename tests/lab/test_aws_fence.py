"""A lab cannot reach a real AWS endpoint, STS included: by settings, and at the socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aws_account import HOME, ID, AwsAccount, aws, datastore, lease_of, plan_item, ready

from include.clouds.aws import backup_source
from include.clouds.aws.clients import AwsClients, from_connections
from include.connections import ConnectionInfo, parse
from include.values import utcnow

__all__ = ["aws"]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Every host that this process resolves or connects to."""
    hosts: set[str] = set()
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def recorded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            hosts.add(str(address[0]))
        connect(self, address)

    def resolved(host: Any, *args: Any, **kwargs: Any) -> Any:
        hosts.add(str(host))
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", recorded)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    yield hosts


def hooked(account: AwsAccount, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any] | None = None) -> AwsClients:
    """Clients from Airflow's hook, over connections in the environment."""
    from drillyard import aws_clients

    for conn_id in ("aws_backups", "aws_recovery"):
        told = json.loads(account.lab.connection(role=f"drillyard-{conn_id}"))
        if extra is not None:
            told["extra"] = {"role_arn": told["extra"]["role_arn"], **extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(told))
    return aws_clients.clients()


def a_night(account: AwsAccount, clients: Any) -> None:
    """A survey with role assumption, and a restore as far as an instance."""
    from include.clouds.aws import database_restore

    points = backup_source(clients, account.settings()).survey({ID: datastore()}, utcnow()).points[ID]
    restore, item = database_restore(clients, account.settings()), plan_item("shop.main.fence")
    lease = lease_of(item)
    restore.preflight(datastore(), points[0], item)
    restore.create(datastore(), points[0], item, lease)
    ready(restore, lease.sandbox, datastore())
    restore.discard(lease.sandbox, datastore(), lease)


def test_a_whole_night_reaches_loopback_only(aws: AwsAccount, reached: set[str]) -> None:
    aws.lab.calls(clear=True)
    a_night(aws, aws.connections)
    services = {call["service"] for call in aws.lab.calls()}
    assert {"sts", "rds", "ec2", "kms"} <= services
    assert reached <= {"127.0.0.1", "localhost"}


def test_so_does_one_over_airflows_hooks(aws: AwsAccount, reached: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    aws.lab.calls(clear=True)
    a_night(aws, hooked(aws, monkeypatch))
    assumed = [call for call in aws.lab.calls() if call["action"] == "AssumeRole"]
    assert assumed
    assert reached <= {"127.0.0.1", "localhost"}


def test_a_hook_that_would_ask_a_real_sts_is_refused_before(
    aws: AwsAccount, reached: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook ignores `endpoint_url` for AssumeRole: with nothing else set, it would call Amazon."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    clients = hooked(aws, monkeypatch, {"endpoint_url": aws.lab.endpoint, "region_name": HOME})
    with pytest.raises(PermissionError, match="DRILLYARD_LAB_HOME"):
        clients.client("aws_backups", "rds", HOME)
    assert not any("amazonaws" in host for host in reached)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.lab.endpoint)
    assert clients.client("aws_backups", "rds", HOME).describe_db_instances()["DBInstances"]
    assert reached <= {"127.0.0.1", "localhost"}


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"endpoint_url": "https://rds.eu-central-1.amazonaws.com"},
        {"endpoint_url": "http://10.0.0.7:5000"},
        {"service_config": {"sts": {"endpoint_url": "http://127.0.0.1:9"}}},
        {"role_arn": "arn:aws:iam::123456789012:role/any", "endpoint_url": "https://localhost.example.com"},
    ],
)
def test_a_connection_that_leads_off_this_machine_is_refused(
    aws: AwsAccount, reached: set[str], monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    told = {"conn_type": "aws", "login": "AKIAREAL", "password": "real", "extra": extra}
    clients = from_connections(lambda conn_id: parse(conn_id, json.dumps(told)))
    with pytest.raises(PermissionError, match="is not on this machine"):
        clients.client("any", "rds", HOME)
    survey = backup_source(lambda conn_id: parse(conn_id, json.dumps(told)), aws.settings()).survey({ID: datastore()}, utcnow())
    assert "is not on this machine" in survey.unreadable[ID]
    assert not any("amazonaws" in host or "10.0.0.7" in host for host in reached)


def test_credentials_are_not_looked_for_on_the_machine(aws: AwsAccount, reached: set[str]) -> None:
    info = ConnectionInfo(conn_id="any", conn_type="aws", extra={"endpoint_url": aws.lab.endpoint, "region_name": HOME})
    with pytest.raises(PermissionError, match=r"169\.254\.169\.254"):
        from_connections(lambda _: info).client("any", "rds", HOME)
    assert reached == set()


def test_the_last_fence_is_at_the_request(aws: AwsAccount, reached: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a client that was opened for a real endpoint sends nothing once this is a lab."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("DRILLYARD_LAB_HOME")
    told = {"conn_type": "aws", "login": "AKIAREAL", "password": "real", "extra": {}}
    client = from_connections(lambda conn_id: parse(conn_id, json.dumps(told))).client("any", "rds", HOME)
    monkeypatch.setenv("DRILLYARD_LAB_HOME", str(aws.lab.home))
    with pytest.raises(PermissionError, match="amazonaws"):
        client.describe_db_instances()
    assert not any("amazonaws" in host for host in reached)
