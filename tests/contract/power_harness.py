"""What a cloud brings to the contract suite of power and activity: its adapters over the lab, and one `Thing` a kind.

A new cloud joins with one factory in `POWER_HARNESSES`, a new kind with one `Thing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from include.suspension.contracts import Activity, PowerSwitch
from include.suspension.model import Answer, Batch, Metric, Outcome, Power, Resource, Wake


@dataclass
class Thing:
    """One kind of a cloud, with its owner's own hands: everything here goes past the adapters."""

    kind: str
    make: Callable[[str], str]
    """Makes one that runs, with this name and the tag ``environment=test``; gives its id."""
    delete: Callable[[str], None]
    exact: Callable[[str], Any]
    """Everything that sleep may change and waking must bring back, by the vendor's own description."""
    measures: Mapping[Metric, Callable[[str, datetime, Sequence[float], timedelta], None]] = field(default_factory=dict)
    """How its metrics come to be: (id, start, values, period). What is not here is unsupported."""
    many: bool = True
    """The vendor stops many in a call."""
    fallback: str | None = None
    """Another type that it can start as."""
    one_at_a_time: bool = False
    """Its parent does one thing at a time, and refuses meanwhile."""
    capacity_at_start: bool = True
    """The call that starts says that there is no capacity; otherwise it is never ready."""


@dataclass
class PowerHarness:
    """One cloud under test."""

    switch: PowerSwitch
    activity: Activity
    batch: Batch
    things: Mapping[str, Thing]
    throttled: Callable[[], AbstractContextManager[None]]
    """Every call is refused meanwhile: too many."""
    lost: Callable[[], AbstractContextManager[None]]
    """Calls take effect meanwhile, and no answer arrives."""
    outage: Callable[[], AbstractContextManager[None]]
    no_capacity: Callable[[], AbstractContextManager[None]]
    fault: Callable[[str, int], AbstractContextManager[None]]
    """One call meets a fault meanwhile: (``throttle``, ``error`` or ``lost``; which call, counted from 1)."""
    calls: Callable[[], int]
    """Calls since the last time this was asked."""
    used: Callable[[], set[str]]
    """What the adapters called since `calls` was asked last, as the documented role names it."""
    allowed: frozenset[str]
    """What the documented role lists."""
    endpoint: str = ""
    """Where its API is."""
    patience: float = 60.0

    def only(self, kind: str) -> Batch:
        return self.batch.model_copy(update={"kinds": (kind,)})

    def one(self, kind: str, name: str) -> Resource:
        """By id, from a survey."""
        found = {one.id: one for one in self.switch.survey(self.only(kind)).resources}
        return found[name]

    def settled(self, resource: Resource, power: Power) -> Resource:
        """The resource once it has this power."""
        deadline = time.monotonic() + self.patience
        while True:
            now = self.switch.look(self.batch, [resource])[resource.id]
            if now.power is power:
                return now
            assert time.monotonic() < deadline, now
            time.sleep(0.05)

    def asleep(self, resource: Resource) -> Resource:
        """The resource once it sleeps; asked again whenever it is found awake, as the next sweep would."""
        deadline = time.monotonic() + self.patience
        while True:
            now = self.switch.look(self.batch, [resource])[resource.id]
            if now.power is Power.OFF:
                return now
            if now.power is Power.ON:
                self.switch.stop(self.batch, [now])
            assert time.monotonic() < deadline, now
            time.sleep(0.05)

    def woken(self, wake: Wake) -> Answer:
        """The answer to a start that is asked again while the vendor is busy, as the next sweep would."""
        deadline = time.monotonic() + self.patience
        while True:
            answer = self.switch.start(self.batch, [wake])[wake.resource.id]
            if answer.outcome is not Outcome.BUSY or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)
