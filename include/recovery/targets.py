"""Which recovery point serves a target. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from include.recovery.model import RecoveryPoint, Target


class NoPoint(LookupError):
    """No recovery point serves the target."""


def choose_point(points: Sequence[RecoveryPoint], target: Target) -> RecoveryPoint:
    """The point to restore: the one named; the newest that can be rolled to a time; or the newest of all.

    Raises NoPoint with what is there.
    """
    if not points:
        raise NoPoint("there is no recovery point at all; look at the backup job and the location in the catalog")
    newest_first = sorted(points, key=lambda p: p.taken_at, reverse=True)
    if target.point_id is not None:
        for point in newest_first:
            if point.id == target.point_id:
                return point
        there = ", ".join(p.id for p in newest_first[:5])
        raise NoPoint(f"no recovery point {target.point_id!r}; the newest are: {there}")
    if target.time is not None:
        for point in newest_first:
            if point.taken_at <= target.time and (target.time <= point.restorable_until or not point.log_end_known):
                return point
        oldest, latest = newest_first[-1].taken_at, max(p.restorable_until for p in newest_first)
        raise NoPoint(f"no recovery point can be rolled to {target.time.isoformat()}; restorable from {oldest} until {latest}")
    return newest_first[0]
