"""RDS's words and snapshots in ours: pure, without a control plane."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.clouds.aws import points
from include.clouds.aws.look import inspect
from include.clouds.aws.settings import Datastore, Sandboxes
from include.clouds.aws.words import INSTANCE, NotSignedIn, Refused, status, translated
from include.recovery.contracts import Transient
from include.recovery.model import Copy, Outcome, Status

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NETWORK = {"subnet_group": "s", "security_groups": ["sg-1"], "parameter_groups": {"18": "p"}}
SETTINGS = Sandboxes.model_validate(
    {"connection": "r", "networks": {"eu-central-1": NETWORK}, "failure_domains": {"eu-central-1": "fra"}}
)
STORE = Datastore.model_validate(
    {
        "name": "main",
        "cloud": "aws",
        "region": "eu-central-1",
        "connection": "c",
        "instance": "orders",
        "database": "shop",
        "business_time": "SELECT now()",
    }
)


def snapshot(hours: float, kind: str = "automated", resource: str = "db-1", **changes: Any) -> dict[str, Any]:
    return {
        "DBSnapshotIdentifier": f"{kind}-{hours}",
        "DBInstanceIdentifier": "orders",
        "DBSnapshotArn": f"arn:{kind}-{hours}",
        "SnapshotType": kind,
        "SnapshotCreateTime": NOW - timedelta(hours=hours),
        "Status": "available",
        "DbiResourceId": resource,
        "AllocatedStorage": 20,
        "EngineVersion": "18.1",
        "Encrypted": False,
        **changes,
    }


def made(snapshots: list[dict[str, Any]], copies: list[Copy] | None = None, **instance: Any) -> Any:
    known = {"LatestRestorableTime": NOW - timedelta(minutes=5), "DbiResourceId": "db-1", **instance}
    return points.of_instance(STORE, SETTINGS, known, snapshots, copies or [])


def test_a_point_inside_the_window_rolls_to_its_end_and_others_stay_where_they_are() -> None:
    found = {one.id: one for one in made([snapshot(2), snapshot(26), snapshot(1, "manual"), snapshot(50, "manual")])}
    rolled = {name for name, one in found.items() if one.restorable_until == NOW - timedelta(minutes=5)}
    assert rolled == {"automated-2", "automated-26", "manual-1"}
    assert found["manual-50"].restorable_until == found["manual-50"].taken_at
    assert all(one.failure_domain == "fra" for one in found.values())
    assert {name for name, one in found.items() if one.facts["rolls"]} == rolled


def test_snapshots_of_an_earlier_instance_of_the_same_name_do_not_roll() -> None:
    (old,) = made([snapshot(3, resource="db-0")])
    assert not old.facts["rolls"]
    assert old.restorable_until == old.taken_at


def test_without_automated_backups_nothing_rolls() -> None:
    (only,) = made([snapshot(3, "manual")], LatestRestorableTime=None)
    assert not only.facts["rolls"]


def test_what_is_being_made_or_broken_is_no_point() -> None:
    assert made([snapshot(1, Status="creating"), snapshot(2, Status="failed")]) == []


def test_the_newest_point_names_the_newest_copies_and_an_older_one_its_own() -> None:
    copy = Copy(location="there", failure_domain="ire", taken_at=NOW - timedelta(hours=26))
    newest, older = made([snapshot(2), snapshot(26)], [copy])
    assert newest.copies == older.copies == (copy,)
    assert made([snapshot(2), snapshot(27)], [copy])[1].copies == ()


def test_a_point_without_a_key_needs_none_and_an_unknown_key_is_unknown() -> None:
    (plain,) = made([snapshot(1)])
    outcomes = {one.name: one.outcome for one in inspect(STORE, plain).checks}
    assert outcomes["key-usable"] is Outcome.PASSED
    locked = plain.model_copy(update={"encrypted": True, "key_id": "arn:key"})
    assert {one.name: one.outcome for one in inspect(STORE, locked).checks}["key-usable"] is Outcome.UNKNOWN


def test_every_word_of_an_instance_is_mapped_and_another_is_loud() -> None:
    assert status("available", INSTANCE, "x") is Status.SUCCEEDED
    assert status("incompatible-restore", INSTANCE, "x") is Status.FAILED
    with pytest.raises(ValueError, match="'thinking'"):
        status("thinking", INSTANCE, "x")


@pytest.mark.parametrize(
    ("code", "http", "ours"),
    [
        ("Throttling", 400, Transient),
        ("InternalFailure", 500, Transient),
        ("Unheard", 503, Transient),
        ("InvalidDBInstanceState", 400, Transient),
        ("ExpiredToken", 403, NotSignedIn),
        ("AccessDenied", 403, PermissionError),
        ("DBInstanceQuotaExceeded", 400, Refused),
    ],
)
def test_errors_are_what_they_mean(code: str, http: int, ours: type[Exception]) -> None:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": http}}
    with pytest.raises(ours, match="said") as caught, translated("asking"):
        raise ClientError(answer, "Anything")
    assert type(caught.value) is ours


def test_a_connection_that_fails_is_transient() -> None:
    from botocore.exceptions import EndpointConnectionError

    with pytest.raises(Transient, match="asking"), translated("asking"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
