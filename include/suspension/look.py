"""One look at a batch and what is decided of it: reads only, so it is also the dry run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING

from include.catalog.model import Environment
from include.suspension import transactions
from include.suspension.decide import States, decide
from include.suspension.decision import Action, Decision, Facts, Memory, Phase, Wish
from include.suspension.forgotten import said
from include.suspension.idleness import window
from include.suspension.model import Batch, Metric, Power, Resource, Span
from include.suspension.placing import Ambiguous, environment_of
from include.suspension.remembering import settled

if TYPE_CHECKING:
    from include.suspension.desk import SleepDesk

log = logging.getLogger(__name__)
VERB = "suspend_environments"
HEAD_START = 0.6
"""Seconds after which the ledger is opened and read while the cloud's answer is awaited. Before, a survey makes its client,
which keeps Python as busy as the ledger does: together they would only be later."""


@dataclass
class Look:
    """What a batch has, and what is decided of each resource that an environment claims."""

    batch: Batch
    now: datetime
    resources: dict[str, Resource] = field(default_factory=dict)
    """By key; only those that an environment claims."""
    environments: dict[str, Environment] = field(default_factory=dict)
    """By resource key."""
    memories: dict[str, Memory] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """By kind: why nothing of it is known. Nothing of it is called gone."""
    gone: list[str] = field(default_factory=list)
    """Keys of what was deleted by others since the last look."""
    surveyed: dict[str, Memory] = field(default_factory=dict)
    """The memories as they were before this look."""
    states: States = field(default_factory=dict)
    """What schedules say of this moment, found once for all that share it."""
    unsettled: list[str] = field(default_factory=list)
    """Keys of what was asked for without a clear answer: busy, throttled, or the answer was lost."""
    forgotten: dict[str, str] = field(default_factory=dict)
    """By key, in words: what we put to sleep and no environment claims any more, so that nothing will wake it."""


def look(desk: SleepDesk, batch: Batch, now: datetime, only: str | None = None) -> Look:
    """Survey a batch and decide. Calls nothing that changes anything. Raises Transient when nothing can be known.

    `only`: the one environment that is asked about.
    """
    surveyed = Event()

    def remembered() -> dict[str, Memory]:
        surveyed.wait(HEAD_START)
        return desk.sleeps.memories(batch)

    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(remembered)
        try:
            survey = desk.power.survey(batch)
        finally:
            surveyed.set()
        found = Look(batch, now, unreadable=dict(survey.unreadable), surveyed=reading.result())
    _place(desk, found, survey.resources, only)
    _settle(desk, found, {resource.key for resource in survey.resources}, only)
    facts = _facts(desk, now)
    for key, resource in found.resources.items():
        found.decisions[key] = _decided(found, resource, facts[found.environments[key].environment], readings_wanted=True)
    _ask_databases(desk, found, facts)
    _measure(desk, found, facts)
    return found


def _decided(found: Look, resource: Resource, facts: Facts, *, readings_wanted: bool) -> Decision:
    environment, memory = found.environments[resource.key], found.memories.get(resource.key)
    return decide(resource, environment, memory, facts, readings_wanted=readings_wanted, states=found.states)


def _place(desk: SleepDesk, found: Look, resources: Iterable[Resource], only: str | None) -> None:
    environments = list(desk.environments.values())
    for resource in resources:
        why = "no environment of the catalog claims it any more"
        try:
            environment = environment_of(resource, environments)
        except Ambiguous as error:
            log.warning("%s", error)
            environment, why = None, str(error)
        memory = found.surveyed.get(resource.key)
        asleep = memory is not None and memory.phase is not Phase.AWAKE and resource.power is not Power.ON
        if environment is None and memory is not None and asleep and only in (None, memory.environment):
            found.forgotten[resource.key] = said(memory, why)
        if environment is not None and only in (None, environment.environment):
            found.resources[resource.key] = resource
            found.environments[resource.key] = environment


def _settle(desk: SleepDesk, found: Look, there: set[str], only: str | None) -> None:
    """Memories in line with the look; what is remembered and not there is gone, unless its kind could not be read."""
    readable = set(found.batch.kinds or desk.power.kinds) - set(found.unreadable)
    for key, memory in found.surveyed.items():
        resource = found.resources.get(key)
        if resource is None and (key in there or key.split("/")[3] not in readable or only not in (None, memory.environment)):
            continue
        found.memories[key] = settled(memory, resource, found.now)
        if resource is None and memory.gone_at is None:
            found.gone.append(key)


def _facts(desk: SleepDesk, now: datetime) -> dict[str, Facts]:
    """What is known at this moment, by environment."""
    stop, wishes = desk.ledger.stopped(), desk.sleeps.wishes(now)
    leases = desk.ledger.open_leases()
    held = {name for lease in leases for name in (lease.sandbox, lease.datastore, f"{lease.service}/{lease.datastore}")}
    windows = [w for w in desk.loaded.catalog.platform.blackouts if VERB in w.verbs and w.starts <= now < w.ends]
    blackout = f"blackout {windows[0].name} until {windows[0].ends.isoformat()}: {windows[0].reason}" if windows else None
    return {
        name: Facts(
            now=now,
            stopped=f"stopped by {stop.by} at {stop.at.isoformat()}: {stop.reason}" if stop else None,
            blackout=blackout,
            wishes=_wishes(wishes, name),
            leases=tuple(sorted(held)),
        )
        for name in desk.environments
    }


def _wishes(wishes: dict[str, tuple[Wish, ...]], environment: str) -> tuple[Wish, ...]:
    return wishes.get(environment, ())


def _ask_databases(desk: SleepDesk, found: Look, facts: dict[str, Facts]) -> None:
    """Ask those databases what runs on them that would be stopped otherwise."""
    asked: dict[str, list[Resource]] = {}
    for key, decision in found.decisions.items():
        if decision.rule in ("transactions-unknown", "measure") and found.resources[key].family == "database":
            asked.setdefault(decision.environment, []).append(found.resources[key])
    for name, resources in asked.items():
        suspension = desk.environments[name].suspension
        if suspension is None:
            continue
        oldest = transactions.oldest(resources, suspension.guards.transactions, desk.connections)
        facts[name] = facts[name].model_copy(update={"transactions": oldest})
        for resource in resources:
            found.decisions[resource.key] = _decided(found, resource, facts[name], readings_wanted=True)


def _measure(desk: SleepDesk, found: Look, facts: dict[str, Facts]) -> None:
    """Read metrics of what they decide about, in as few calls as there are different windows."""
    waiting = [key for key, decision in found.decisions.items() if decision.rule == "measure"]
    asked: dict[Span, dict[Metric, list[Resource]]] = {}
    for key in waiting:
        resource, suspension = found.resources[key], found.environments[key].suspension
        for rule in suspension.idle if suspension else ():
            if resource.family in rule.families:
                start, end = window(rule, found.now)
                asked.setdefault(Span(start=start, end=end, period=rule.period), {}).setdefault(rule.metric, []).append(resource)
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    for span, metrics in asked.items():
        for names, resources in _together(metrics):
            readings = desk.activity.read(found.batch, resources, names, span)
            for resource_id, read in readings.values.items():
                values.setdefault(resource_id, {}).update(read)
    measured = {name: one.model_copy(update={"values": values}) for name, one in facts.items()}
    for key in waiting:
        known = measured[found.environments[key].environment]
        found.decisions[key] = _decided(found, found.resources[key], known, readings_wanted=False)


def _together(metrics: dict[Metric, list[Resource]]) -> list[tuple[list[Metric], Sequence[Resource]]]:
    """Metrics that are wanted of the same resources are read together."""
    grouped: dict[tuple[str, ...], tuple[list[Metric], Sequence[Resource]]] = {}
    for metric, resources in metrics.items():
        grouped.setdefault(tuple(one.key for one in resources), ([], resources))[0].append(metric)
    return list(grouped.values())


def to_wake(found: Look) -> list[str]:
    """Keys of what is to be started, and not yet on its way."""
    return [key for key, decision in found.decisions.items() if decision.action is Action.START]


def moving(found: Look) -> list[str]:
    """Keys of what is on its way up or down: worth another look soon."""
    phases = (Phase.SUSPENDING, Phase.WAKING)
    states = (Power.STARTING, Power.STOPPING)
    return [
        key
        for key, memory in found.memories.items()
        if memory.phase in phases
        and memory.gone_at is None
        and (key not in found.resources or found.resources[key].power in states)
    ]
