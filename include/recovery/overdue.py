"""What should have happened by now and did not: a drill or a verification of a night that nobody ran. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from include.catalog.loaded import Catalog
from include.catalog.model import Tier
from include.recovery.plan import NIGHT, History


def drill_due_by(past: History, tier: Tier) -> datetime | None:
    """When the next scheduled drill must have been decided; None when none ever was: then there is nothing to count from.

    One that passed counts for `drill_every`; one that did not is repeated the next night.
    """
    if past.last_attempt is None:
        return None
    if past.last_passed is None or past.last_attempt > past.last_passed:
        return past.last_attempt + NIGHT
    return past.last_passed + tier.drill_every


def overdue(
    catalog: Catalog,
    history: Mapping[str, History],
    verified: Mapping[str, datetime],
    grace: timedelta,
    now: datetime,
    waived: Collection[str] = (),
) -> dict[str, str]:
    """By datastore id, what did not happen, when its time and `grace` have passed. `verified`: the newest verifications.
    `waived`: datastores whose drills a waiver covers now; their verifications are expected all the same.

    What was never drilled and never verified is `unknown` in the readiness, which is news of its own.
    """
    found = {}
    for subject, (service, _) in catalog.datastores().items():
        tier = catalog.platform.tiers[service.tier]
        late = []
        due_by = drill_due_by(history.get(subject, History()), tier)
        if due_by is not None and now > due_by + grace and subject not in waived:
            late.append(f"no drill since the one that was due by {due_by.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
        seen = verified.get(subject)
        if seen is not None and now > seen + tier.verify_every + grace:
            late.append(f"no verification since {seen.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
        if late:
            found[subject] = "; ".join(late)
    return found
