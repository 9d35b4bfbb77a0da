"""The verification policy: every threshold on both sides, and what checks come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.catalog.model import Datastore, Tier
from include.recovery.model import Check, Copy, Inspection, Outcome, RecoveryPoint, Survey, Verdict
from include.recovery.verification import NAMES, summary, verdict, verify

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIER = Tier.model_validate(
    {"rpo": "15m", "rto": "1h", "drill_every": "7d", "backup_every": "1d", "retention": "7d", "copy_within": "1d"}
)
STORE = Datastore(name="main", cloud="a-cloud", region="here", database="shop", business_time="SELECT now()")
ID = "orders/main"


def point(name: str = "new", age: timedelta = HOUR, **changes: Any) -> RecoveryPoint:
    known: dict[str, Any] = {
        "id": name,
        "kind": "base_backup",
        "taken_at": NOW - age,
        "restorable_until": NOW - timedelta(minutes=1),
        "region": "here",
        "failure_domain": "north",
        "location": f"/backups/{name}",
        "size_bytes": 10**9,
        "engine_version": "18",
        "encrypted": True,
        "copies": (Copy(location=f"/copies/{name}", failure_domain="south", taken_at=NOW - age),),
    }
    return RecoveryPoint.model_validate(known | changes)


def looked(*outcomes: Outcome) -> Inspection:
    names = ("manifest", "wal-continuity")
    return Inspection(checks=tuple(Check(name=n, layer="backup", outcome=o) for n, o in zip(names, outcomes, strict=False)))


GOOD = looked(Outcome.PASSED, Outcome.PASSED)


def run(*points: RecoveryPoint, history: tuple[RecoveryPoint, ...] = (), **changes: Any) -> dict[str, Check]:
    datastore = changes.pop("datastore", STORE)
    inspection = changes.pop("inspection", GOOD)
    survey = Survey(points={ID: points}, settings={ID: changes.pop("settings", {})})
    found = verify(datastore, changes.pop("tier", TIER), survey, inspection, history, NOW, datastore_id=ID)
    assert [one.name for one in found] == [name for name in NAMES if name in {one.name for one in found}]
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def test_a_healthy_night_is_green_line_by_line() -> None:
    found = run(
        point(), history=(point("old", timedelta(days=1)),), settings={}, tier=TIER.model_copy(update={"retention": HOUR})
    )
    assert set(found) == set(NAMES)
    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert all(one.measured for one in found.values() if one.name not in ("manifest", "wal-continuity"))
    assert verdict(found.values()) is Verdict.PASSED


def test_what_cannot_be_read_is_unknown_and_never_green() -> None:
    survey = Survey(points={}, unreadable={ID: "permission denied: /backups"})
    found = verify(STORE, TIER, survey, None, (), NOW, datastore_id=ID)
    assert [one.name for one in found] == list(NAMES)
    assert {one.outcome for one in found} == {Outcome.UNKNOWN}
    assert all("permission denied" in one.detail for one in found)
    assert verdict(found) is Verdict.UNKNOWN


def test_a_datastore_that_the_survey_forgot_is_unknown() -> None:
    found = verify(STORE, TIER, Survey(points={}), None, (), NOW, datastore_id=ID)
    assert {one.outcome for one in found} == {Outcome.UNKNOWN}


def test_no_point_at_all_is_failed_and_the_rest_unknown() -> None:
    found = run(inspection=None)
    assert found["backup-exists"].outcome is Outcome.FAILED
    assert found["recovery-point-age"].outcome is Outcome.UNKNOWN
    assert set(found) == set(NAMES)


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(hours=30), Outcome.PASSED),
        (timedelta(hours=30, seconds=1), Outcome.FAILED),
        (timedelta(minutes=-5), Outcome.PASSED),
        (timedelta(minutes=-6), Outcome.FAILED),
    ],
)
def test_the_age_of_the_newest_full_point(age: timedelta, outcome: Outcome) -> None:
    check = run(point(age=age))["recovery-point-age"]
    assert check.outcome is outcome
    assert check.threshold == "at most 1d6h"


def test_an_old_point_is_stale_even_when_its_log_reaches_today() -> None:
    found = run(point(age=timedelta(days=9)))
    assert found["recovery-point-age"].outcome is Outcome.FAILED
    assert found["restorable-time-age"].outcome is Outcome.PASSED


@pytest.mark.parametrize(("minutes", "outcome"), [(15, Outcome.PASSED), (16, Outcome.FAILED)])
def test_the_restorable_time_against_the_rpo(minutes: int, outcome: Outcome) -> None:
    assert run(point(restorable_until=NOW - timedelta(minutes=minutes)))["restorable-time-age"].outcome is outcome


def test_only_the_newest_point_counts_in_any_order() -> None:
    old, new = point("old", timedelta(days=5), restorable_until=NOW - timedelta(days=4)), point("new")
    assert run(old, new) == run(new, old)
    assert run(old, new)["recovery-point-age"].outcome is Outcome.PASSED


def test_a_look_that_was_not_made_is_unknown() -> None:
    assert run(point(), inspection=None)["manifest"].outcome is Outcome.UNKNOWN
    half = run(point(), inspection=looked(Outcome.PASSED))
    assert half["manifest"].outcome is Outcome.PASSED
    assert half["wal-continuity"].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        (500_000_000, Outcome.PASSED),
        (499_999_999, Outcome.FAILED),
        (3_000_000_000, Outcome.PASSED),
        (3_000_000_001, Outcome.FAILED),
    ],
)
def test_the_size_against_the_median_of_the_earlier_ones(size: int, outcome: Outcome) -> None:
    history = tuple(point(f"old{n}", timedelta(days=1), size_bytes=value) for n, value in enumerate((10**9, 10**9, 9 * 10**9)))
    check = run(point(size_bytes=size), *history, history=(*history, point(size_bytes=size)))["size-history"]
    assert check.outcome is outcome


def test_a_first_size_is_a_measurement_and_no_finding() -> None:
    check = run(point(), history=(point(),))["size-history"]
    assert check.outcome is Outcome.PASSED
    assert "first measurement" in str(check.measured)
    assert run(point(size_bytes=None))["size-history"].outcome is Outcome.UNSUPPORTED
    other_kind = point("dumped", kind="dump", size_bytes=1, age=timedelta(days=8))
    assert run(point(), history=(other_kind,))["size-history"].outcome is Outcome.PASSED


def test_a_copy_in_the_same_failure_domain_is_none() -> None:
    near = Copy(location="/near", failure_domain="north", taken_at=NOW)
    found = run(point(copies=(near,)))
    assert found["copy-exists"].outcome is Outcome.FAILED
    assert found["copy-age"].outcome is Outcome.UNKNOWN
    assert run(point(copies=()))["copy-exists"].outcome is Outcome.FAILED


@pytest.mark.parametrize(("hours", "outcome"), [(24, Outcome.PASSED), (25, Outcome.FAILED)])
def test_the_age_of_the_newest_copy_elsewhere(hours: int, outcome: Outcome) -> None:
    ages = (timedelta(hours=hours), timedelta(days=5))
    copies = tuple(Copy(location="/c", failure_domain="south", taken_at=NOW - age) for age in ages)
    assert run(point(copies=copies))["copy-age"].outcome is outcome


@pytest.mark.parametrize(
    ("demanded", "is_encrypted", "outcome"),
    [
        (True, True, Outcome.PASSED),
        (True, False, Outcome.FAILED),
        (True, None, Outcome.UNKNOWN),
        (False, False, Outcome.PASSED),
        (False, None, Outcome.PASSED),
    ],
)
def test_encryption_where_it_is_demanded(demanded: bool, is_encrypted: bool | None, outcome: Outcome) -> None:
    datastore = STORE.model_copy(update={"encrypted": demanded})
    assert run(point(encrypted=is_encrypted), datastore=datastore)["store-encryption"].outcome is outcome


def test_a_young_point_that_vanished_is_a_finding_and_an_old_one_is_not() -> None:
    young, old = point("young", timedelta(days=6)), point("old", timedelta(days=7))
    assert run(point(), history=(old, young, young))["store-retention"].outcome is Outcome.FAILED
    assert "young" in run(point(), history=(old, young))["store-retention"].detail
    assert run(point(), history=(old,))["store-retention"].outcome is Outcome.PASSED
    assert run(point(), young, history=(old, young))["store-retention"].outcome is Outcome.PASSED


def test_everything_that_vanished_is_a_finding_too() -> None:
    assert run(history=(point("young", HOUR),), inspection=None)["store-retention"].outcome is Outcome.FAILED


@pytest.mark.parametrize(("days", "outcome"), [(7, Outcome.PASSED), (6, Outcome.FAILED)])
def test_the_stores_own_retention(days: int, outcome: Outcome) -> None:
    assert run(point(), settings={"retention": days * 86400})["store-retention"].outcome is outcome


def test_an_unreadable_neighbour_is_a_finding() -> None:
    found = run(point(), settings={"unreadable_points": ["base backup /backups/x: no label"]})
    assert found["points-readable"].outcome is Outcome.FAILED
    assert "/backups/x" in found["points-readable"].detail


def test_an_unknown_version_is_unknown() -> None:
    assert run(point(engine_version=None))["version"].outcome is Outcome.UNKNOWN
    found = run(point(), history=(point("old", timedelta(days=8), engine_version="17"),))["version"]
    assert (found.outcome, found.measured) == (Outcome.PASSED, "18")
    assert "17" in found.detail


# ---- verdict and summary -----------------------------------------------------------------------------------------


def line(layer: str, outcome: Outcome, name: str = "x", detail: str = "") -> Check:
    return Check(name=name, layer=layer, outcome=outcome, detail=detail)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([], Verdict.UNKNOWN),
        ([line("business", Outcome.PASSED)], Verdict.PASSED),
        ([line("business", Outcome.PASSED), line("backup", Outcome.UNSUPPORTED)], Verdict.PASSED),
        ([line("backup", Outcome.UNSUPPORTED)], Verdict.UNKNOWN),
        ([line("business", Outcome.PASSED), line("database", Outcome.UNKNOWN)], Verdict.PARTIAL),
        ([line("preflight", Outcome.PASSED), line("database", Outcome.UNKNOWN)], Verdict.UNKNOWN),
        ([line("backup", Outcome.PASSED), line("backup", Outcome.UNKNOWN)], Verdict.UNKNOWN),
        ([line("business", Outcome.PASSED), line("cleanup", Outcome.FAILED)], Verdict.FAILED),
        ([line("business", Outcome.UNKNOWN), line("cleanup", Outcome.FAILED)], Verdict.FAILED),
    ],
)
def test_what_checks_come_to(checks: list[Check], expected: Verdict) -> None:
    assert verdict(checks) is expected
    assert verdict(iter(checks)) is expected


outcomes = st.sampled_from(list(Outcome))
layers = st.sampled_from(["backup", "preflight", "harmless", "database", "expectations", "business", "target", "cleanup"])
many = st.lists(st.builds(line, layers, outcomes), max_size=12)


@given(many)
def test_green_needs_every_line(checks: list[Check]) -> None:
    found = verdict(checks)
    told = {one.outcome for one in checks}
    assert (found is Verdict.FAILED) == (Outcome.FAILED in told)
    if found is Verdict.PASSED:
        assert told <= {Outcome.PASSED, Outcome.UNSUPPORTED}
        assert Outcome.PASSED in told


@given(many, outcomes)
def test_one_more_line_that_is_not_green_never_makes_it_greener(checks: list[Check], outcome: Outcome) -> None:
    if outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        assert verdict([*checks, line("business", outcome)]) is not Verdict.PASSED


@given(many)
def test_the_order_of_the_lines_does_not_matter(checks: list[Check]) -> None:
    assert verdict(checks) is verdict(checks[::-1])


def test_the_summary_names_what_is_wrong_first() -> None:
    checks = [
        line("backup", Outcome.PASSED),
        line("backup", Outcome.UNKNOWN, "b", "not read"),
        line("backup", Outcome.FAILED, "c", "gone"),
    ]
    assert summary(checks) == "1 of 3 checks failed: c: gone"
    assert summary(checks[:2]) == "1 of 2 checks unknown: b: not read"
    assert summary(checks[:1]) == "1 checks passed"
    assert summary([]) == "nothing was checked"
    assert len(summary([line("backup", Outcome.FAILED, str(n), "x" * 400) for n in range(9)])) <= 500
