"""Cloud SQL's errors and words as ours, labels that carry a lease, and the fence around a lab."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.clouds.google.clients import ENDPOINT, Google, fenced_http, from_connection, meaning
from include.clouds.google.instances import STATES, cloned, judge
from include.clouds.google.keeping import RUN_STATUS
from include.clouds.google.labels import labels, lease_of
from include.clouds.managed import NotThere, Refusal, Taken, allowed
from include.connections import ConnectionInfo
from include.lab.google import discovery
from include.recovery.contracts import Transient
from include.recovery.model import Status


def answer(status: int, reason: str) -> Any:
    content = json.dumps({"error": {"message": "no", "errors": [{"reason": reason}]}}).encode()
    return SimpleNamespace(resp=SimpleNamespace(status=status), content=content)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (429, "rateLimitExceeded", Transient),
        (403, "rateLimitExceeded", Transient),
        (409, "operationInProgress", Transient),
        (500, "backendError", Transient),
        (503, "backendError", Transient),
        (404, "instanceDoesNotExist", NotThere),
        (409, "instanceAlreadyExists", Taken),
        (403, "notAuthorized", PermissionError),
        (401, "authError", PermissionError),
        (400, "invalid", Refusal),
        (409, "conflict", Refusal),
    ],
)
def test_an_error_means(status: int, reason: str, kind: type[Exception]) -> None:
    found = meaning(answer(status, reason))
    assert type(found) is kind
    assert str(status) in str(found)


def test_an_error_page_that_is_no_json_keeps_its_status() -> None:
    broken = SimpleNamespace(resp=SimpleNamespace(status=502), content=b"<html>")
    assert isinstance(meaning(broken), Transient)


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=180))
def test_labels_carry_a_lease_and_fit_googles_rules(lease_id: str) -> None:
    made = labels(lease_id)
    assert lease_of(made) == lease_id
    for key, value in made.items():
        assert len(key) <= 63
        assert len(value) <= 63
        assert not set(value) - set("abcdefghijklmnopqrstuvwxyz0123456789_-")


def test_other_labels_are_no_mark() -> None:
    assert lease_of({"environment": "production"}) is None


def documented(schema: str, field: str) -> set[str]:
    rules = discovery.api("sqladmin", "v1")._schemas[schema]["properties"][field]["enum"]
    return {word for word in rules if not word.endswith("_UNSPECIFIED")}


def test_every_word_of_googles_document_is_known() -> None:
    assert documented("DatabaseInstance", "state") == set(STATES)
    assert documented("BackupRun", "status") == set(RUN_STATUS)


def test_a_word_that_nobody_knows_raises() -> None:
    with pytest.raises(KeyError, match="HIBERNATING"):
        judge("HIBERNATING", [])


def operation(kind: str, status: str = "DONE", **more: Any) -> dict[str, Any]:
    times = {"insertTime": "2026-11-23T01:00:00Z", "endTime": "2026-11-23T01:02:30Z"}
    return {"operationType": kind, "status": status, "targetId": "dy-x", **times, **more}


def test_an_instance_is_judged_by_what_made_it() -> None:
    error = {"errors": [{"code": "INTERNAL_ERROR", "message": "disk"}]}
    assert judge("RUNNABLE", [operation("CLONE")]) == (Status.SUCCEEDED, "RUNNABLE", {"restore": 150.0})
    assert judge("RUNNABLE", [operation("UPDATE", "RUNNING"), operation("CLONE")])[0] is Status.RUNNING
    assert judge("PENDING_CREATE", [operation("CLONE", "RUNNING")]) == (Status.RUNNING, "PENDING_CREATE", {})
    assert judge("RUNNABLE", [operation("CLONE", error=error)])[:2] == (Status.FAILED, "INTERNAL_ERROR: disk")
    assert judge("RUNNABLE", [operation("UPDATE_USER", error=error), operation("CLONE")])[0] is Status.SUCCEEDED
    assert cloned([operation("UPDATE"), operation("CLONE")])
    assert not cloned([operation("CLONE"), operation("CREATE")])
    assert not cloned([])


# ---- the fence ---------------------------------------------------------------------------------------------------


@pytest.fixture
def in_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", "/nowhere")


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://127.71.0.3:5432/x", "http://localhost/x", "http://[::1]:9/"])
def test_this_machine_may_be_reached(in_a_lab: None, url: str) -> None:
    assert allowed(url) == url


@pytest.mark.parametrize(
    "url", [ENDPOINT, "http://10.0.0.1/", "https://127.0.0.1.example.com/", "nonsense", "http://localhost.example.com"]
)
def test_nothing_else_may_be_reached_from_a_lab(in_a_lab: None, url: str) -> None:
    with pytest.raises(PermissionError, match="lab"):
        allowed(url)


def test_a_lab_builds_no_client_for_the_real_host(in_a_lab: None) -> None:
    from google.auth.credentials import AnonymousCredentials

    with pytest.raises(PermissionError):
        Google(AnonymousCredentials())
    with pytest.raises(PermissionError):
        from_connection(ConnectionInfo(conn_id="google", conn_type="google_cloud_platform"))


def test_a_lab_sends_no_request_off_the_machine(in_a_lab: None) -> None:
    with pytest.raises(PermissionError):
        fenced_http().request("https://oauth2.googleapis.com/token")


def test_a_batch_stays_at_the_endpoint(in_a_lab: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.credentials import AnonymousCredentials
    from googleapiclient.http import BatchHttpRequest

    seen: list[str] = []
    monkeypatch.setattr(BatchHttpRequest, "execute", lambda self, http=None: seen.append(self._batch_uri))
    client = Google(AnonymousCredentials(), "http://127.0.0.1:9")
    client.batch({"one": client.sql.instances().get(project="p", instance="i")})
    assert seen == ["http://127.0.0.1:9/batch"]


def test_a_key_in_a_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    with pytest.raises(PermissionError, match="long-lived key"):
        from_connection(ConnectionInfo(conn_id="google", conn_type="google_cloud_platform", extra={"keyfile_dict": "{}"}))
