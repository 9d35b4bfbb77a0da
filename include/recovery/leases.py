"""Leases: the only title by which Drillyard creates and deletes. Written before anything is created, closed by inventory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.evidence.naming import new_record_id
from include.evidence.record import LeaseRecord
from include.recovery.conclude import conclude_cut_off
from include.recovery.journal import Journal
from include.recovery.model import Check, Lease, Outcome, PlanItem
from include.values import utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk

CLEANING_MARGIN = timedelta(minutes=30)
"""A lease outlives its drill's longest allowed time by this much before the reaper takes over."""


def longest(item: PlanItem) -> timedelta:
    """The longest a restore may take before it is called failed: four times the RTO, at least ten minutes."""
    return item.patience or max(4 * item.rto, timedelta(minutes=10))


def open_for(desk: Desk, item: PlanItem, name: str, journal: Journal) -> Lease:
    """Write the lease to the evidence stores, then to the ledger. Only after both may anything be created."""
    lease = desk.ledger.lease(item.drill_id)
    if lease is not None and lease.closed_at is None:
        return lease
    now = journal.clock()
    lease = Lease(
        lease_id=item.drill_id,
        sandbox=name,
        cloud=item.cloud,
        region=item.region,
        service=item.service,
        datastore=item.datastore,
        opened_at=now,
        expires_at=now + longest(item) + item.request.keep + CLEANING_MARGIN,
        requested_by=item.request.requested_by,
    )
    write_lease(desk, lease, "opened", by=item.request.requested_by, reason=item.request.reason, at=now)
    return lease


def write_lease(desk: Desk, lease: Lease, event: str, *, by: str, reason: str, at: datetime) -> None:
    """One lease record: evidence first, then the ledger."""
    record = LeaseRecord.model_validate(
        {
            "record_id": new_record_id(f"lease-{event}", lease.lease_id, at),
            "written_at": at,
            "event": event,
            "lease": lease,
            "by": by,
            "reason": reason,
        }
    )
    desk.write(record)


def end_superseded(desk: Desk, item: PlanItem, journal: Journal) -> None:
    """One live sandbox a datastore: an older drill's leftover is ended first, unless a person keeps or adopted it."""
    now = journal.clock()
    for lease in desk.ledger.open_leases():
        same = (lease.service, lease.datastore) == (item.service, item.datastore) and lease.lease_id != item.drill_id
        if not same or lease.adopted_by or desk.ledger.kept_until(lease.lease_id, now):
            continue
        desk.restore.discard(lease.sandbox, desk.datastore(item.service, item.datastore), lease)
        write_lease(
            desk,
            lease.model_copy(update={"closed_at": now}),
            "closed",
            by="drillyard",
            reason=f"superseded by {item.drill_id}",
            at=now,
        )
        conclude_cut_off(desk, lease.lease_id, journal.clock)
        journal.note("superseded", {"lease": lease.lease_id, "sandbox": lease.sandbox})


def close(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> bool:
    """End the sandbox unless it is kept, and prove by inventory that nothing of this drill is left. True when it is gone."""
    journal = Journal(desk.ledger, item, clock)
    lease = desk.ledger.lease(item.drill_id)
    if lease is None or lease.closed_at is not None:
        return True
    datastore = desk.datastore(item.service, item.datastore)
    if _keep(desk, item, lease, journal):
        return False
    with journal.phase("discard"):
        desk.restore.discard(lease.sandbox, datastore, lease)
        left = [o for o in desk.restore.inventory([datastore]) if o.lease_id == lease.lease_id]
        detail = ", ".join(f"{o.kind} {o.name}" for o in left)
        outcome = Outcome.FAILED if left else Outcome.PASSED
        journal.add_checks(
            [Check(name="nothing-left", layer="cleanup", outcome=outcome, measured=str(len(left)), threshold="0", detail=detail)]
        )
    if left:
        return False
    journal.note("removed", {"sandbox": lease.sandbox}, key="removed")
    now = clock()
    write_lease(desk, lease.model_copy(update={"closed_at": now}), "closed", by="drillyard", reason="drill ended", at=now)
    return True


def _keep(desk: Desk, item: PlanItem, lease: Lease, journal: Journal) -> bool:
    """Whether a person keeps the sandbox: adopted, or asked for with `keep` by one whose drill was not stopped."""
    if lease.adopted_by:
        journal.note("kept", {"by": lease.adopted_by, "until": lease.expires_at.isoformat()}, key="kept")
        return True
    keep, validated = item.request.keep, journal.first("validated")
    if keep <= timedelta(0) or validated is None:
        return False
    until = validated[0] + keep
    if until <= journal.clock():
        return False
    if journal.first("kept"):
        return True
    journal.note("kept", {"by": item.request.requested_by, "until": until.isoformat()}, key="kept")
    now = journal.clock()
    shorter = lease.model_copy(update={"expires_at": min(until, lease.expires_at)})
    write_lease(desk, shorter, "expired", by=item.request.requested_by, reason=f"kept until {until.isoformat()}", at=now)
    return True


def expire_now(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> None:
    """A person stopped the drill: its lease ends now, so that the reaper discards what it names."""
    lease = desk.ledger.lease(item.drill_id)
    if lease is None or lease.closed_at is not None or lease.adopted_by:
        return
    now = clock()
    write_lease(
        desk,
        lease.model_copy(update={"expires_at": now}),
        "expired",
        by="operator",
        reason="the task was stopped by hand",
        at=now,
    )
