"""The double refuses what Google's own documents refuse, and says what it does not do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.lab.double import Call, Fault
from include.lab.google.cloud import google
from include.lab.google.plane import GooglePlane


@pytest.fixture
def plane() -> GooglePlane:
    return google(None, pace=0.0)


def call(plane: GooglePlane, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    answered = plane.serve(Call(method, path, {name: [value] for name, value in query.items()}, {}, raw))
    assert answered is not None
    return answered.status, answered.body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "a", "settings": {"activationPolcy": "ALWAYS"}}, "activationPolcy"),
        ({"name": "a", "settings": {"activationPolicy": "OFF"}}, "activationPolicy"),
        ({"name": "a", "settings": {"dataDiskSizeGb": 10}}, "dataDiskSizeGb"),
        ({"name": "a", "settings": {"dataDiskSizeGb": "ten"}}, "int64"),
        ({"name": "a", "settings": "small"}, "settings"),
        ({"name": "a", "settings": {"databaseFlags": [{"nam": "x"}]}}, "nam"),
        ({"name": "a", "settings": {"ipConfiguration": {"ipv4Enabled": False}}}, "Private IP"),
    ],
)
def test_a_body_that_is_not_googles_is_refused(plane: GooglePlane, body: dict[str, Any], said: str) -> None:
    status, told = call(plane, "POST", "/v1/projects/p/instances", body)
    assert status == 400
    assert said in told["error"]["message"]


def test_a_parameter_that_is_not_googles_is_refused(plane: GooglePlane) -> None:
    status, told = call(plane, "GET", "/v1/projects/p/instances", maxresult="5")
    assert (status, "maxresult" in told["error"]["message"]) == (400, True)


def test_a_real_method_that_is_not_done_says_so(plane: GooglePlane) -> None:
    status, told = call(plane, "POST", "/v1/projects/p/instances/i/failover", {})
    assert status == 501
    assert "sql.instances.failover" in told["error"]["message"]
    assert call(plane, "GET", "/v1/projects/p/instancez")[0] == 404


def test_only_real_methods_can_join() -> None:
    with pytest.raises(KeyError, match=r"sql\.instances\.frobnicate"):
        GooglePlane(("sqladmin", "v1")).join({"sql.instances.frobnicate": lambda _: {}})


def test_an_answer_that_breaks_the_schema_is_an_error_of_the_double() -> None:
    plane = GooglePlane(("sqladmin", "v1"))
    plane.join({"sql.instances.get": lambda _: {"state": "ASLEEP"}})
    status, told = call(plane, "GET", "/v1/projects/p/instances/i")
    assert status == 500
    assert "the double itself failed" in told["error"]["message"]


def test_pages_are_followed_by_tokens(plane: GooglePlane) -> None:
    plane.commands["seed"]({"project": "p", "instances": 25, "runs": 1})
    status, first = call(plane, "GET", "/v1/projects/p/instances", maxResults="10")
    assert (status, len(first["items"])) == (200, 10)
    _, last = call(plane, "GET", "/v1/projects/p/instances", maxResults="10", pageToken="20")
    assert len(last["items"]) == 5
    assert "nextPageToken" not in last


def test_faults_meet_the_calls_they_are_for(plane: GooglePlane) -> None:
    plane.door.command("fault", Fault(kind="throttle", at=2, match="instances.list").model_dump())
    plane.door.command("fault", Fault(kind="drop", at=1, times=2, match="backupRuns").model_dump())
    assert call(plane, "GET", "/v1/projects/p/instances")[0] == 200
    assert call(plane, "GET", "/v1/projects/p/instances")[0] == 429
    assert call(plane, "GET", "/v1/projects/p/instances")[0] == 200
    runs = Call("GET", "/v1/projects/p/instances/-/backupRuns", {}, {}, b"")
    assert [plane.serve(runs) is None for _ in range(3)] == [True, True, False]
    assert plane.door.command("calls", {})["by_operation"] == {"sql.instances.list": 3, "sql.backupRuns.list": 3}


def test_a_lost_answer_is_lost_after_the_deed(plane: GooglePlane) -> None:
    plane.door.command("fault", Fault(kind="lost", match="instances.insert").model_dump())
    network = {"ipConfiguration": {"ipv4Enabled": True}}
    lost = Call("POST", "/v1/projects/p/instances", {}, {}, json.dumps({"name": "a", "settings": network}).encode())
    assert plane.serve(lost) is None
    assert call(plane, "GET", "/v1/projects/p/instances/a")[0] == 200
    assert (
        call(plane, "POST", "/v1/projects/p/instances", {"name": "a"})[1]["error"]["errors"][0]["reason"]
        == "instanceAlreadyExists"
    )
