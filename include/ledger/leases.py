"""Leases: written before anything is created, changed only in ways that any order of arrival leads to the same state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from include.evidence.record import LeaseRecord
from include.ledger.model import LedgerError
from include.ledger.tables import leases
from include.recovery.model import Lease

_FIELDS = [column for column in leases.c if column.name != "changed_at"]


def open_lease(connection: Connection, lease: Lease) -> Lease:
    """Write the lease; answer the one that stands. A retry finds what the first try wrote.

    A closed lease is opened anew by a drill that is run again after its sandbox was discarded.
    """
    values = lease.model_dump() | {"changed_at": None}
    row = insert(leases).values(**values)
    reopened = leases.c.closed_at <= row.excluded.opened_at
    connection.execute(row.on_conflict_do_update(index_elements=[leases.c.lease_id], set_=values, where=reopened))
    return must(connection, lease.lease_id)


def find(connection: Connection, lease_id: str) -> Lease | None:
    """The lease of that id, open or closed."""
    row = connection.execute(select(*_FIELDS).where(leases.c.lease_id == lease_id)).one_or_none()
    return None if row is None else _lease(row)


def must(connection: Connection, lease_id: str) -> Lease:
    """The lease of that id. Raises LookupError."""
    lease = find(connection, lease_id)
    if lease is None:
        raise LookupError(f"no lease {lease_id!r} in the ledger; `drillyard ledger leases` lists the open ones")
    return lease


def every(connection: Connection) -> Sequence[Lease]:
    """Every lease, closed ones too, by id."""
    return _many(connection, select(*_FIELDS).order_by(leases.c.lease_id))


def open_ones(connection: Connection, now: datetime | None = None) -> Sequence[Lease]:
    """Leases that are not closed, oldest first; with `now`, those that have not expired either."""
    query = select(*_FIELDS).where(leases.c.closed_at.is_(None))
    if now is not None:
        query = query.where(leases.c.expires_at > now)
    return _many(connection, query.order_by(leases.c.opened_at, leases.c.lease_id))


def open_for(connection: Connection, service: str, datastore: str) -> Lease | None:
    """The newest lease of a datastore that is not closed."""
    query = (
        select(*_FIELDS)
        .where(leases.c.closed_at.is_(None), leases.c.service == service, leases.c.datastore == datastore)
        .order_by(leases.c.opened_at.desc(), leases.c.lease_id.desc())
        .limit(1)
    )
    found = _many(connection, query)
    return found[0] if found else None


def adopt(connection: Connection, lease_id: str, person: str, until: datetime) -> Lease:
    """Pass a lease to a person. Repeating it is harmless. Raises LookupError, or LedgerError when another holds it."""
    lease = must(connection, lease_id)
    if lease.closed_at is not None:
        raise LedgerError(
            f"lease {lease_id!r} was closed at {lease.closed_at.isoformat()}: its sandbox is gone, start a new drill"
        )
    if lease.adopted_by not in (None, person):
        raise LedgerError(f"lease {lease_id!r} is held by {lease.adopted_by}; they release it with `drillyard ledger release`")
    _change(connection, lease_id, adopted_by=person, expires_at=until)
    return must(connection, lease_id)


def expire(connection: Connection, lease_id: str, at: datetime, by: str | None = None) -> Lease:
    """Let a lease end at an instant, so that the reaper discards what it names. Never makes a lease longer.

    An adopted lease is ended only by the person who holds it (`by`); for anybody else it stays as it is.
    """
    lease = must(connection, lease_id)
    held_by_another = lease.adopted_by is not None and lease.adopted_by != by
    if lease.closed_at is None and not held_by_another and (lease.adopted_by or at < lease.expires_at):
        _change(connection, lease_id, adopted_by=None, expires_at=min(at, lease.expires_at), changed_at=at)
    return must(connection, lease_id)


def close(connection: Connection, lease_id: str, at: datetime) -> Lease:
    """Nothing of this lease remains. The first closing counts; a repeated one changes nothing."""
    must(connection, lease_id)
    _change(connection, lease_id, closed_at=at)
    return must(connection, lease_id)


def project(connection: Connection, record: LeaseRecord) -> None:
    """Apply a lease record.

    The newest opening of an id counts. Of one opening, the newest of adopted and expired counts, and closed is for good.
    """
    lease = record.lease
    values = lease.model_dump() | {"changed_at": None if record.event == "opened" else record.written_at}
    if record.event == "closed":
        values["closed_at"] = lease.closed_at or record.written_at
    row = insert(leases).values(**values)
    newer_opening = leases.c.opened_at < row.excluded.opened_at
    statement = row.on_conflict_do_update(index_elements=[leases.c.lease_id], set_=values, where=newer_opening)
    if connection.execute(statement).rowcount or record.event == "opened":
        return
    same_opening = and_(leases.c.lease_id == lease.lease_id, leases.c.opened_at == lease.opened_at)
    if record.event == "closed":
        change = update(leases).where(same_opening, leases.c.closed_at.is_(None)).values(closed_at=values["closed_at"])
    else:
        newest = or_(leases.c.changed_at.is_(None), leases.c.changed_at <= record.written_at)
        state = {name: values[name] for name in ("adopted_by", "expires_at", "changed_at")}
        change = update(leases).where(same_opening, newest).values(**state)
    connection.execute(change)


def _change(connection: Connection, lease_id: str, **values: Any) -> None:
    """Change a lease that is not closed."""
    connection.execute(update(leases).where(leases.c.lease_id == lease_id, leases.c.closed_at.is_(None)).values(**values))


def _many(connection: Connection, query: Any) -> Sequence[Lease]:
    return tuple(_lease(row) for row in connection.execute(query))


def _lease(row: Row[Any]) -> Lease:
    values = {name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row._mapping.items()}
    return Lease(**values)
