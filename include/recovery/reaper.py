"""What ends when nobody ended it: sandboxes of expired leases. Runs from the leases, independent of every drill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from include.recovery.conclude import conclude_cut_off
from include.recovery.contracts import Transient
from include.recovery.leases import write_lease
from include.recovery.model import Lease, Owned
from include.values import utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk


class Leftovers(RuntimeError):
    """Something of ours is still there after reaping, or is there without a lease. Names each."""


def due(lease: Lease, now: datetime) -> bool:
    """Whether the reaper may end it: expired, not closed, and no person has adopted it."""
    return lease.closed_at is None and lease.adopted_by is None and lease.expires_at <= now


def reap(desk: Desk, clock: Callable[[], datetime] = utcnow) -> list[str]:
    """Discard what expired leases of this cloud name, close them, and take the inventory. Returns what was ended.

    Deletes by lease and mark only: what carries our mark but has no lease in the ledger is reported, never deleted.
    Raises Leftovers when a sandbox could not be ended or is unexplained; the leases that could be ended are ended first.
    """
    ended, troubles = [], []
    now = clock()
    for lease in desk.ledger.open_leases():
        if lease.cloud != desk.cloud or not due(lease, now):
            continue
        try:
            datastore = desk.datastore(lease.service, lease.datastore)
            desk.restore.discard(lease.sandbox, datastore, lease)
            if any(o.lease_id == lease.lease_id for o in desk.restore.inventory([datastore])):
                troubles.append(f"{lease.sandbox} is still there after its discard; the next run tries again")
                continue
        except (Transient, LookupError, OSError) as error:
            troubles.append(f"{lease.sandbox} (lease {lease.lease_id}) could not be ended: {error}")
            continue
        closed = lease.model_copy(update={"closed_at": now})
        write_lease(desk, closed, "closed", by="reaper", reason=f"expired at {lease.expires_at.isoformat()}", at=now)
        ended.append(lease.sandbox)
        conclude_cut_off(desk, lease.lease_id, clock)
    troubles += unexplained(desk)
    if troubles:
        raise Leftovers("; ".join(troubles) + (f"; ended: {', '.join(ended)}" if ended else ""))
    return ended


def unexplained(desk: Desk) -> list[str]:
    """What carries our mark and is not covered by an open lease: one line each, with what to do."""
    owned = desk.restore.inventory(list(desk.datastores().values()))
    return [_line(thing) for thing in owned if not _covered(desk, thing)]


def _covered(desk: Desk, thing: Owned) -> bool:
    lease = desk.ledger.lease(thing.lease_id)
    return lease is not None and lease.closed_at is None


def _line(thing: Owned) -> str:
    return (
        f"{thing.kind} {thing.name} in {thing.cloud} {thing.region} carries our mark (lease {thing.lease_id}) but no open lease "
        "covers it: rebuild the ledger from the evidence (`drillyard ledger rebuild`) or delete it by hand"
    )
