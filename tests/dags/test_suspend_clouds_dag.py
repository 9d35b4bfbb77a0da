"""The example platform's environment `test` on the lab's three clouds: kept up, put to sleep and woken through the DAG's form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.clouds.azure import clients as azure_clients
from include.clouds.google import clients as google_clients
from include.connections import ConnectionInfo, from_environment
from include.costs.measured import from_ledger
from include.evidence import keys
from include.lab.aws import sleepers as on_aws
from include.lab.azure import sleepers as on_azure
from include.lab.azure.cloud import azure
from include.lab.double import DoubleServer
from include.lab.google import sleepers as on_google
from include.lab.google.cloud import google
from include.lab.platform import EXAMPLE
from include.ledger import open_ledger
from include.ledger.sleeps import Sleeps
from include.suspension.bill import settle
from tests.lab.suspension_lab import Staging, hours_away, staging

DAG = "suspend_environments"
STARTS = {"StartDBInstance", "StartInstances", "UpdateAutoScalingGroup"}
UP, DOWN = "up", "down"
_WORDS = {"running": UP, "stopped": DOWN, "available": UP, "RUNNING": UP, "TERMINATED": DOWN, "deallocated": DOWN}
"""What the vendors say of their machines and databases; everything else is on its way."""


@dataclass
class Estate:
    """What the lab has for the environment, looked at by its owner's own hands."""

    account: Staging
    google: DoubleServer
    azure: DoubleServer

    def aws(self, service: str) -> Any:
        return self.account.lab.client(service, on_aws.REGION, on_aws.ACCOUNT)

    def google_api(self) -> Any:
        return google_clients.from_connection(ConnectionInfo(conn_id="owner", **on_google.connection(self.google.url)))

    def azure_api(self) -> Any:
        info = ConnectionInfo(conn_id="owner", **on_azure.connection(self.azure.url))
        return azure_clients.from_connection(info, on_azure.SUBSCRIPTION)

    def build(self) -> None:
        on_aws.build(self.account.lab, hollow=True)
        on_google.build(self.google.url, self.google_api())
        on_azure.build(self.azure.url, self.azure_api())

    def power(self) -> dict[str, Any]:
        """By name; of the group its least, wanted and most machines."""
        found: dict[str, Any] = {}
        for held in self.aws("ec2").describe_instances()["Reservations"]:
            for one in held["Instances"]:
                name = next((tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name"), None)
                found |= {name: one["State"]["Name"]} if name else {}
        for one in self.aws("rds").describe_db_instances()["DBInstances"]:
            found[one["DBInstanceIdentifier"]] = one["DBInstanceStatus"]
        api = self.google_api()
        items = api.call(api.api("compute").instances().aggregatedList(project=on_google.PROJECT))["items"]
        found |= {one["name"]: one["status"] for held in items.values() for one in held["instances"]}
        for one in self.azure_api().compute.virtual_machines.list_all(status_only="true"):
            states = one.as_dict()["properties"]["instanceView"]["statuses"]
            found[one.name] = next(state["code"] for state in states if "PowerState" in state["code"]).rpartition("/")[2]
        words = {name: _WORDS.get(word, word) for name, word in found.items()}
        (group,) = self.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return words | {group["AutoScalingGroupName"]: (group["MinSize"], group["DesiredCapacity"], group["MaxSize"])}


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with staging() as account, DoubleServer(google(None, pace=0.1)) as one, DoubleServer(azure(None, pace=0.1)) as other:
        opened = Estate(account, one, other)
        opened.build()
        yield opened


@pytest.fixture
def environment(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The example platform in its down time whenever this runs, with stores that are folders; and the connections it names."""
    base = tmp_path / "platform"
    shutil.copytree(EXAMPLE, base)
    platform = yaml.safe_load((base / "platform.yaml").read_text())
    kept = [store for store in platform["evidence"] if "connection" not in store]
    platform["evidence"] = [store | {"url": str(tmp_path / store["name"])} for store in kept]
    (base / "platform.yaml").write_text(yaml.safe_dump(platform))
    test = yaml.safe_load((base / "environments" / "test.yaml").read_text())
    suspension = test["suspension"]
    suspension["schedules"] = dict.fromkeys(suspension["schedules"], hours_away(datetime.now(UTC)))
    suspension["guards"]["transactions"] = {"unchecked": True}  # there is no server behind the database here
    del suspension["custodian"]
    (base / "environments" / "test.yaml").write_text(yaml.safe_dump(test, sort_keys=False))
    variables = {
        "DRILLYARD_PLATFORM": str(base),
        "DRILLYARD_REPORTS": str(tmp_path / "reports"),
        "AIRFLOW_CONN_AWS_TEST": estate.account.lab.connection(account=on_aws.ACCOUNT, role="drillyard-power"),
        "AIRFLOW_CONN_GOOGLE_TEST": json.dumps(on_google.connection(estate.google.url)),
        "AIRFLOW_CONN_AZURE_TEST": json.dumps(on_azure.connection(estate.azure.url)),
        "AIRFLOW_CONN_DRILLYARD_LEDGER": estate.account.url.replace("postgresql+psycopg2", "postgresql"),
        "AIRFLOW_CONN_DRILLYARD_SEALING_KEY": json.dumps({"conn_type": "generic", "password": keys.generate()[0]}),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    return variables


def test_a_sweep_looks_again_soon_and_then_ever_later() -> None:
    from drillyard.operators.suspend import until_next_look

    waited, pauses = 0.0, []
    while waited < 60:
        pauses.append(until_next_look(waited, 20))
        waited += pauses[-1]
    assert pauses == [2.5, 2.5, 5, 10, 20, 20]


def test_snoozed_then_asleep_then_woken_in_order_on_three_clouds(
    run_dag: Any, environment: dict[str, str], estate: Estate
) -> None:
    def form(action: str) -> dict[str, Any]:
        return {"action": action, "environment": "test", "hours": 2, "why": "a demo", "requested_by": "ann"}

    before = estate.power()
    machines = set(before) - {"test-workers"}
    assert {"test-shop", "test-orders", *on_google.MACHINES, *on_azure.MACHINES} < machines
    assert before == dict.fromkeys(machines, UP) | {"test-workers": (1, 2, 4)}

    night = run_dag(DAG, conf=form("snooze"), then=[form("cancel")], env=environment)
    assert night.code == 0, night.output[-3000:]
    assert estate.power() == dict.fromkeys(machines, DOWN) | {"test-workers": (0, 0, 0), "test-jump": UP}
    ledger = open_ledger(estate.account.url)
    asked = {note.detail["action"]: note.written_at for note in ledger.notes(event="suspension-wish")}
    taken = {one.former.resource.name: one.former.taken_at for one in Sleeps(ledger).sleeps(asked["snooze"], datetime.now(UTC))}
    ledger.close()
    assert set(taken) == set(before) - {"test-jump"}
    assert asked["snooze"] < asked["cancel"] < min(taken.values()), "it was put to sleep although somebody snoozed it"

    estate.account.lab.calls(clear=True)
    morning = run_dag(DAG, conf=form("wake"), env=environment)
    assert morning.code == 0, morning.output[-3000:]
    assert estate.power() == before
    starts = [one["action"] for one in estate.account.lab.calls() if one["action"] in STARTS]
    assert (starts[0], set(starts)) == ("StartDBInstance", STARTS), "machines and groups wait for the database"

    now = datetime.now(UTC)
    (saved,) = settle(from_environment, f"{min(taken.values()):%Y-%m}", None, now)
    ledger = open_ledger(estate.account.url)
    handed = [one for one in from_ledger(ledger, {}) if one.kind == "suspension"]
    ledger.close()
    assert saved.forecast is not None and saved.forecast > 0
    assert [(one.subject, one.owner, one.forecast, one.settled) for one in handed] == [("test", "platform", saved.forecast, None)]
