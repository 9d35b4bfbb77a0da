"""What keeps something up that would be put to sleep: leases, transactions, deployments, blackouts. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from include.catalog.schedules import Suspension
from include.suspension.decision import Facts, WishAction
from include.suspension.model import Family, Resource


class Held(NamedTuple):
    """Why something is kept up, and until when at the earliest."""

    rule: str
    why: str
    until: datetime | None
    numbers: dict[str, Any]


def guarded(resource: Resource, suspension: Suspension, facts: Facts) -> Held | None:
    """What keeps a resource up, or None. What cannot be known keeps it up."""
    if facts.blackout:
        return Held("blackout", facts.blackout, None, {})
    if resource.id in facts.leases or resource.name in facts.leases:
        return Held("open-lease", "a restore drill holds it by an open lease", None, {})
    deploying = _deploying(resource, suspension, facts)
    if deploying is not None:
        return deploying
    return _transaction(resource, suspension, facts) if resource.family is Family.DATABASE else None


def _deploying(resource: Resource, suspension: Suspension, facts: Facts) -> Held | None:
    for wish in facts.wishes:
        if wish.action is WishAction.DEPLOYING and wish.holds(facts.now):
            return Held("deploying", f"a deployment runs ({wish.by}: {wish.why})", wish.until, {})
    key = suspension.guards.deploying_tag
    value = resource.tags.get(key, "false")
    if value.lower() in ("false", ""):
        return None
    try:
        ends = datetime.fromisoformat(value)
    except ValueError:
        return Held("deploying", f"its tag {key}={value} marks a deployment", None, {})
    if ends.tzinfo is None or ends > facts.now:
        return Held("deploying", f"its tag {key} marks a deployment until {value}", ends if ends.tzinfo else None, {})
    return None


def _transaction(resource: Resource, suspension: Suspension, facts: Facts) -> Held | None:
    rule = suspension.guards.transactions
    oldest = facts.transactions.get(resource.key)
    limit = rule.older_than.total_seconds()
    if oldest is None:
        named = resource.name in rule.connections or resource.id in rule.connections
        if rule.unchecked and not named:
            return None
        what = "no connection says what runs on it: name one in guards.transactions.connections, or set unchecked"
        what = "it was not asked yet what runs on it" if named else what
        return Held("transactions-unknown", what, None, {})
    if isinstance(oldest, str):
        return Held("transactions-unknown", f"nobody can tell what runs on it: {oldest}", None, {})
    numbers = {"oldest_transaction_seconds": oldest, "limit_seconds": limit}
    return Held("open-transaction", f"a transaction runs for {oldest:.0f} s", None, numbers) if oldest > limit else None
