"""One sweep over one account and region: look, decide, stop, wake. It may be cut off anywhere and is simply run again.

Before the first stop of a sleep its former state is in the ledger and in the evidence. Each phase is written before the call
that it speaks of, so the next sweep knows what may have happened, looks, and goes on from what is really there.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.evidence.naming import new_record_id
from include.evidence.record import SuspensionRecord, Woken
from include.suspension.decision import Action, Decision, Memory, Phase
from include.suspension.look import Look, look, moving, to_wake
from include.suspension.model import Answer, Batch, FormerState, Outcome, Wake
from include.suspension.remembering import as_before, decided, sleep_begins
from include.suspension.telling import TITLES, Telling, telling
from include.suspension.waking import ladder, waits_for
from include.values import Frozen, digest

if TYPE_CHECKING:
    from include.suspension.desk import SleepDesk

log = logging.getLogger(__name__)


class Swept(Frozen):
    """What one sweep did."""

    batch: Batch
    counts: dict[str, int]
    """Decisions by ``action rule``."""
    stopped: int = 0
    started: int = 0
    pending: int = 0
    """On their way, waiting for their turn, or asked for without a clear answer: sweep again soon."""
    failed: dict[str, str] = Field(default_factory=dict)
    """By resource key: what the vendor refused; and what sleeps and no environment claims."""
    unreadable: dict[str, str] = Field(default_factory=dict)


def sweep(desk: SleepDesk, batch: Batch, now: datetime, only: str | None = None) -> Swept:
    """Look at a batch and do what is due. Raises Transient, StoresDown or ledger errors: run it again, it goes on."""
    found = look(desk, batch, now, only)
    tellings = _settle(desk, found)
    stopped, failed = _stop(desk, found, tellings)
    started, refused, waiting = _wake(desk, found, tellings)
    _late(desk, found, tellings)
    desk.tell(desk, tellings)
    counts: dict[str, int] = defaultdict(int)
    for decision in found.decisions.values():
        counts[f"{decision.action} {decision.rule}"] += 1
    return Swept(
        batch=batch,
        counts=dict(sorted(counts.items())),
        stopped=stopped,
        started=started,
        pending=stopped + started + waiting + len(moving(found)) + len(found.unsettled),
        failed=failed | refused | found.forgotten,
        unreadable=found.unreadable,
    )


def _settle(desk: SleepDesk, found: Look) -> list[Telling]:
    """Write down what the look showed, and what is told because of it."""
    tellings = []
    for key, decision in found.decisions.items():
        resource = found.resources[key]
        if decision.action in (Action.KEEP, Action.WARN):
            memory = decided(found.memories.get(key), decision, resource, found.now)
            if memory is not None:
                found.memories[key] = memory
        if decision.rule in TITLES and decision.action is not Action.START:
            tellings.append(_told(found, decision))
    for key in found.gone:
        log.info("%s was deleted by others; its former state stays in the evidence", key)
    woken = [
        _woken(found, key, memory)
        for key, memory in found.memories.items()
        if key in found.surveyed and memory.phase is Phase.AWAKE and found.surveyed[key].phase is not Phase.AWAKE
    ]
    if woken:  # the record first: a memory that says awake is never without it
        desk.write(_record(found, "awake", woken=woken))
    changed = [memory for key, memory in found.memories.items() if memory != found.surveyed.get(key)]
    desk.sleeps.remember(changed)
    return tellings


def _told(found: Look, decision: Decision) -> Telling:
    memory, resource = found.memories.get(decision.key), found.resources[decision.key]
    event = resource.launched_at or (memory.seen_up_at if memory else None) or (memory.generation if memory else "")
    if decision.rule == "idle" and memory is not None and memory.warned_at is not None:
        event = memory.warned_at
    return telling(decision.environment, decision.rule, decision.key, decision.name, decision.why, event, found.now)


def _woken(found: Look, key: str, memory: Memory) -> Woken:
    resource = found.resources.get(key)
    if resource is None:
        return Woken(key=key, generation=memory.generation, at=found.now, exact=False, how="deleted by others")
    exact = as_before(memory, resource) and memory.woken_as is None
    how = "" if exact else f"as {resource.instance_type} {resource.size}"
    return Woken(key=key, generation=memory.generation, at=found.now, exact=exact, how=how)


# ---- going to sleep ----------------------------------------------------------------------------------------------------


def _stop(desk: SleepDesk, found: Look, tellings: list[Telling]) -> tuple[int, dict[str, str]]:
    """Write former states, then stop in batches."""
    chosen = [key for key, decision in found.decisions.items() if decision.action is Action.STOP]
    if not chosen:
        return 0, {}
    ended = [_sleep_over(found, key) for key in chosen if key in found.memories and found.memories[key].phase in _UNENDED]
    if ended:  # else its hours up would count as slept, in this month and in every later one
        desk.write(_record(found, "awake", woken=ended))
    for key in chosen:
        found.memories[key] = sleep_begins(found.memories.get(key), found.resources[key], found.decisions[key], found.now)
    begun = [found.memories[key] for key in chosen]
    _seal(desk, found, begun)
    answers = desk.power.stop(found.batch, [found.resources[key] for key in chosen])
    return _answered(desk, found, {key: answers[found.resources[key].id] for key in chosen}, tellings)


_UNENDED = (Phase.ASLEEP, Phase.WAKING)


def _sleep_over(found: Look, key: str) -> Woken:
    """The end of a sleep that others ended, or that was not waited for: what is up is stopped again, which is another sleep."""
    memory, resource = found.memories[key], found.resources[key]
    started = resource.launched_at if resource.launched_at and resource.launched_at > memory.changed_at else memory.seen_up_at
    how = "started by others" if memory.phase is Phase.ASLEEP else "put to sleep again before it was as it had been"
    exact = as_before(memory, resource) and memory.woken_as is None
    return Woken(key=key, generation=memory.generation, at=started or found.now, exact=exact, how=how)


def _seal(desk: SleepDesk, found: Look, begun: Iterable[Memory]) -> None:
    """Former states into the ledger, where the first of a generation stays; then into the evidence; only then is it sealed."""
    new = [memory for memory in begun if not memory.sealed]
    if not new:
        return
    taken = {memory.key: memory.former for memory in new if memory.former}
    taken |= desk.sleeps.remember(new, taken.values())
    by_moment: dict[datetime, list[FormerState]] = defaultdict(list)
    for first in taken.values():
        by_moment[first.taken_at].append(first)
    for moment, formers in by_moment.items():
        desk.write(_record(found, "suspending", former=formers, at=moment))
    for memory in new:
        found.memories[memory.key] = memory.model_copy(update={"sealed": True, "former": taken.get(memory.key)})
    desk.sleeps.remember(found.memories[memory.key] for memory in new)


def _record(
    found: Look,
    event: Literal["suspending", "awake"],
    *,
    former: Iterable[FormerState] = (),
    woken: Iterable[Woken] = (),
    at: datetime | None = None,
) -> SuspensionRecord:
    """The same content gives the same id, so a repeated write finds its first try; other content another."""
    batch, moment = found.batch, at or found.now
    formers, ups = tuple(former), tuple(woken)
    content = digest([one.model_dump(mode="json") for one in (*formers, *ups)])[:12]
    return SuspensionRecord(
        record_id=new_record_id(f"suspension-{event}", f"{batch.cloud}/{batch.account}/{batch.region}/{content}", moment),
        written_at=moment,
        event=event,
        cloud=batch.cloud,
        account=batch.account,
        region=batch.region,
        former=formers,
        woken=ups,
    )


def _answered(desk: SleepDesk, found: Look, answers: Mapping[str, Answer], tellings: list[Telling]) -> tuple[int, dict[str, str]]:
    """What the vendor said to stops. What is not known stays as it is: the next look tells."""
    failed, changed, count = {}, [], 0
    for key, answer in answers.items():
        memory, decision = found.memories[key], found.decisions[key]
        if answer.outcome is Outcome.ACCEPTED:
            count += 1
        elif answer.outcome in (Outcome.BUSY, Outcome.UNKNOWN):
            found.unsettled.append(key)
        elif answer.outcome is Outcome.GONE:
            found.gone.append(key)
        elif answer.outcome is Outcome.REFUSED:
            failed[key] = answer.detail
            changed.append(memory.model_copy(update={"phase": Phase.AWAKE, "changed_at": found.now}))
            why = f"the vendor refused to stop it: {answer.detail}"
            tellings.append(telling(decision.environment, "refused", key, decision.name, why, answer.detail, found.now))
    if changed:
        ups = [
            Woken(key=one.key, generation=one.generation, at=found.now, exact=True, how="was never stopped") for one in changed
        ]
        desk.write(_record(found, "awake", woken=ups))
        desk.sleeps.remember(changed)
    return count, failed


# ---- waking --------------------------------------------------------------------------------------------------------------


def _wake(desk: SleepDesk, found: Look, tellings: list[Telling]) -> tuple[int, dict[str, str], int]:
    """Start what has its turn; answers how many, what was refused, and how many still wait."""
    wanted, ready = to_wake(found), []
    known: dict[str, dict[str, Memory]] = {}
    answered: dict[str, bool] = {}

    def answers(address: str) -> bool:
        if address not in answered:
            answered[address] = desk.answers(address)
        return answered[address]

    for key in wanted:
        environment = found.environments[key]
        name, suspension = environment.environment, environment.suspension
        if suspension is None:
            continue
        waking = (
            [found.resources[other] for other in wanted if found.environments[other] is environment] if suspension.wake else []
        )
        if suspension.wake and name not in known:
            known[name] = desk.sleeps.of_environment(name)
        why = waits_for(suspension, found.resources[key], waking, known.get(name, {}), answers)
        if why is None:
            ready.append(key)
        else:
            log.info("%s waits: %s", key, why)
    started, failed = _start(desk, found, ready, tellings)
    return started, failed, len(wanted) - len(ready)


def _start(desk: SleepDesk, found: Look, keys: list[str], tellings: list[Telling]) -> tuple[int, dict[str, str]]:
    """Start in batches, as it was; what finds no capacity is tried again as something else, then escalated."""
    left = {key: _waking(found, key) for key in keys}
    desk.sleeps.remember(found.memories[key] for key in keys)
    started = 0
    failed: dict[str, str] = {}
    scarce: dict[str, Answer] = {}
    while left:
        tries = {key: rest.pop(0) for key, rest in left.items()}
        answers = desk.power.start(found.batch, list(tries.values()))
        again = {}
        for key, wake in tries.items():
            answer = answers[found.resources[key].id]
            started += answer.outcome is Outcome.ACCEPTED
            if answer.outcome in (Outcome.BUSY, Outcome.UNKNOWN):
                found.unsettled.append(key)
            if answer.outcome is Outcome.NO_CAPACITY:
                scarce.setdefault(key, answer)
            if answer.outcome in (Outcome.NO_CAPACITY, Outcome.REFUSED):
                if key in scarce and left[key]:
                    again[key] = left[key]
                else:
                    failed[key] = scarce.get(key, answer).detail
                    _escalate(found, key, scarce.get(key, answer), wake, tellings)
        left = again
    desk.sleeps.remember(found.memories[key] for key in keys)
    return started, failed


def _waking(found: Look, key: str) -> list[Wake]:
    """Remember that it is woken from now on; answers how to try."""
    memory, resource, suspension = found.memories.get(key), found.resources[key], found.environments[key].suspension
    if memory is None:
        memory = Memory(key=key, environment=found.decisions[key].environment, changed_at=found.now)
    since = memory.changed_at if memory.phase is Phase.WAKING else found.now
    found.memories[key] = memory.model_copy(update={"phase": Phase.WAKING, "changed_at": since})
    former = memory.former.resource if memory.former else resource
    return ladder(resource, former, suspension) if suspension else []


def _escalate(found: Look, key: str, answer: Answer, wake: Wake, tellings: list[Telling]) -> None:
    memory, decision = found.memories[key], found.decisions[key]
    found.memories[key] = memory.model_copy(update={"attempt": memory.attempt + 1})
    rule = "no-capacity" if answer.outcome is Outcome.NO_CAPACITY else "refused"
    last = f"{wake.instance_type or wake.resource.instance_type} {' '.join(wake.zones)}".strip()
    why = f"{answer.detail} (last tried: {last}); it is tried again every run"
    tellings.append(telling(decision.environment, rule, key, decision.name, why, memory.generation, found.now))


def _late(desk: SleepDesk, found: Look, tellings: list[Telling]) -> None:
    """What wakes for longer than its environment allows is told once."""
    late = []
    for key, memory in found.memories.items():
        environment = found.environments.get(key)
        if memory.phase is not Phase.WAKING or environment is None or environment.suspension is None or memory.escalated_at:
            continue
        if found.now - memory.changed_at > environment.suspension.wake_within:
            late.append(memory.model_copy(update={"escalated_at": found.now}))
            resource = found.resources[key]
            why = f"asked for at {memory.changed_at.isoformat()}, and it is {resource.power} ({resource.word})"
            told = telling(environment.environment, "wake-late", key, resource.name, why, memory.generation, found.now)
            tellings.append(told)
    if late:
        desk.sleeps.remember(late)


LONGEST = timedelta(minutes=12)
"""How long one run goes on sweeping: less than the time to the next run."""
