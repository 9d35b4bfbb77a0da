"""What to do with one resource now: pure functions of the resource, the catalog, what is remembered, and `now`.

The rules are asked in order and the first that has an answer decides: opt-out before everything, then the global stop, then
what must never be touched, then people's wishes, then the schedule, then idleness. A stop passes the guards as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from include.catalog.model import Environment
from include.catalog.schedules import Suspension
from include.suspension.custodian import UnreadableTag, opted_out, read_tag, tag_of, tag_state
from include.suspension.decision import Action, Decision, Facts, Memory, Phase, WishAction
from include.suspension.guards import guarded
from include.suspension.idleness import Idleness, idleness
from include.suspension.model import Power, Resource
from include.suspension.schedule import schedule_state
from include.suspension.spans import State

_MOVING = {
    Power.STARTING: "is starting",
    Power.STOPPING: "is stopping",
    Power.BUSY: "is in a state in which the vendor refuses a change",
    Power.BROKEN: "is broken; a person must look",
    Power.LEAVING: "is being deleted",
}


States = dict[tuple[str, str | None, str | None], State | None]
"""What was found for one moment, by environment and the values of its off-hours and schedule tags: thousands share one."""


class Case(NamedTuple):
    """One resource with everything that is asked about it."""

    resource: Resource
    environment: Environment
    suspension: Suspension
    memory: Memory | None
    facts: Facts
    states: States

    def says(self, action: Action, rule: str, why: str, until: datetime | None = None, **numbers: Any) -> Decision:
        return Decision(
            key=self.resource.key,
            name=self.resource.name,
            environment=self.environment.environment,
            action=action,
            rule=rule,
            why=why,
            numbers=numbers,
            until=until,
        )

    @property
    def asleep(self) -> bool:
        """Whether we have put it to sleep and have not woken it."""
        return self.memory is not None and self.memory.phase is not Phase.AWAKE

    @property
    def up(self) -> bool:
        return self.resource.power is Power.ON

    @property
    def unfinished(self) -> bool:
        """Whether a stop or a start of it was begun and not seen to its end: what runs is awake only once it is as it was."""
        return self.memory is not None and self.memory.phase in (Phase.SUSPENDING, Phase.WAKING)


def decide(
    resource: Resource,
    environment: Environment,
    memory: Memory | None,
    facts: Facts,
    *,
    readings_wanted: bool = False,
    states: States | None = None,
) -> Decision:
    """What to do with a resource. With `readings_wanted`, metrics are not read yet: rule ``measure`` says that they decide.

    `states` is filled, and asked for what it has: pass one to all decisions of a moment.
    """
    suspension = environment.suspension
    if suspension is None:
        raise ValueError(f"environment {environment.environment!r} has no suspension")
    case = Case(resource, environment, suspension, memory, facts, {} if states is None else states)
    untouched = next(_untouched(case), None)
    if untouched is not None:
        return untouched
    wished = _wished(case)
    if wished is not None:
        return wished
    try:
        state = desired(case)
    except UnreadableTag as error:
        return case.says(Action.KEEP, "unreadable-tag", f"its schedule's tag cannot be read: {error}")
    scheduled = _scheduled(case, state) if state is not None else None
    return scheduled or _idle(case, state, readings_wanted=readings_wanted)


def _scheduled(case: Case, state: State) -> Decision | None:
    """What a schedule decides; None: it leaves it to idleness."""
    if state.up is False:
        return _down(case, state)
    if not case.up:
        return _up(case, state)
    if state.up and case.unfinished:
        return case.says(Action.START, "interrupted", "its stop or start was cut off, and its hours are on: put back as it was")
    return None


# ---- what is never touched --------------------------------------------------------------------------------------------


def _untouched(case: Case) -> Iterator[Decision]:
    resource, guards, facts = case.resource, case.suspension.guards, case.facts
    if any(named(resource, pattern) for pattern in guards.opt_out):
        yield case.says(Action.KEEP, "opt-out", "the catalog opts it out")
    if resource.tags.get(guards.opt_out_tag, "").lower() in ("never", "off"):
        yield case.says(Action.KEEP, "opt-out", f"its tag {guards.opt_out_tag} opts it out")
    if case.suspension.custodian is not None and opted_out(tag_of(case.suspension.custodian, resource.tags) or ""):
        yield case.says(Action.KEEP, "opt-out", "its off-hours tag says off")
    if facts.stopped:
        yield case.says(Action.KEEP, "global-stop", facts.stopped)
    said = production_tag(resource, guards.production_tags)
    if case.environment.production or said:
        yield case.says(Action.KEEP, "production", f"production is never put to sleep{f': {said}' if said else ''}")
    for key in guards.protected_tags:
        if resource.tags.get(key, "false").lower() != "false":
            yield case.says(Action.KEEP, "protected", f"its tag {key} protects it")
    if resource.managed_by:
        yield case.says(Action.KEEP, "managed", f"{resource.managed_by} runs it and is put to sleep in its place")
    if resource.power in _MOVING:
        yield case.says(Action.KEEP, f"state-{resource.power}", f"it {_MOVING[resource.power]} ({resource.word})")


PRODUCTION = ("production", "prod", "prd", "live")


def production_tag(resource: Resource, keys: Collection[str]) -> str | None:
    """The tag, in any case, that says a resource is production's, or None."""
    chosen = {key.lower() for key in keys}
    found = [f"{key}={value}" for key, value in resource.tags.items() if key.lower() in chosen and value.lower() in PRODUCTION]
    return found[0] if found else None


