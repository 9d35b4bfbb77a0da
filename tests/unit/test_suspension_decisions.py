"""What is decided of one resource: every rule, its order, and its numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.suspension.decision import Action, Memory, Phase, WishAction
from include.suspension.model import Family, FormerState, Power, Resource
from include.suspension.placing import Ambiguous, environment_of, sleeping
from include.suspension.remembering import awake, settled, sleep_begins
from include.suspension.waking import ladder, waits_for
from tests.unit.suspension_samples import NIGHT, NOON, decision, environment, machine, wish

IDLE = {"families": ["machine"], "metric": "cpu", "below": 5, "window": "1h", "period": "5m", "warn": "1h"}


def said(*args: Any, **kwargs: Any) -> tuple[str, str]:
    found = decision(*args, **kwargs)
    return found.action.value, found.rule


def asleep(since: datetime = NIGHT - timedelta(hours=2), **changes: Any) -> Memory:
    resource = machine()
    former = FormerState(key=resource.key, generation=1, environment="staging", taken_at=since, resource=resource)
    known: dict[str, Any] = {"phase": Phase.ASLEEP, "changed_at": since, "rule": "schedule-off", "former": former, "sealed": True}
    return Memory(key=resource.key, environment="staging", generation=1, **(known | changes))


# ---- the schedule is a state -----------------------------------------------------------------------------------------


def test_a_missed_run_catches_up() -> None:
    for hours in (0.3, 2, 5, 9):
        assert said(now=NIGHT + timedelta(hours=hours - 3 + 0.1)) == ("stop", "schedule-off")
    off = machine(power=Power.OFF)
    for hours in (0, 1, 6):
        assert said(off, NIGHT + timedelta(hours=9 + hours), asleep()) == ("start", "schedule-on")


def test_it_is_woken_before_its_hours_begin() -> None:
    off, seven = machine(power=Power.OFF), NIGHT.replace(hour=7) + timedelta(days=1)
    assert said(off, seven - timedelta(minutes=31), asleep()) == ("keep", "asleep")
    assert said(off, seven - timedelta(minutes=30), asleep()) == ("start", "schedule-on")
    assert said(machine(), seven - timedelta(minutes=10), env=environment(wake_ahead="30m")) == ("keep", "hours")


def test_what_another_tool_stopped_is_started_and_what_a_person_stopped_is_left() -> None:
    off = machine(power=Power.OFF)
    assert said(off, NOON) == ("start", "schedule-on")
    by_hand = asleep().model_copy(update={"phase": Phase.AWAKE, "changed_at": NOON - timedelta(hours=1)})
    assert said(off, NOON, by_hand) == ("keep", "stopped-by-hand")
    assert said(off, NOON + timedelta(days=1), by_hand) == ("start", "schedule-on")


def test_a_group_that_others_scaled_to_nothing_has_no_known_former_size() -> None:
    group = machine(family=Family.GROUP, power=Power.OFF, size={"min": 0, "max": 0, "desired": 0}, count=0)
    assert said(group, NOON) == ("keep", "former-unknown")


# ---- started by hand -------------------------------------------------------------------------------------------------


def test_started_by_hand_stays_up_for_its_grace_and_is_told_then_stopped() -> None:
    started = machine(launched_at=NIGHT)
    for minutes, expected in (
        (0, ("keep", "started-by-hand")),
        (119, ("keep", "started-by-hand")),
        (120, ("stop", "grace-over")),
    ):
        assert said(started, NIGHT + timedelta(minutes=minutes), asleep()) == expected
    snoozed = (wish(WishAction.SNOOZE, NIGHT, 8),)
    assert said(started, NIGHT + timedelta(hours=5), asleep(), wishes=snoozed) == ("keep", "snooze")
    assert said(started, NIGHT + timedelta(hours=8), asleep(), wishes=snoozed) == ("stop", "grace-over")


def test_a_group_started_by_hand_is_known_by_when_it_was_seen() -> None:
    group = machine(launched_at=None, family=Family.GROUP)
    assert said(group, NIGHT, asleep()) == ("keep", "started-by-hand")
    assert said(group, NIGHT + timedelta(hours=3), asleep(seen_up_at=NIGHT)) == ("stop", "grace-over")


def test_a_new_machine_of_the_night_is_started_by_hand_too() -> None:
    assert said(machine(launched_at=NIGHT - timedelta(hours=1)), NIGHT) == ("keep", "started-by-hand")


def test_what_the_vendor_started_by_itself_is_stopped_at_once() -> None:
    slept, seventh = NIGHT - timedelta(days=7), NIGHT
    memory = asleep(slept, restarts_at=seventh)
    assert said(machine(launched_at=None), NIGHT + timedelta(minutes=10), memory) == ("stop", "vendor-restart")
    assert said(machine(launched_at=seventh), NIGHT + timedelta(minutes=10), memory) == ("stop", "vendor-restart")
    assert said(machine(launched_at=None), NIGHT - timedelta(hours=1), memory) == ("keep", "started-by-hand")


# ---- never -----------------------------------------------------------------------------------------------------------

NAMED = {"transactions": {"unchecked": True, "connections": {"build-1": "orders_staging_db"}}}
NEVER = [
    ({"tags": {"drillyard-suspend": "never"}}, {}, {}, "opt-out"),
    ({}, {"guards": {"opt_out": ["build-*"]}}, {}, "opt-out"),
    ({"tags": {"maid_offhours": "off"}}, {"custodian": {}}, {}, "opt-out"),
    ({}, {}, {"stopped": "stopped by ann"}, "global-stop"),
    ({"tags": {"Environment": "Production"}}, {}, {}, "production"),
    ({"tags": {"drillyard-protected": "true"}}, {}, {}, "protected"),
    ({"managed_by": "asg-1"}, {}, {}, "managed"),
    ({"power": Power.BUSY}, {}, {}, "state-busy"),
    ({"power": Power.BROKEN}, {}, {}, "state-broken"),
    ({"power": Power.LEAVING}, {}, {}, "state-leaving"),
    ({"refuses": "a read replica"}, {}, {}, "cannot-stop"),
    ({}, {}, {"leases": ("i-1",)}, "open-lease"),
    ({}, {}, {"leases": ("build-1",)}, "open-lease"),
    ({}, {}, {"blackout": "peak"}, "blackout"),
    ({}, {}, {"wishes": (wish(WishAction.DEPLOYING, NIGHT),)}, "deploying"),
    ({"tags": {"drillyard-deploying": "true"}}, {}, {}, "deploying"),
    ({"tags": {"drillyard-deploying": "2026-11-25T23:00:00+00:00"}}, {}, {}, "deploying"),
    ({"family": Family.DATABASE}, {}, {}, "transactions-unknown"),
    ({"family": Family.DATABASE}, {}, {"transactions": {machine().key: "no answer"}}, "transactions-unknown"),
    ({"family": Family.DATABASE}, {"guards": NAMED}, {}, "transactions-unknown"),  # named: asked, whatever holds for the others
    ({"family": Family.DATABASE}, {}, {"transactions": {machine().key: 301.0}}, "open-transaction"),
    ({"tags": {"Schedule": "nobody-knows"}}, {}, {}, "unreadable-tag"),
    ({"tags": {"maid_offhours": "off=(X,9)"}}, {"custodian": {}}, {}, "unreadable-tag"),
]


@pytest.mark.parametrize(("resource", "suspension", "facts", "rule"), NEVER)
def test_never(resource: dict[str, Any], suspension: dict[str, Any], facts: dict[str, Any], rule: str) -> None:
    assert said() == ("stop", "schedule-off")  # without it, it would be stopped
    assert said(machine(**resource), env=environment(**suspension), **facts) == ("keep", rule)


def test_never_production_whatever_is_asked_for() -> None:
    wishes = (wish(WishAction.SLEEP, NIGHT),)
    assert said(env=environment(production=True), wishes=wishes) == ("keep", "production")


def test_a_marker_that_is_over_holds_nothing() -> None:
    over = machine(tags={"drillyard-deploying": "2026-11-25T21:00:00+00:00"})
    assert said(over) == ("stop", "schedule-off")
    assert said(machine(family=Family.DATABASE), transactions={machine().key: 299.0}) == ("stop", "schedule-off")


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    tags=st.dictionaries(
        st.sampled_from(["Schedule", "maid_offhours", "drillyard-deploying"]), st.sampled_from(["office", "on", "x"])
    ),
    power=st.sampled_from(list(Power)),
    hours=st.integers(0, 400),
)
def test_opt_out_and_global_stop_win_over_everything(data: Any, tags: dict[str, str], power: Power, hours: int) -> None:
    wishes = tuple(wish(action, NOON, 1000) for action in data.draw(st.lists(st.sampled_from(list(WishAction)), max_size=3)))
    now, memory = NOON + timedelta(hours=hours), data.draw(st.sampled_from([None, asleep(), asleep(phase=Phase.SUSPENDING)]))
    env = environment(custodian={}, idle=[IDLE])
    out = machine(power=power, tags={**tags, "drillyard-suspend": "never"})
    assert said(out, now, memory, env, wishes=wishes) == ("keep", "opt-out")
    assert said(machine(power=power, tags=tags), now, memory, env, wishes=wishes, stopped="stopped by ann") == (
        "keep",
        "global-stop",
    )


# ---- wishes ----------------------------------------------------------------------------------------------------------


def test_wishes_hold_until_their_end() -> None:
    off = machine(power=Power.OFF)
    woken = (wish(WishAction.WAKE, NIGHT),)
    assert said(off, NIGHT, asleep(), wishes=woken) == ("start", "wake")
    assert said(off, NIGHT + timedelta(hours=4), asleep(), wishes=woken) == ("keep", "asleep")
    assert said(wishes=(wish(WishAction.SNOOZE, NIGHT),)) == ("keep", "snooze")
    assert said(off, NIGHT, asleep(), wishes=(wish(WishAction.SNOOZE, NIGHT),)) == ("keep", "asleep")
    assert said(now=NOON, wishes=(wish(WishAction.SLEEP, NOON),)) == ("stop", "wish-sleep")
    cancelled = wish(WishAction.SNOOZE, NIGHT).model_copy(update={"cancelled_at": NIGHT})
    assert said(wishes=(cancelled,)) == ("stop", "schedule-off")


def test_a_stop_under_way_is_undone_when_somebody_snoozes() -> None:
    memory = asleep(phase=Phase.SUSPENDING)
    assert said(memory=memory, wishes=(wish(WishAction.SNOOZE, NIGHT),)) == ("start", "snooze")
    assert said(now=NOON + timedelta(days=1), memory=memory) == ("start", "interrupted")


# ---- idleness --------------------------------------------------------------------------------------------------------


def idle(values: tuple[float, ...], now: datetime = NOON, **memory: Any) -> Any:
    known = Memory(key=machine().key, environment="staging", changed_at=NOON - timedelta(days=1), **memory) if memory else None
    return decision(machine(), now, known, environment(idle=[IDLE]), values={"i-1": {"cpu": values}})


def test_idle_is_warned_first_and_suspended_later_with_the_numbers() -> None:
    first = idle((1.0,) * 12)
    assert (first.action, first.rule) == (Action.WARN, "idle")
    assert first.numbers == {"cpu": {"highest": 1.0, "below": 5.0, "values": 12, "of": 12}}
    assert idle((1.0,) * 12, warned_at=NOON - timedelta(minutes=59)).rule == "warned"
    last = idle((1.0,) * 12, warned_at=NOON - timedelta(minutes=60))
    assert (last.action, last.rule) == (Action.STOP, "idle") and last.numbers["cpu"]["highest"] == 1.0


@pytest.mark.parametrize(
    ("values", "rule"),
    [((), "unmeasured"), ((1.0,) * 11, "unmeasured"), ((1.0,) * 11 + (5.0,), "active"), ((4.99,) * 12, "idle")],
)
def test_missing_metrics_are_not_idleness(values: tuple[float, ...], rule: str) -> None:
    assert idle(values).rule == rule


def test_what_runs_for_less_than_the_window_is_not_idle() -> None:
    young = machine(launched_at=NOON - timedelta(minutes=30))
    found = decision(young, NOON, None, environment(idle=[IDLE]), values={"i-1": {"cpu": (0.0,) * 12}})
    assert found.rule == "young"


def test_idle_sleep_ends_with_the_next_hours() -> None:
    off, memory = machine(power=Power.OFF), asleep(NOON, rule="idle")
    assert said(off, NOON + timedelta(hours=3), memory) == ("keep", "asleep")
    assert said(off, NOON + timedelta(days=1), memory) == ("start", "schedule-on")


# ---- memory and former states ----------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6), restored=st.integers(0, 9))
def test_a_cut_off_sleep_never_takes_its_own_doing_for_the_former_state(sizes: list[int], restored: int) -> None:
    """Between any two calls a group may show any size; what it was before the first stop stays what it was."""
    true = machine(family=Family.GROUP, size={"desired": 4}, launched_at=None)
    memory = sleep_begins(None, true, decision(true), NIGHT)
    for seen in sizes:
        half = true.model_copy(update={"size": {"desired": seen}})
        memory = sleep_begins(memory, half, decision(half), NIGHT)
    assert memory.generation == 1
    memory = settled(memory, true.model_copy(update={"power": Power.OFF, "size": {"desired": 0}}), NIGHT)
    waking = memory.model_copy(update={"phase": Phase.WAKING})
    half = true.model_copy(update={"size": {"desired": restored}})
    again = sleep_begins(settled(waking, half, NIGHT), half, decision(half), NIGHT)
    assert again.generation == 2 and again.former is not None and again.former.resource.size == {"desired": 4}


def test_it_is_awake_only_with_its_exact_size() -> None:
    memory = asleep().model_copy(update={"phase": Phase.WAKING, "former": None})
    true = machine(size={"desired": 4})
    former = FormerState(key=true.key, generation=1, environment="staging", taken_at=NIGHT, resource=true)
    memory = memory.model_copy(update={"former": former})
    assert settled(memory, machine(size={"desired": 3}), NIGHT).phase is Phase.WAKING
    assert settled(memory, true, NIGHT).phase is Phase.AWAKE


def test_woken_as_another_type_it_sleeps_as_itself() -> None:
    memory = awake(asleep(), machine(instance_type="m6.large"), NIGHT)
    assert memory.woken_as == "m6.large"
    bigger = machine(instance_type="m6.large")
    again = sleep_begins(memory, bigger, decision(bigger), NIGHT)
    assert again.former is not None and again.former.resource.instance_type == "m5.large"
    resized = machine(instance_type="m7.large")  # by its owner meanwhile: that is its type now
    owned = sleep_begins(memory, resized, decision(resized), NIGHT)
    assert owned.former is not None and owned.former.resource.instance_type == "m7.large"


def test_deleted_by_others_is_noted_and_its_name_may_come_back() -> None:
    gone = settled(asleep(), None, NIGHT)
    assert (gone.gone_at, gone.phase) == (NIGHT, Phase.AWAKE)
    back = settled(gone, machine(), NIGHT + timedelta(days=1))
    assert (back.gone_at, back.former, back.generation) == (None, None, 1)


# ---- waking: order and capacity --------------------------------------------------------------------------------------

STEPS = [
    {"name": "data", "select": {"families": ["database"]}, "ready": ["tcp://127.0.0.1:1"]},
    {"name": "apps", "select": {"families": ["machine"]}, "after": ["data"]},
    {"name": "jobs", "select": {"families": ["service"]}, "after": ["apps"]},
]


def test_wake_order_by_dependency_and_readiness() -> None:
    suspension = environment(wake=STEPS).suspension
    assert suspension is not None
    database, app, job = (machine(id=name, name=name, family=name) for name in ("database", "machine", "service"))
    assert waits_for(suspension, database, [database, app], {}, lambda _: False) is None
    assert "database" in (waits_for(suspension, app, [database, app], {}, lambda _: True) or "")
    assert "does not answer" in (waits_for(suspension, app, [app], {}, lambda _: False) or "")
    assert waits_for(suspension, app, [app], {}, lambda _: True) is None
    assert "database" in (waits_for(suspension, job, [database, job], {}, lambda _: True) or "")  # through apps
    former = FormerState(key=database.key, generation=1, environment="staging", taken_at=NIGHT, resource=database)
    elsewhere = {
        database.key: Memory(key=database.key, environment="staging", phase=Phase.WAKING, changed_at=NIGHT, former=former)
    }
    assert "database" in (waits_for(suspension, app, [app], elsewhere, lambda _: True) or "")


def test_no_capacity_is_tried_over_sizes_and_zones_as_itself_first() -> None:
    suspension = environment(fallbacks={"m5.large": ["m6.large", "m5.xlarge"]}, zones=["a", "b"]).suspension
    assert suspension is not None
    tried = [(wake.instance_type, wake.zones) for wake in ladder(machine(instance_type="m6.large"), machine(), suspension)]
    assert tried == [("m5.large", ()), ("m6.large", ()), ("m5.xlarge", ()), ("m5.large", ("a",)), ("m5.large", ("b",))]


# ---- who it belongs to -----------------------------------------------------------------------------------------------


def test_the_environment_with_the_most_tags_claims_a_resource() -> None:
    wide, narrow = environment(), environment(match={"team": "a"})
    assert environment_of(machine(tags={"team": "a"}), [wide, narrow]) is narrow
    assert environment_of(machine(), [wide, narrow]) is wide
    assert environment_of(machine(account="2"), [wide, narrow]) is None
    with pytest.raises(Ambiguous):
        environment_of(machine(), [wide, environment(wake_ahead="1h")])


def test_retain_running_keeps_what_was_up_before_its_hours() -> None:
    env = environment(schedules={"office": {**OFFICE_RETAINED}}, schedule="office")
    before = machine(launched_at=NIGHT.replace(hour=5))
    within = machine(launched_at=NIGHT.replace(hour=8))
    assert said(before, env=env) == ("keep", "retained")
    assert said(within, env=env) == ("stop", "schedule-off")


OFFICE_RETAINED = {
    "timezone": "UTC",
    "retain_running": True,
    "periods": [{"weekdays": "mon-fri", "begintime": "07:00", "endtime": "19:00"}],
}


def test_a_resource_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Resource.model_validate(machine().model_dump()).__setattr__("name", "x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stagign", "did you mean 'staging'"),
        ("production", "never put to sleep"),
        ("warehouse", "known: staging"),
        (None, "name the environment"),
        ("", "name the environment"),
    ],
)
def test_a_name_that_is_no_sleeping_environment_is_answered_with_what_is(name: str | None, said: str) -> None:
    awake_always = environment().model_copy(update={"environment": "production", "suspension": None})
    known = {"staging": environment(), "production": awake_always}
    assert sleeping(known, "staging") is known["staging"]
    with pytest.raises(LookupError, match=said):
        sleeping(known, name)


@pytest.mark.parametrize("phase", [Phase.SUSPENDING, Phase.WAKING])
def test_what_is_up_and_not_yet_as_it_was_is_put_back(phase: Phase) -> None:
    """A group is scaled up, and the call that lets its other processes go on was throttled: the wake is not over."""
    half = Memory(key=machine().key, environment="staging", generation=1, phase=phase, changed_at=NOON)
    assert said(now=NOON, memory=half) == ("start", "interrupted")
    asked = (wish(WishAction.WAKE, NIGHT),)
    assert said(now=NIGHT, memory=half, wishes=asked) == ("start", "wake")
