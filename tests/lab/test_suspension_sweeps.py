"""Sweeps over real state changes in the lab's AWS: former states, people, guards, capacity, faults, kills, deletions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from include.ledger import open_ledger
from include.ledger.sleeps import Sleeps
from include.suspension import forgotten, people, run
from include.suspension.contracts import Transient
from include.suspension.decision import Phase
from tests.lab.suspension_lab import BATCH, MORNING, NIGHT, NOON, Staging, killed, staging, stepped

SIZES = (1, 3, 5, ["AZRebalance"])


@pytest.fixture(scope="module")
def account() -> Iterator[Staging]:
    with staging() as opened:
        yield opened


@pytest.fixture
def there(account: Staging) -> Iterator[Staging]:
    account.clear()
    yield account
    account.clear()


def furnished(there: Staging) -> tuple[list[str], str, list[str]]:
    """Two instances, a group, and three that must never be stopped."""
    mine, group = there.instances(2), there.group("web", 1, 3, 5)
    never = [
        *there.instances(1, **{"drillyard-suspend": "never"}),
        *there.instances(1, **{"drillyard-protected": "true"}),
        *there.instances(1, environment="production"),
    ]
    there.sweep(NOON)
    return mine, group, never


def stopped(there: Staging, names: list[str]) -> set[str]:
    return {there.states()[name] for name in names}


def test_a_night_and_a_morning(there: Staging) -> None:
    mine, group, never = furnished(there)
    night = there.sweep(NIGHT)
    assert night.counts == {"keep opt-out": 1, "keep protected": 1, "keep managed": 3, "stop schedule-off": 3}
    assert stopped(there, mine) == {"stopped"} and stopped(there, never) == {"running"}
    assert there.group_sizes(group) == (0, 0, 0, ["AZRebalance", "ScheduledActions"])
    assert set(there.phases().values()) == {Phase.ASLEEP}
    formers = [one for record in there.records("suspending") for one in record["former"]]
    assert sorted((one["generation"], one["resource"]["kind"]) for one in formers) == [
        (1, "auto-scaling-group"),
        (1, "ec2-instance"),
        (1, "ec2-instance"),
    ]
    assert there.sweep(NIGHT + timedelta(minutes=15)).stopped == 0  # a second run changes nothing
    assert there.sweep(MORNING).started == 3
    assert stopped(there, mine) == {"running"} and there.group_sizes(group) == SIZES
    assert all(one["exact"] for record in there.records("awake") for one in record["woken"])
    there.sweep(NIGHT + timedelta(days=1))
    assert {memory.generation for memory in there.memories().values()} == {2}


def test_a_wake_for_an_evening_and_its_end(there: Staging) -> None:
    mine = there.instances(2)
    there.sweep(NIGHT)
    desk = there.desk()
    people.write(desk.ledger, desk.stores, "staging", "wake", 2, "ann", "a demo", NIGHT + timedelta(hours=1))
    there.sweep(NIGHT + timedelta(hours=1), desk)
    assert stopped(there, mine) == {"running"}
    there.sweep(NIGHT + timedelta(hours=4), desk)
    desk.ledger.close()
    assert stopped(there, mine) == {"stopped"}


def test_started_by_hand_is_told_once_kept_and_stopped_after_its_grace(there: Staging) -> None:
    (mine,) = there.instances(1)
    there.sweep(NIGHT)
    there.start_by_hand(mine)
    for minutes in (30, 45, 60):
        there.sweep(NIGHT + timedelta(minutes=minutes))
    assert stopped(there, [mine]) <= {"running", "pending"}
    assert [one.rule for one in there.told] == ["started-by-hand"]
    there.sweep(NIGHT + timedelta(hours=3))
    assert stopped(there, [mine]) == {"stopped"}
    (ended,) = [one for record in there.records("awake") for one in record["woken"]]
    assert (ended["generation"], ended["how"], ended["at"]) == (1, "started by others", "2037-12-07T21:30:00Z")


def test_a_deleted_resource_is_noted_and_nothing_fails(there: Staging) -> None:
    first, second = there.instances(2)
    there.sweep(NIGHT)
    there.client("ec2").terminate_instances(InstanceIds=[first])
    done = there.sweep(MORNING)
    assert (done.started, done.failed) == (1, {}) and stopped(there, [second]) == {"running"}
    ended = {one["key"].rpartition("/")[2]: one["how"] for record in there.records("awake") for one in record["woken"]}
    assert ended == {first: "deleted by others", second: ""}


def test_no_capacity_is_tried_as_other_types_then_escalated_then_itself_again(there: Staging) -> None:
    (mine,) = there.instances(1)
    there.sweep(NIGHT)
    there.lab.no_capacity(region="eu-central-1")
    failed = run.sweep(there.desk(), BATCH, MORNING)
    assert failed.started == 0 and [one.rule for one in there.told] == ["no-capacity"]
    there.lab.capacity()
    there.lab.no_capacity(region="eu-central-1", match="m5.*")
    there.sweep(MORNING + timedelta(minutes=15), fallbacks={"m5.large": ["m6.large", "m6i.large"]})
    row = there.client("ec2").describe_instances(InstanceIds=[mine])["Reservations"][0]["Instances"][0]
    assert (row["State"]["Name"], row["InstanceType"]) == ("running", "m6.large")
    there.lab.capacity()
    there.sweep(NIGHT + timedelta(days=1))
    there.sweep(MORNING + timedelta(days=1))
    row = there.client("ec2").describe_instances(InstanceIds=[mine])["Reservations"][0]["Instances"][0]
    assert (row["State"]["Name"], row["InstanceType"]) == ("running", "m5.large")


@pytest.mark.parametrize("kind", [pytest.param("throttle", marks=pytest.mark.full), "lost"])
def test_a_throttled_and_a_lost_answer_converge(there: Staging, kind: str) -> None:
    mine, group, never = furnished(there)
    for now, state in ((NIGHT, "stopped"), (MORNING, "running")):
        for after in (1, 2, 4):
            there.lab.fault(kind=kind, count=2, nth=after)
            with suppress(Transient):
                there.sweep(now)
            there.lab.clear_faults()
        there.sweep(now)
        assert stopped(there, mine) == {state} and stopped(there, never) == {"running"}
    assert there.group_sizes(group) == SIZES


def test_the_ledger_is_made_again_from_the_evidence(there: Staging) -> None:
    mine, group, _ = furnished(there)
    there.sweep(NIGHT)
    from include.evidence.record import SuspensionRecord

    there.forget()
    ledger = open_ledger(there.url)
    ledger.rebuild([SuspensionRecord.model_validate(record) for record in there.records("suspending")])
    ledger.close()
    there.sweep(MORNING)
    assert stopped(there, mine) == {"running"} and there.group_sizes(group) == SIZES


def test_an_environment_that_leaves_the_catalog_asleep_is_a_finding_and_is_brought_back_exactly(there: Staging) -> None:
    mine, group, _ = furnished(there)
    there.sweep(NIGHT)
    moved = there.desk(match={"environment": "test"})  # its tags lead nowhere now: nobody claims what sleeps
    found = run.sweep(moved, BATCH, MORNING)
    moved.ledger.close()
    assert {key.rpartition("/")[2] for key in found.failed} == {*mine, group} and stopped(there, mine) == {"stopped"}
    assert all("bring-back staging" in why for why in found.failed.values())
    desk = there.desk()
    people.write(desk.ledger, desk.stores, "staging", "wake", 1, "ann", "it left the catalog", MORNING)
    alone = forgotten.handed(desk, BATCH, "staging", desk.sleeps.of_environment("staging"))
    there.sweep(MORNING, alone, only="staging")
    desk.ledger.close()
    assert stopped(there, mine) == {"running"} and there.group_sizes(group) == SIZES
    assert set(there.phases().values()) == {Phase.AWAKE}
    assert all(one["exact"] for record in there.records("awake") for one in record["woken"])


STEPS = 60
SAMPLE = (12, 20)


@pytest.mark.parametrize("now", [NIGHT, MORNING], ids=["night", "morning"])
@pytest.mark.parametrize("at", [pytest.param(at, marks=[] if at in SAMPLE else pytest.mark.full) for at in range(1, STEPS)])
def test_killed_between_any_two_calls_it_converges(there: Staging, now: Any, at: int) -> None:
    mine, group, never = furnished(there)
    if now is MORNING:
        there.sweep(NIGHT)

    def work(step: Any) -> None:
        run.sweep(stepped(there.desk(), step), BATCH, now)

    died = killed(there, at, work)
    there.sweep(now)
    assert stopped(there, never) == {"running"}
    if now is NIGHT:
        assert stopped(there, mine) == {"stopped"}
        there.sweep(MORNING)
    assert stopped(there, mine) == {"running"} and there.group_sizes(group) == SIZES
    ledger = open_ledger(there.url)
    sleeps = Sleeps(ledger).sleeps(NOON, MORNING + timedelta(days=1))
    ledger.close()
    assert [(one.former.generation, one.former.resource.size) for one in sleeps if one.former.resource.family == "group"] == [
        (1, {"min": 1, "max": 5, "desired": 3, "suspended": ["AZRebalance"]})
    ]
    written = [one["key"] for record in there.records("suspending") for one in record["former"]]
    assert len(written) == len(set(written)) == 3  # once, whatever was cut off
    if at >= STEPS - 1:
        assert not died, "a sweep has more steps than this matrix"