def named(resource: Resource, pattern: str) -> bool:
    """Whether a pattern with * and ? names a resource by its name or id."""
    return fnmatchcase(resource.name, pattern) or fnmatchcase(resource.id, pattern)


# ---- people's wishes ----------------------------------------------------------------------------------------------------


def _wished(case: Case) -> Decision | None:
    """The newest wish in force counts; a deployment's marker is a guard and is asked there."""
    now = case.facts.now
    held = [wish for wish in case.facts.wishes if wish.holds(now) and wish.action is not WishAction.DEPLOYING]
    if not held:
        return None
    wish = max(held, key=lambda one: one.at)
    who = f"{wish.by}: {wish.why}"
    if wish.action is WishAction.SLEEP:
        return _stop(case, "wish-sleep", f"asked for by {who}", wish.until) if case.up else _asleep(case, wish.until)
    if case.up:
        action = Action.START if case.unfinished else Action.KEEP
        return case.says(action, str(wish.action), f"kept up by {who}", wish.until)
    if wish.action is WishAction.WAKE:
        return case.says(Action.START, "wake", f"woken by {who}", wish.until)
    return None


# ---- the schedule ---------------------------------------------------------------------------------------------------------


def desired(case: Case) -> State | None:
    """What tags or the catalog say of now, brought forward by the time that waking takes; None: nothing says anything.

    A resource's own tag counts before the environment's schedule. Raises UnreadableTag.
    """
    options, tags = case.suspension.custodian, case.resource.tags
    said = tag_of(options, tags) if options is not None else None
    key = (case.environment.environment, said, tags.get(case.suspension.schedule_tag))
    if key not in case.states:
        case.states[key] = _desired(case)
    return case.states[key]


def _desired(case: Case) -> State | None:
    read = _reader(case)
    if read is None:
        return None
    now = case.facts.now
    state = read(now)
    ahead = case.suspension.wake_ahead
    if state.up is not True and state.next_up is not None and state.next_up <= now + ahead:
        return State(True, state.next_up - ahead, read(state.next_up).until, state.next_up)
    return state


def _reader(case: Case) -> Callable[[datetime], State] | None:
    suspension, tags = case.suspension, case.resource.tags
    default = suspension.schedules.get(suspension.schedule or "")
    if suspension.custodian is not None:
        options = suspension.custodian
        value = tag_of(options, tags)
        if value is not None:
            schedule, skip = read_tag(options, value), frozenset(options.skip_days)
            holidays = default.holidays if default else None
            return lambda now: tag_state(schedule, now, skip, holidays)
    name = tags.get(suspension.schedule_tag)
    if name is not None:
        if name not in suspension.schedules:
            raise UnreadableTag(
                f"{suspension.schedule_tag}={name!r} names none of {', '.join(suspension.schedules) or 'nothing'}"
            )
        default = suspension.schedules[name]
    return (lambda now, chosen=default: schedule_state(chosen, now)) if default else None  # type: ignore[misc]


def _retained(case: Case, state: State) -> bool:
    """Instance Scheduler's `retain_running`: what was up before the period began stays up after it."""
    schedule = case.suspension.schedules.get(case.resource.tags.get(case.suspension.schedule_tag, case.suspension.schedule or ""))
    began, launched = state.since, case.resource.launched_at
    if schedule is None or not schedule.retain_running or began is None or launched is None:
        return False
    period = schedule_state(schedule, began - timedelta(seconds=1))
    return period.since is not None and launched < period.since - case.suspension.wake_ahead


