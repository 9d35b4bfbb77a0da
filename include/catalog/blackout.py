"""Blackout windows: when a verb must not run. Windows are instants, so a change to summer time moves nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from include.catalog.model import Blackout, Person


def holds(window: Blackout, verb: str, tier: str, now: datetime) -> bool:
    """Whether a window holds this verb and tier at this instant: from `starts` on, and no longer at `ends`."""
    return window.starts <= now < window.ends and verb in window.verbs and (not window.tiers or tier in window.tiers)


def active(windows: Iterable[Blackout], verb: str, tier: str, now: datetime) -> list[Blackout]:
    """All windows that hold, the one that ends last first."""
    return sorted((w for w in windows if holds(w, verb, tier, now)), key=lambda w: (w.ends, w.name), reverse=True)


def named(requester: str, names: Iterable[str], people: Iterable[Person]) -> bool:
    """Whether a requester is among names of people or teams.

    Someone is known by the name or the e-mail address of platform.yaml; a requester who is in neither is in no team.
    """
    wanted = set(names)
    return any(requester in (p.name, p.email) and (p.name in wanted or wanted & set(p.teams)) for p in people)
