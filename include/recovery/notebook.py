"""A drill's journal and leases in memory: what the steps of a restore ask a ledger for, when there is no ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.evidence.record import LeaseRecord
from include.ledger.model import Entry

if TYPE_CHECKING:
    from include.evidence.record import Record
    from include.recovery.model import Lease


class Notebook:
    """Lives as long as its process. What must outlive it is in the evidence store: leases, and the record of what was done."""

    def __init__(self, leases: Sequence[Lease] = (), on_record: Callable[[Record], None] = lambda _: None) -> None:
        self._entries: list[Entry] = []
        self._leases = {one.lease_id: one for one in leases}
        self._on_record = on_record

    def append(self, drill_id: str, event: str, at: datetime, body: Mapping[str, Any], key: str | None = None) -> bool:
        """As `Ledger.append`."""
        if key is not None and any(one.drill_id == drill_id and one.key == key for one in self._entries):
            return False
        entry = Entry(drill_id=drill_id, position=len(self._entries), event=event, at=at, body=dict(body), key=key)
        self._entries.append(entry)
        return True

    def append_all(self, drill_id: str, event: str, at: datetime, bodies: Sequence[Mapping[str, Any]]) -> None:
        """As `Ledger.append_all`."""
        for body in bodies:
            self.append(drill_id, event, at, body)

    def journal(self, drill_id: str) -> Sequence[Entry]:
        """As `Ledger.journal`."""
        return [one for one in self._entries if one.drill_id == drill_id]

    def lease(self, lease_id: str) -> Lease | None:
        """As `Ledger.lease`."""
        return self._leases.get(lease_id)

    def open_leases(self, now: datetime | None = None) -> Sequence[Lease]:
        """As `Ledger.open_leases`."""
        found = [one for one in self._leases.values() if one.closed_at is None]
        return [one for one in found if now is None or one.expires_at > now]

    def kept_until(self, lease_id: str, now: datetime) -> datetime | None:
        """As `Ledger.kept_until`."""
        lease = self._leases.get(lease_id)
        return lease.expires_at if lease and lease.adopted_by and lease.expires_at > now else None

    def project(self, record: Record) -> bool:
        """Remember a lease's change, and tell whoever listens that a record was written."""
        if isinstance(record, LeaseRecord):
            self._leases[record.lease.lease_id] = record.lease
        self._on_record(record)
        return True

    def stopped(self) -> None:
        """Nobody can have stopped everything here: whoever recovers is the one who decides."""
        return
