"""What people ask for: snooze, wake, sleep, a deployment's marker; and its end. Each is a note in the evidence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.evidence.naming import new_record_id
from include.evidence.record import NoteRecord
from include.suspension.decision import Wish, WishAction
from include.suspension.placing import sleeping

if TYPE_CHECKING:
    from include.connections import Connections
    from include.evidence.stores import Stores
    from include.ledger import Ledger

EVENT = "suspension-wish"
LONGEST = 14 * 24
"""Hours: what should stay up for longer belongs into the catalog."""
CANCEL = "cancel"


def ask(connections: Connections, environment: str | None, action: str, hours: float, by: str, why: str, now: datetime) -> str:
    """Write a wish down; returns what holds now, in words. ``cancel`` ends all of the environment's wishes.

    Raises LookupError for an unknown environment, naming the nearest; ValueError for another action or length, and for a missing
    who or why.
    """
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.recovery.desk import ledger_url
    from include.settings import platform_dir

    loaded = load(platform_dir())
    name = sleeping(loaded.catalog.environments, environment).environment
    _check(action, hours, by, why)
    ledger = open_ledger(ledger_url(connections))
    stores = open_stores(loaded.catalog.platform.evidence, connections)
    return write(ledger, stores, name, action, hours, by, why, now)


def write(ledger: Ledger, stores: Stores, environment: str, action: str, hours: float, by: str, why: str, now: datetime) -> str:
    """The checked wish into ledger and evidence. Repeating it with the same `now` changes nothing."""
    from include.ledger.sleeps import Sleeps

    sleeps, until = Sleeps(ledger), now + timedelta(hours=hours)
    if action == CANCEL:
        for wish in sleeps.wishes(now).get(environment, ()):
            sleeps.wish(wish.model_copy(update={"cancelled_at": now}))
        said = f"{environment}: nothing is asked for any more; its schedule holds"
    else:
        wish_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{environment}-{action}"
        wish = Wish(wish_id=wish_id, environment=environment, action=WishAction(action), by=by, why=why, at=now, until=until)
        sleeps.wish(wish)
        said = f"{environment}: {action} until {until.isoformat(timespec='minutes')} ({by}: {why})"
    record = NoteRecord(
        record_id=new_record_id("note", f"{EVENT}-{action}-{environment}", now),
        written_at=now,
        event=EVENT,
        by=by,
        subject=environment,
        detail={"action": action, "why": why, "until": until.isoformat()},
    )
    stores.write_record(record)
    ledger.project(record)
    return said


def _check(action: str, hours: float, by: str, why: str) -> None:
    if action not in (CANCEL, *WishAction):
        raise ValueError(f"the action is {', '.join(WishAction)} or {CANCEL}, not {action!r}")
    if not 0 < hours <= LONGEST:
        raise ValueError(f"hours must be more than 0 and at most {LONGEST}; what stays up for longer belongs into the catalog")
    if not by.strip() or not why.strip():
        raise ValueError("say who asks, and why: it goes into the record")
