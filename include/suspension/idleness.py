"""Whether something was idle over a window: by measured values only. Pure. What was not measured is not idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from include.catalog.schedules import Idle
from include.suspension.model import Resource

DELAY = timedelta(minutes=10)
"""How late a vendor's newest values may be: a window ends this long before now, so that it can be whole."""


class Idleness(StrEnum):
    """Of one resource over its rules' windows."""

    IDLE = "idle"
    ACTIVE = "active"
    UNMEASURED = "unmeasured"
    YOUNG = "young"


class Found(NamedTuple):
    """What was found, in words and in numbers."""

    verdict: Idleness
    why: str
    numbers: dict[str, Any]


def window(rule: Idle, now: datetime) -> tuple[datetime, datetime]:
    """The window of a rule: whole periods, the newest that a vendor can have in full."""
    seconds = int(rule.period.total_seconds())
    end = datetime.fromtimestamp(int((now - DELAY).timestamp()) // seconds * seconds, tz=now.tzinfo)
    return end - rule.period * periods(rule), end


def periods(rule: Idle) -> int:
    """How many values a whole window has."""
    return max(1, round(rule.window / rule.period))


def idleness(resource: Resource, rules: Sequence[Idle], values: Mapping[str, Sequence[float]], now: datetime) -> Found:
    """Idle when every value of every rule's window is there and below its limit."""
    numbers: dict[str, Any] = {}
    for rule in rules:
        measured, wanted = values.get(rule.metric, ()), periods(rule)
        limit = float(rule.below)
        numbers[str(rule.metric)] = {
            "highest": max(measured, default=None),
            "below": limit,
            "values": len(measured),
            "of": wanted,
        }
        if resource.launched_at is not None and resource.launched_at > window(rule, now)[0]:
            return Found(Idleness.YOUNG, f"it runs since {resource.launched_at.isoformat()}, less than the window", numbers)
        if len(measured) < wanted:
            return Found(Idleness.UNMEASURED, f"{rule.metric}: {len(measured)} of {wanted} values; missing is not idle", numbers)
        if max(measured) >= limit:
            return Found(Idleness.ACTIVE, f"{rule.metric} reached {max(measured):g}, not below {limit:g}", numbers)
    said = ", ".join(f"{rule.metric} below {float(rule.below):g} for {rule.window}" for rule in rules)
    return Found(Idleness.IDLE, said, numbers)
