"""What a person does to drills: adopt, release, stop, resume. Each is a record in the evidence and a change in the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from include.evidence.naming import new_record_id
from include.evidence.record import LeaseRecord, NoteRecord
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP, LedgerError, Stop

if TYPE_CHECKING:
    from include.evidence.stores import Stores
    from include.ledger.ledger import Ledger
    from include.recovery.model import Lease


class _Act(NamedTuple):
    by: str
    reason: str
    at: datetime


def adopt(ledger: Ledger, stores: Stores, lease_id: str, person: str, until: datetime, reason: str, now: datetime) -> Lease:
    """Pass a lease to a person until an instant. Ledger first: its refusal (closed, held) must leave no record behind.

    Raises LookupError, LedgerError, or StoresDown: then the lease is adopted, and adopting again writes the record.
    """
    if until <= now:
        raise LedgerError(f"lease {lease_id!r} cannot be adopted until {until.isoformat()}: that is not in the future")
    taken = ledger.adopt_lease(lease_id, person, until)
    _change(ledger, stores, taken, "adopted", _Act(person, reason, now))
    return taken


def release(ledger: Ledger, stores: Stores, lease_id: str, person: str, reason: str, now: datetime) -> Lease:
    """Give an adopted lease back to the reaper. Raises LookupError, or LedgerError when another person holds it."""
    lease = ledger.lease(lease_id)
    if lease is not None and lease.adopted_by not in (None, person):
        raise LedgerError(f"lease {lease_id!r} is held by {lease.adopted_by}, not by {person}")
    given = ledger.expire_lease(lease_id, now, by=person)
    _change(ledger, stores, given, "expired", _Act(person, reason, now))
    return given


def stop_everything(ledger: Ledger, stores: Stores, by: str, reason: str, now: datetime) -> Stop:
    """Stop all drills. The ledger first, because drills look there: a store that is down must not delay a stop."""
    held = ledger.stop(by, reason, now)
    _note(ledger, stores, GLOBAL_STOP, _Act(by, reason, now))
    return held


def resume_everything(ledger: Ledger, stores: Stores, by: str, reason: str, now: datetime) -> None:
    """Let drills run again. The record first: nothing starts again that nobody can prove was allowed to."""
    _note(ledger, stores, GLOBAL_RESUME, _Act(by, reason, now))


def _note(ledger: Ledger, stores: Stores, event: str, act: _Act) -> None:
    record = NoteRecord(
        record_id=new_record_id("note", event, act.at),
        written_at=act.at,
        event=event,
        by=act.by,
        subject="platform",
        detail={"reason": act.reason},
    )
    stores.write_record(record)
    ledger.project(record)


def _change(ledger: Ledger, stores: Stores, lease: Lease, event: Literal["adopted", "expired"], act: _Act) -> None:
    record = LeaseRecord(
        record_id=new_record_id(f"lease-{event}", lease.lease_id, act.at),
        written_at=act.at,
        event=event,
        lease=lease,
        by=act.by,
        reason=act.reason,
    )
    stores.write_record(record)
    ledger.project(record)
