"""What every cloud's switch and activity must keep, whatever its API is like: one suite over clouds and kinds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from power_aws import aws_power
from power_azure import azure_power
from power_google import google_power
from power_harness import PowerHarness, Thing

from include.recovery.contracts import Transient
from include.suspension.model import Metric, Outcome, Power, Span, Wake
from include.values import utcnow

POWER_HARNESSES: dict[str, Callable[[], AbstractContextManager[PowerHarness]]] = {
    "aws": aws_power,
    "azure": azure_power,
    "google": google_power,
}
"""By cloud. The suite runs once for each of its kinds."""
KINDS = {
    "aws": ("ec2-instance", "auto-scaling-group", "rds-instance", "ecs-service", "eks-nodegroup"),
    "azure": ("virtual-machine", "scale-set", "flexible-server", "aks-cluster"),
    "google": ("compute-instance", "managed-instance-group", "cloud-sql", "gke-node-pool"),
}
_NUMBERS = itertools.count(1)


def last_hour() -> Span:
    return Span(start=utcnow() - timedelta(hours=1), end=utcnow(), period=timedelta(minutes=5))


@pytest.fixture(scope="module")
def harnesses() -> Iterator[dict[str, PowerHarness]]:
    """Each cloud's lab, started when a test first asks for it."""
    opened: dict[str, AbstractContextManager[PowerHarness]] = {}

    class Labs(dict[str, PowerHarness]):
        def __missing__(self, cloud: str) -> PowerHarness:
            opened[cloud] = POWER_HARNESSES[cloud]()
            self[cloud] = opened[cloud].__enter__()
            return self[cloud]

    yield Labs()
    for manager in opened.values():
        manager.__exit__(None, None, None)


@pytest.fixture(params=[(cloud, kind) for cloud in sorted(KINDS) for kind in KINDS[cloud]], ids="-".join)
def case(request: pytest.FixtureRequest, harnesses: dict[str, PowerHarness]) -> tuple[PowerHarness, Thing]:
    cloud, kind = request.param
    return harnesses[cloud], harnesses[cloud].things[kind]


def fresh(thing: Thing) -> str:
    return thing.make(f"sleeper-{next(_NUMBERS)}")


def test_every_kind_of_a_switch_is_in_this_suite(harnesses: dict[str, PowerHarness]) -> None:
    for cloud, kinds in KINDS.items():
        assert set(harnesses[cloud].switch.kinds) == set(kinds) == set(harnesses[cloud].things)


