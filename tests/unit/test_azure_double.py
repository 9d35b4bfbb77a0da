"""The resource manager refuses what Azure's own SDK does not know; its errors as ours; and the fence around a lab."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from include.clouds.azure.clients import Azure, from_connection, meaning, word
from include.clouds.azure.servers import STATES
from include.clouds.managed import NotThere, Refusal, Taken
from include.connections import ConnectionInfo
from include.lab.azure import contract
from include.lab.azure.arm import ArmPlane
from include.lab.azure.cloud import azure
from include.lab.double import Call
from include.recovery.contracts import Transient

VERSION = "2026-10-01"
SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-000000000003"
SERVER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/shop"


@pytest.fixture
def plane() -> ArmPlane:
    return azure(None, pace=0.0)


def call(plane: ArmPlane, method: str, path: str, body: Any = None, version: str = VERSION) -> tuple[int, Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    answered = plane.serve(Call(method, path, {"api-version": [version]}, {"host": "127.0.0.1:1"}, raw))
    assert answered is not None
    return answered.status, answered.body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"proprties": {}}, "proprties"),
        ({"properties": {"createMode": "PointInTimeRestor"}}, "PointInTimeRestor"),
        ({"properties": {"state": "Ready"}}, "cannot be part of a create"),
        ({"properties": {"backup": {"backupRetentionDays": "7"}}}, "a number"),
        ({"properties": {"network": {"subnetId": "x"}}}, "subnetId"),
        ({"properties": "none"}, "object"),
        ({"properties": {"createMode": "PointInTimeRestore", "sourceServerResourceId": "/x/nowhere"}}, "nowhere"),
    ],
)
def test_a_body_that_is_not_azures_is_refused(plane: ArmPlane, body: dict[str, Any], said: str) -> None:
    status, told = call(plane, "PUT", SERVER, body)
    assert status == 400
    assert said in told["error"]["message"]


def test_what_is_not_there_or_not_done_says_so(plane: ArmPlane) -> None:
    assert call(plane, "GET", SERVER)[0] == 404
    status, told = call(plane, "POST", f"{SERVER}/restart")
    assert (status, "servers_restart" in told["error"]["message"]) == (501, True)
    assert call(plane, "GET", SERVER, version="2020-01-01")[0] == 400
    assert (
        call(plane, "GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Nothing/things")[1]["error"]["code"]
        == "InvalidResourceType"
    )


def test_only_real_calls_can_join() -> None:
    with pytest.raises(KeyError, match="servers_frobnicate"):
        ArmPlane("azure.mgmt.postgresqlflexibleservers", pace=0.0).join({"servers_frobnicate": lambda _: None})  # type: ignore[dict-item, return-value]


def test_a_password_is_no_part_of_an_answer() -> None:
    from azure.mgmt.postgresqlflexibleservers import models

    with pytest.raises(contract.Invalid, match="cannot be part of a read"):
        contract.check(models.Server, {"properties": {"administratorLoginPassword": "x"}}, "read")


def test_every_state_that_the_sdk_knows_is_known() -> None:
    from azure.mgmt.postgresqlflexibleservers.models import ServerState

    assert {one.value for one in ServerState} == set(STATES)
    assert word(ServerState.READY) == "Ready"
    assert word("Hibernating") == "Hibernating"


def answer(status: int, code: str) -> Any:
    return SimpleNamespace(status_code=status, error=SimpleNamespace(code=code, message="no"), message="no")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "TooManyRequests", Transient),
        (500, "InternalServerError", Transient),
        (409, "ServerIsBusy", Transient),
        (404, "ResourceNotFound", NotThere),
        (409, "ServerNameAlreadyExists", Taken),
        (403, "AuthorizationFailed", PermissionError),
        (400, "InvalidParameterValue", Refusal),
        (409, "Conflict", Refusal),
    ],
)
def test_an_error_means(status: int, code: str, kind: type[Exception]) -> None:
    found = meaning(answer(status, code))
    assert type(found) is kind
    assert code in str(found)


def test_a_lab_builds_no_client_for_the_real_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", "/nowhere")
    with pytest.raises(PermissionError, match="lab"):
        from_connection(ConnectionInfo(conn_id="azure", conn_type="azure"), SUBSCRIPTION)
    with pytest.raises(PermissionError, match="lab"):
        Azure(None, SUBSCRIPTION, "https://management.azure.com")


def test_a_lab_follows_no_page_off_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", "/nowhere")
    client = Azure(None, SUBSCRIPTION, "http://127.0.0.1:9")
    from azure.core.rest import HttpRequest

    with pytest.raises(PermissionError, match=r"management\.azure\.com"):
        client.postgres.send_request(HttpRequest("GET", "https://management.azure.com/next"))


def test_a_secret_in_a_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    with pytest.raises(PermissionError, match="long-lived secret"):
        from_connection(ConnectionInfo(conn_id="azure", conn_type="azure", login="id", password="secret"), SUBSCRIPTION)
