"""What is remembered of a resource, brought in line with what a look shows; and former states. Pure."""

from __future__ import annotations

from datetime import datetime

from include.suspension.decision import Action, Decision, Memory, Phase
from include.suspension.model import FormerState, Power, Resource

KEPT_UP = ("hours", "snooze", "wake", "no-schedule", "active", "unmeasured", "young", "warned", "idle", "measure", "retained")
"""Rules by which something that runs counts as awake, whoever started it."""


def settled(memory: Memory, resource: Resource | None, now: datetime) -> Memory:
    """The memory as a look makes it: asleep when it is off, awake when it is up as it was, gone when it is not there."""
    if resource is None:
        return memory if memory.gone_at else memory.model_copy(update={"gone_at": now, "phase": Phase.AWAKE, "changed_at": now})
    if memory.gone_at:  # there again, under the same name: what it was before is no former state of this one
        memory = Memory(key=memory.key, environment=memory.environment, generation=memory.generation, changed_at=now)
    if resource.power is Power.OFF:
        return _off(memory, resource, now)
    if resource.power is Power.ON:
        return _on(memory, resource, now)
    return memory


def _off(memory: Memory, resource: Resource, now: datetime) -> Memory:
    if memory.phase is Phase.SUSPENDING:
        asleep = {"phase": Phase.ASLEEP, "changed_at": now, "restarts_at": resource.restarts_at, "warned_at": None}
        return memory.model_copy(update=asleep)
    if memory.phase is Phase.ASLEEP and (memory.seen_up_at or memory.restarts_at != resource.restarts_at):
        return memory.model_copy(update={"seen_up_at": None, "restarts_at": resource.restarts_at or memory.restarts_at})
    return memory


def _on(memory: Memory, resource: Resource, now: datetime) -> Memory:
    if memory.phase is Phase.ASLEEP and memory.seen_up_at is None:
        return memory.model_copy(update={"seen_up_at": now})
    if memory.phase is Phase.WAKING and as_before(memory, resource):
        return awake(memory, resource, now)
    return memory


def awake(memory: Memory, resource: Resource, now: datetime) -> Memory:
    """Up again; the machine type that it was woken as is kept where it is not its own."""
    former = memory.former.resource.instance_type if memory.former else None
    woken_as = resource.instance_type if former and resource.instance_type != former else None
    update = {"phase": Phase.AWAKE, "changed_at": now, "seen_up_at": None, "attempt": 0, "woken_as": woken_as}
    return memory.model_copy(update=update | {"warned_at": None, "escalated_at": None, "restarts_at": None})


def as_before(memory: Memory, resource: Resource) -> bool:
    """Whether its size is exactly that of its former state."""
    return memory.former is None or memory.former.resource.size == resource.size


def decided(memory: Memory | None, decision: Decision, resource: Resource, now: datetime) -> Memory | None:
    """The memory after a decision that calls nobody; None where there is nothing to remember."""
    if memory is None:
        if decision.action is not Action.WARN:
            return None
        memory = Memory(key=resource.key, environment=decision.environment, changed_at=now)
    if decision.action is Action.WARN:
        return memory.model_copy(update={"warned_at": now, "environment": decision.environment})
    if memory.warned_at and decision.rule in ("active", "unmeasured", "young", "snooze"):
        return memory.model_copy(update={"warned_at": None})
    if memory.phase is Phase.ASLEEP and resource.power is Power.ON and decision.rule in KEPT_UP:
        return awake(memory, resource, now)
    if memory.phase is Phase.WAKING and resource.power is Power.OFF and decision.rule == "asleep":
        return memory.model_copy(update={"phase": Phase.ASLEEP, "changed_at": now})
    return memory


def sleep_begins(memory: Memory | None, resource: Resource, decision: Decision, now: datetime) -> Memory:
    """The memory before a stop, with the former state that waking will bring back.

    A sleep that is under way keeps its generation. A new one takes what is there now, unless it was not awake as itself: then
    what it was before it was first put to sleep is still what it is.
    """
    if memory is not None and memory.phase is Phase.SUSPENDING:
        return memory
    before = memory.former.resource if memory is not None and memory.former is not None else None
    true = resource
    if before is not None and memory is not None and memory.phase in (Phase.ASLEEP, Phase.WAKING):
        true = resource.model_copy(update={"size": before.size, "count": before.count, "instance_type": before.instance_type})
    elif before is not None and memory is not None and memory.woken_as == resource.instance_type is not None:
        true = resource.model_copy(update={"instance_type": before.instance_type})
    generation = (memory.generation if memory is not None else 0) + 1
    former = FormerState(
        key=resource.key,
        generation=generation,
        environment=decision.environment,
        taken_at=now,
        resource=true,
        expected_until=decision.until,
    )
    return Memory(
        key=resource.key,
        environment=decision.environment,
        generation=generation,
        phase=Phase.SUSPENDING,
        changed_at=now,
        rule=decision.rule,
        former=former,
    )
