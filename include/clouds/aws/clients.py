"""SDK clients by connection, service and region, without Airflow; and the fence that keeps a lab's clients on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from include.clouds.aws import CONNECTION_TYPE
from include.clouds.aws.words import translated
from include.clouds.managed import allowed
from include.connections import ConnectionInfo, Connections
from include.recovery.contracts import Transient

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

USER_AGENT = "drillyard"
RETRIES: dict[str, Any] = {"mode": "standard", "total_max_attempts": 4}
"""The SDK's own retries, with backoff, of throttling and of connections that break. Everything above looks again instead."""
TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
SHUT_FOR = 30.0
"""Seconds for which an account that could not be opened is not tried again. A sweep asks for it once a place and list, and an
STS that throttles or is down costs all the SDK's retries each time: the night would be over before it is told."""


class Account:
    """One connection opened: a session, and the endpoint of each service (None: the real one)."""

    def __init__(self, conn_id: str, session: boto3.Session, endpoint: Callable[[str], str | None]) -> None:
        self.conn_id, self.session, self.endpoint = conn_id, session, endpoint


class AwsClients:
    """Hands out clients. `open_account` comes from `from_connections`, or from the plugin, where Airflow's hooks open it."""

    def __init__(self, open_account: Callable[[str], Account], connections: Connections | None = None) -> None:
        self._open = open_account
        self.connections = connections
        self._accounts: dict[str, Account] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._shut: dict[str, tuple[float, Transient]] = {}

    def client(self, conn_id: str, service: str, region: str) -> Any:
        """A client, the same one every time. Raises LookupError for an unknown connection, PermissionError in a lab whose
        connection leads off this machine."""
        key = (conn_id, service, region)
        if key not in self._clients:
            account = self._account(conn_id)
            self._clients[key] = connect(account.session, service, region, account.endpoint(service))
        return self._clients[key]

    def _account(self, conn_id: str) -> Account:
        """The connection opened, once; one where STS was silent or busy says so again for `SHUT_FOR` seconds, unasked.

        What STS answers, or does not, is said in our words, like every later call's.
        """
        if conn_id not in self._accounts:
            since, error = self._shut.get(conn_id, (0.0, None))
            if error is not None and time.monotonic() - since < SHUT_FOR:
                raise error
            try:
                with translated(f"connection {conn_id}, role"):
                    self._accounts[conn_id] = self._open(conn_id)
            except Transient as error:
                self._shut[conn_id] = (time.monotonic(), error)
                raise
        return self._accounts[conn_id]


def handed(clients: AwsClients | Connections) -> AwsClients:
    """What a room was handed, as clients."""
    return clients if isinstance(clients, AwsClients) else from_connections(clients)


def from_connections(connections: Connections) -> AwsClients:
    """Clients from plain connections: keys, a session token, or nothing (the SDK's own chain: web identity, a machine's
    role …), and a role to assume from there."""
    return AwsClients(lambda conn_id: open_account(connections(conn_id)), connections)


def config() -> Config:
    """How every client of ours calls: its retries and time-outs."""
    from botocore.config import Config

    return Config(retries=RETRIES, user_agent_extra=USER_AGENT, **TIMEOUTS)


def connect(session: boto3.Session, service: str, region: str, endpoint: str | None) -> Any:
    """One client behind the fence."""
    fence_endpoint(service, endpoint)
    quick_instants(session)
    client = session.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        config=config(),
    )
    fence(client)
    return client


def quick_instants(session: boto3.Session) -> None:
    """Read ISO 8601 instants with the standard library: botocore's way is half of the work of reading a page."""
    from botocore.utils import parse_timestamp

    def instant(value: Any) -> datetime:
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return cast(datetime, parse_timestamp(value))

    # The botocore session below is not public; every wrapper of boto3 that Airflow and others make has it.
    session._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=instant)


def fence(client: Any) -> None:
    """Refuse, at the last moment before it is sent, every request that a lab would send off this machine."""
    client.meta.events.register("before-send.*.*", _refuse_real, unique_id="drillyard-fence")


def _refuse_real(request: Any, **_: Any) -> None:
    allowed(request.url)


def fence_endpoint(service: str, endpoint: str | None) -> None:
    """Raise PermissionError when this is a lab and a service has no endpoint of the lab's."""
    allowed(endpoint or endpoint_from_environment(service) or f"https://{service}.amazonaws.com")


def endpoint_from_environment(service: str) -> str | None:
    """What the SDK itself reads: ``AWS_ENDPOINT_URL_SERVICE``, then ``AWS_ENDPOINT_URL``."""
    return os.environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}") or os.environ.get("AWS_ENDPOINT_URL")


def endpoints(extra: Mapping[str, Any]) -> Callable[[str], str | None]:
    """The endpoint of each service by a connection's extra: its `service_config`, then `endpoint_url`, then the environment."""

    def endpoint(service: str) -> str | None:
        own = (extra.get("service_config") or {}).get(service) or {}
        return own.get("endpoint_url") or extra.get("endpoint_url") or endpoint_from_environment(service)

    return endpoint


def fence_account(info: ConnectionInfo, *, role_at_global_endpoint: bool = True) -> None:
    """Raise before a session is opened: ValueError for a connection of another type; in a lab PermissionError when its role
    would be asked for at a real STS, or its credentials at a machine's metadata service."""
    if info.conn_type != CONNECTION_TYPE:
        raise ValueError(f"connection {info.conn_id} has the type {info.conn_type}; RDS wants {CONNECTION_TYPE}")
    extra = info.extra
    own = (extra.get("service_config") or {}).get("sts") or {}
    sts = own.get("endpoint_url") or (extra.get("endpoint_url") if role_at_global_endpoint else None)
    fence_endpoint("sts", sts)
    if not info.login:
        allowed("http://169.254.169.254")


def open_account(info: ConnectionInfo) -> Account:
    """A session by a connection's fields, spelled like the amazon provider's. Raises like `fence_account`."""
    import boto3

    fence_account(info)
    extra = info.extra
    endpoint = endpoints(extra)
    session = boto3.Session(
        aws_access_key_id=info.login or None,
        aws_secret_access_key=info.password or None,
        aws_session_token=extra.get("aws_session_token"),
        region_name=extra.get("region_name") or "us-east-1",
        profile_name=extra.get("profile_name"),
    )
    if extra.get("role_arn"):
        session = _assume(session, extra, endpoint("sts"))
    return Account(info.conn_id, session, endpoint)


def _assume(session: boto3.Session, extra: Mapping[str, Any], sts_endpoint: str | None) -> boto3.Session:
    """A session in a role, whose credentials renew themselves before they expire."""
    import boto3
    import botocore.session
    from botocore.credentials import DeferredRefreshableCredentials

    sts = connect(session, "sts", session.region_name, sts_endpoint)
    asked = {"RoleArn": extra["role_arn"], "RoleSessionName": USER_AGENT, **(extra.get("assume_role_kwargs") or {})}
    if extra.get("external_id"):
        asked["ExternalId"] = extra["external_id"]

    def renew() -> dict[str, str]:
        given = sts.assume_role(**asked)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    inner = botocore.session.get_session()
    inner._credentials = DeferredRefreshableCredentials(refresh_using=renew, method="assume-role")
    return boto3.Session(botocore_session=inner, region_name=session.region_name)