def _up(case: Case, state: State) -> Decision | None:
    """It should be up, and is not."""
    memory, since = case.memory, state.since
    if state.up is None:
        return None
    if case.asleep and memory is not None:
        by_schedule = memory.rule not in ("idle", "wish-sleep") or since is None or since > memory.changed_at
        if by_schedule:
            return case.says(Action.START, "schedule-on", "its hours begin", state.until)
        return case.says(Action.KEEP, "asleep", f"put to sleep by {memory.rule}; its next hours wake it", state.until)
    if memory is not None and since is not None and memory.changed_at >= since:
        return case.says(Action.KEEP, "stopped-by-hand", "somebody stopped it in its hours; the next hours start it", state.until)
    if case.resource.size and case.resource.count == 0:
        return case.says(Action.KEEP, "former-unknown", "it was scaled to nothing by others, and nobody knows what it was before")
    return case.says(Action.START, "schedule-on", "its hours have begun, and it was stopped by others", state.until)


def _down(case: Case, state: State) -> Decision:
    """It should be down."""
    if not case.up:
        return _asleep(case, state.next_up)
    if _retained(case, state):
        return case.says(Action.KEEP, "retained", "it was up before its hours began, and its schedule retains that")
    by_hand = _started_by_hand(case, state)
    if by_hand is not None and not _restarted_by_vendor(case):
        until = by_hand + case.suspension.grace
        if case.facts.now < until:
            why = f"started by hand at {by_hand.isoformat()} in its down time; stopped at {until.isoformat()} unless snoozed"
            return case.says(Action.KEEP, "started-by-hand", why, until)
        return _stop(case, "grace-over", f"started by hand at {by_hand.isoformat()}, and nobody snoozed it", state.next_up)
    if _restarted_by_vendor(case):
        return _stop(case, "vendor-restart", "the vendor started it by itself after seven days", state.next_up)
    return _stop(case, "schedule-off", "its hours are over", state.next_up)


def _started_by_hand(case: Case, state: State) -> datetime | None:
    """When somebody started it in its down time; None: it is up since before."""
    memory, launched = case.memory, case.resource.launched_at
    if memory is not None and memory.phase is Phase.ASLEEP:
        return launched if launched and launched > memory.changed_at else memory.seen_up_at or case.facts.now
    if memory is not None and memory.phase in (Phase.SUSPENDING, Phase.WAKING):
        return None
    woken = memory.changed_at if memory is not None and memory.generation else None
    if launched is None or state.since is None or launched <= state.since:
        return None
    return None if woken is not None and abs(launched - woken) < timedelta(minutes=10) else launched


def _restarted_by_vendor(case: Case) -> bool:
    memory = case.memory
    return (
        memory is not None
        and memory.phase is Phase.ASLEEP
        and memory.restarts_at is not None
        and case.facts.now >= memory.restarts_at
        and (case.resource.launched_at is None or case.resource.launched_at >= memory.restarts_at - timedelta(hours=1))
    )


def _asleep(case: Case, until: datetime | None) -> Decision:
    return case.says(Action.KEEP, "asleep", "it is down, as it should be", until)


def _stop(case: Case, rule: str, why: str, until: datetime | None, **numbers: Any) -> Decision:
    """A stop that passed every guard; else what keeps it up."""
    if case.resource.refuses:
        return case.says(Action.KEEP, "cannot-stop", case.resource.refuses)
    held = guarded(case.resource, case.suspension, case.facts)
    if held is not None:
        return case.says(Action.KEEP, held.rule, f"{held.why} (else: {why})", held.until, **held.numbers)
    return case.says(Action.STOP, rule, why, until, **numbers)


# ---- idleness ---------------------------------------------------------------------------------------------------------------


def _idle(case: Case, state: State | None, *, readings_wanted: bool) -> Decision:
    until = state.until if state is not None else None
    rules = [rule for rule in case.suspension.idle if case.resource.family in rule.families]
    if not case.up or not rules:
        return case.says(Action.KEEP, "hours" if state else "no-schedule", "its hours" if state else "nothing says when", until)
    if readings_wanted:
        return case.says(Action.KEEP, "measure", "its metrics decide", until)
    found = idleness(case.resource, rules, case.facts.values.get(case.resource.id, {}), case.facts.now)
    if found.verdict is not Idleness.IDLE:
        return case.says(Action.KEEP, str(found.verdict), found.why, until, **found.numbers)
    warned = case.memory.warned_at if case.memory is not None else None
    wait = max(rule.warn for rule in rules)
    if warned is None:
        due = case.facts.now + wait
        return case.says(Action.WARN, "idle", f"{found.why}; put to sleep at {due.isoformat()}", due, **found.numbers)
    if case.facts.now < warned + wait:
        return case.says(Action.KEEP, "warned", f"{found.why}; its owner was told", warned + wait, **found.numbers)
    return _stop(
        case,
        "idle",
        f"{found.why}; its owner was told at {warned.isoformat()}",
        state.next_up if state else None,
        **found.numbers,
    )
