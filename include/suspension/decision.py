"""What is decided of one resource at one moment, and what was remembered of it before. Frozen, no I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from include.suspension.model import FormerState, Resource
from include.values import Frozen, Instant


class Action(StrEnum):
    """What to do with a resource now."""

    KEEP = "keep"
    """As it is."""
    WARN = "warn"
    """Tell its owner that it will be put to sleep."""
    STOP = "stop"
    START = "start"


class Decision(Frozen):
    """Of one resource: what, by which rule, and with which numbers."""

    key: str
    name: str
    environment: str
    action: Action
    rule: str
    """A stable slug, such as ``opt-out``, ``schedule-off``, ``idle``, ``open-lease``."""
    why: str
    numbers: dict[str, Any] = Field(default_factory=dict)
    """What was measured, against what."""
    until: Instant | None = None
    """When another answer is to be expected."""


class Phase(StrEnum):
    """How far a resource's sleep has come. Written before each call, so that a crash leaves a true story."""

    SUSPENDING = "suspending"
    """Its former state is written; the stop was asked for, or is about to be."""
    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"


class Memory(Frozen):
    """What is remembered of one resource between two runs."""

    key: str
    environment: str
    generation: int = 0
    phase: Phase = Phase.AWAKE
    changed_at: Instant
    """When the phase began."""
    rule: str = ""
    """Why it was put to sleep."""
    former: FormerState | None = None
    """Of the newest generation."""
    sealed: bool = False
    """The former state is in the evidence stores too: only then may it be stopped."""
    restarts_at: Instant | None = None
    """When the vendor starts it by itself."""
    warned_at: Instant | None = None
    seen_up_at: Instant | None = None
    """When something that we put to sleep was found running, started by others."""
    attempt: int = 0
    """Wake-ups refused for want of capacity in this generation."""
    woken_as: str | None = None
    """The machine type it was woken as, where that is not its own."""
    escalated_at: Instant | None = None
    gone_at: Instant | None = None
    """When it was found deleted."""


class WishAction(StrEnum):
    """What a person asks for an environment."""

    SNOOZE = "snooze"
    """Do not put it to sleep."""
    WAKE = "wake"
    """Start it now, and do not put it to sleep."""
    DEPLOYING = "deploying"
    """A deployment runs: stop nothing."""
    SLEEP = "sleep"
    """Put it to sleep now; guards hold."""


class Wish(Frozen):
    """A person's wish, with its end: who, why, until when."""

    wish_id: str
    environment: str
    action: WishAction
    by: str
    why: str
    at: Instant
    until: Instant
    cancelled_at: Instant | None = None

    def holds(self, now: datetime) -> bool:
        return self.at <= now < self.until and self.cancelled_at is None


class Facts(Frozen):
    """What is known at a decision besides the resource itself."""

    now: Instant
    stopped: str | None = None
    """The global stop, in words."""
    blackout: str | None = None
    """A blackout of the catalog that names `suspend_environments`."""
    wishes: tuple[Wish, ...] = ()
    """Of the environment, in force or not."""
    leases: tuple[str, ...] = ()
    """Names and ids that open drill leases hold (sandboxes, datastores)."""
    transactions: dict[str, float | str] = Field(default_factory=dict)
    """By resource key: seconds of the oldest running transaction, or why nobody can tell."""
    values: dict[str, dict[str, tuple[float, ...]]] = Field(default_factory=dict)
    """By resource id, by metric."""


def seconds(span: object) -> float:
    """A timedelta in seconds, for the numbers of a decision."""
    return round(span.total_seconds(), 3)  # type: ignore[attr-defined,no-any-return]


__all__ = ["Action", "Decision", "Facts", "FormerState", "Memory", "Phase", "Resource", "Wish", "WishAction", "seconds"]
