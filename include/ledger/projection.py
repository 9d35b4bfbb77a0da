"""Records into tables. Applying a record twice, or records in another order, leads to the same tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, case, func, tuple_
from sqlalchemy.dialects.postgresql import insert

from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord, Record, VerificationRecord
from include.ledger import leases
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP
from include.ledger.tables import PROJECTION, drills, measurements, notes, points, records, stops, subjects, verifications
from include.recovery.model import Verdict
from include.values import canonical_json


def project(connection: Connection, record: Record) -> bool:
    """Apply one record. False when it was applied before."""
    values = {"record_id": record.record_id, "kind": record.kind, "written_at": record.written_at}
    if not connection.execute(insert(records).values(**values).on_conflict_do_nothing()).rowcount:
        return False
    match record:
        case LeaseRecord():
            leases.project(connection, record)
        case DrillRecord():
            _drill(connection, record)
        case VerificationRecord():
            _verification(connection, record)
        case NoteRecord():
            _note(connection, record)
    return True


def rebuild(connection: Connection, records_in_any_order: Iterable[Record]) -> int:
    """Empty what is derived from records and fill it again; answers how many records there were."""
    for table in PROJECTION:
        connection.execute(table.delete())
    ordered = sorted(records_in_any_order, key=lambda record: record.record_id)
    return sum(project(connection, record) for record in ordered)


def record_stop(connection: Connection, event: str, by: str, reason: str, at: datetime) -> None:
    """Note a global stop or its end. The same event by the same person at the same instant counts once."""
    connection.execute(insert(stops).values(at=at, event=event, by=by, reason=reason).on_conflict_do_nothing())


def _drill(connection: Connection, record: DrillRecord) -> None:
    _subject(connection, record.service, record.datastore)
    connection.execute(
        insert(drills).values(
            record_id=record.record_id,
            drill_id=record.drill_id,
            service=record.service,
            datastore=record.datastore,
            decided_at=record.decided_at,
            verdict=record.verdict.value,
            proof=record.verdict is Verdict.PASSED and None not in (record.rto_measured, record.rpo_measured),
            body=_text(record),
        )
    )
    _measure(connection, record, record.decided_at, _drill_values(record))


def _drill_values(record: DrillRecord) -> Iterator[tuple[str, Decimal]]:
    """What a drill measured. A phase that was cut off has no length; a phase that came twice counts in sum."""
    if record.rto_measured is not None:
        yield "rto_seconds", _seconds(record.rto_measured.total_seconds())
    if record.rpo_measured is not None:
        yield "rpo_seconds", _seconds(record.rpo_measured.total_seconds())
    if record.cost is not None:
        yield "cost", record.cost
    if record.recovery_point is not None and record.recovery_point.size_bytes is not None:
        yield "size_bytes", Decimal(record.recovery_point.size_bytes)
    spent: dict[str, Decimal] = {}
    for phase in record.phases:
        if phase.ended is not None:
            length = _seconds((phase.ended - phase.started).total_seconds())
            spent[phase.name] = spent.get(phase.name, Decimal(0)) + length
    for name, length in spent.items():
        yield f"phase.{name}", length
    ends = [phase.ended for phase in record.phases if phase.ended is not None]
    if ends:
        yield "drill_seconds", _seconds((max(ends) - record.decided_at).total_seconds())


def _verification(connection: Connection, record: VerificationRecord) -> None:
    if not record.canary:
        _subject(connection, record.service, record.datastore)
    connection.execute(
        insert(verifications).values(
            record_id=record.record_id,
            service=record.service,
            datastore=record.datastore,
            written_at=record.written_at,
            verdict=record.verdict.value,
            canary=record.canary,
            body=_text(record),
        )
    )
    if record.point is None or record.canary:
        return
    values = [("point_age_seconds", _seconds((record.written_at - record.point.restorable_until).total_seconds()))]
    if record.point.size_bytes is not None:
        values.append(("size_bytes", Decimal(record.point.size_bytes)))
    _measure(connection, record, record.written_at, values)
    _seen(connection, record)


def _seen(connection: Connection, record: VerificationRecord) -> None:
    """Remember a recovery point; the newest sight of it tells how it looked."""
    if record.point is None:
        return
    sight = insert(points).values(
        service=record.service,
        datastore=record.datastore,
        point_id=record.point.id,
        first_seen=record.written_at,
        last_seen=record.written_at,
        body=_text(record.point),
    )
    new = sight.excluded
    newer = tuple_(new.last_seen, new.body) > tuple_(points.c.last_seen, points.c.body)
    merged = {
        "first_seen": func.least(points.c.first_seen, new.first_seen),
        "last_seen": func.greatest(points.c.last_seen, new.last_seen),
        "body": case((newer, new.body), else_=points.c.body),
    }
    key = [points.c.service, points.c.datastore, points.c.point_id]
    connection.execute(sight.on_conflict_do_update(index_elements=key, set_=merged))


def _note(connection: Connection, record: NoteRecord) -> None:
    connection.execute(
        insert(notes).values(
            record_id=record.record_id,
            event=record.event,
            subject=record.subject,
            written_at=record.written_at,
            body=_text(record),
        )
    )
    if record.event in (GLOBAL_STOP, GLOBAL_RESUME):
        record_stop(connection, record.event, record.by, str(record.detail.get("reason", "")), record.written_at)


def _subject(connection: Connection, service: str, datastore: str) -> None:
    connection.execute(insert(subjects).values(service=service, datastore=datastore).on_conflict_do_nothing())


def _measure(
    connection: Connection, record: DrillRecord | VerificationRecord, at: datetime, values: Iterable[tuple[str, Decimal]]
) -> None:
    subject = f"{record.service}/{record.datastore}"
    rows = [
        {"record_id": record.record_id, "subject": subject, "at": at, "metric": name, "value": value} for name, value in values
    ]
    if rows:
        connection.execute(insert(measurements), rows)


def _seconds(value: float) -> Decimal:
    """To the microsecond: no binary fraction reaches the ledger."""
    return Decimal(str(round(value, 6)))


def _text(value: Any) -> str:
    return canonical_json(value).decode()