def test_a_survey_shows_what_runs(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    found = lab.one(thing.kind, fresh(thing))
    assert (found.power, found.refuses, found.managed_by) == (Power.ON, None, None)
    assert found.count >= 1
    assert found.tags["environment"] == "test"
    assert (found.cloud, found.account, found.region) == (lab.batch.cloud, lab.batch.account, lab.batch.region)
    assert found.billed_as or found.billed_tag


def test_sleep_and_back_to_exactly_what_it_was(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    name = fresh(thing)
    before, exact = lab.one(thing.kind, name), thing.exact(name)
    assert lab.switch.stop(lab.batch, [before])[name].outcome is Outcome.ACCEPTED
    asleep = lab.settled(before, Power.OFF)
    assert asleep.count == 0
    again = lab.switch.stop(lab.batch, [asleep])[name].outcome
    assert again in (Outcome.ACCEPTED, Outcome.BUSY), again
    lab.settled(before, Power.OFF)
    assert lab.woken(Wake(resource=asleep, size=before.size)).outcome is Outcome.ACCEPTED
    awake = lab.settled(before, Power.ON)
    assert thing.exact(name) == exact
    assert (awake.size, awake.count, awake.instance_type) == (before.size, before.count, before.instance_type)


def test_one_that_was_deleted_by_hand_stops_no_other(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    names = [fresh(thing) for _ in range(3)]
    seen = [lab.one(thing.kind, name) for name in names]
    thing.delete(names[1])
    answers = lab.switch.stop(lab.batch, seen)
    others = {answers[name].outcome for name in (names[0], names[2])}
    assert others == ({Outcome.ACCEPTED, Outcome.BUSY} if thing.one_at_a_time else {Outcome.ACCEPTED}), answers
    # Some vendors show what is deleted for a while.
    assert answers[names[1]].outcome in (Outcome.GONE, Outcome.BUSY), answers
    now = lab.switch.look(lab.batch, seen)
    assert names[1] not in now or now[names[1]].power is Power.LEAVING
    assert {names[0], names[2]} <= set(now)


@pytest.mark.parametrize("fault", ["throttled", "outage"])
def test_what_cannot_be_known_is_said_so(case: tuple[PowerHarness, Thing], fault: str) -> None:
    lab, thing = case
    name = fresh(thing)
    seen, exact = lab.one(thing.kind, name), thing.exact(name)
    with getattr(lab, fault)():
        assert lab.switch.stop(lab.batch, [seen])[name].outcome is Outcome.UNKNOWN
        assert lab.switch.start(lab.batch, [Wake(resource=seen, size=seen.size)])[name].outcome is Outcome.UNKNOWN
        with pytest.raises(Transient):
            lab.switch.look(lab.batch, [seen])
        with pytest.raises(Transient):
            lab.activity.read(lab.batch, [seen], [Metric.CPU], last_hour())
    assert thing.exact(name) == exact


def test_a_lost_answer_is_unknown_and_a_look_tells(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    name = fresh(thing)
    seen = lab.one(thing.kind, name)
    with lab.lost():
        said = lab.switch.stop(lab.batch, [seen])[name].outcome
    # Busy: the client's own second attempt found it stopping already.
    assert said in (Outcome.UNKNOWN, Outcome.BUSY)
    lab.asleep(seen)
    lab.woken(Wake(resource=seen, size=seen.size))
    assert lab.settled(seen, Power.ON).size == seen.size


def test_no_capacity_is_told_and_passes(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    name = fresh(thing)
    before = lab.one(thing.kind, name)
    lab.switch.stop(lab.batch, [before])
    asleep = lab.settled(before, Power.OFF)
    wake = Wake(resource=asleep, size=before.size)
    if thing.capacity_at_start:
        with lab.no_capacity():
            answer = lab.switch.start(lab.batch, [wake])[name]
            assert answer.outcome is Outcome.NO_CAPACITY, answer
            assert answer.detail
    assert lab.switch.start(lab.batch, [wake])[name].outcome is Outcome.ACCEPTED
    lab.settled(before, Power.ON)


def test_readings_are_what_was_measured_and_nothing_else(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    busy, silent = fresh(thing), fresh(thing)
    seen = [lab.one(thing.kind, name) for name in (busy, silent)]
    period = timedelta(minutes=5)
    end = utcnow().replace(second=0, microsecond=0)
    end -= timedelta(minutes=end.minute % 5)
    start = end - timedelta(hours=1)
    for metric, measure in thing.measures.items():
        # Values of three periods in a row; the window has twelve.
        measure(busy, start + 2 * period, [4.0, 8.0, 6.0], period)
        read = lab.activity.read(lab.batch, seen, [metric], Span(start=start, end=end, period=period))
        assert read.values == {busy: {metric: (4.0, 8.0, 6.0)}}, metric
        assert read.unsupported == {}
    lacking = [metric for metric in Metric if metric not in thing.measures]
    read = lab.activity.read(lab.batch, seen, lacking, Span(start=start, end=end, period=period))
    assert read.values == {}
    assert set(read.unsupported) == {f"{thing.kind}/{metric}" for metric in lacking}


def test_many_are_stopped_in_few_calls(case: tuple[PowerHarness, Thing]) -> None:
    lab, thing = case
    names = [fresh(thing) for _ in range(4)]
    seen = [lab.one(thing.kind, name) for name in names]
    lab.calls()
    answers = lab.switch.stop(lab.batch, seen)
    used = lab.calls()
    assert {answer.outcome for answer in answers.values()} <= {Outcome.ACCEPTED, Outcome.BUSY}
    assert Outcome.ACCEPTED in {answer.outcome for answer in answers.values()}
    assert used == 1 if thing.many else used >= len(names)


@pytest.mark.parametrize("cloud", sorted(KINDS))
def test_the_documented_role_allows_every_call_and_no_other(harnesses: dict[str, PowerHarness], cloud: str) -> None:
    lab = harnesses[cloud]
    used: set[str] = set()
    for thing in lab.things.values():
        name = fresh(thing)
        lab.calls()
        seen = lab.one(thing.kind, name)
        lab.switch.stop(lab.batch, [seen])
        asleep = lab.settled(seen, Power.OFF)
        lab.switch.start(lab.batch, [Wake(resource=asleep, size=seen.size, instance_type=thing.fallback)])
        lab.activity.read(lab.batch, [seen], list(Metric), last_hour())
        used |= lab.used()
    assert used == lab.allowed
