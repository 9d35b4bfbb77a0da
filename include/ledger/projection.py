"""Records into tables. Applying a record twice, or records in another order, leads to the same tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert

from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord, Record, SuspensionRecord, VerificationRecord
from include.ledger import leases, sleeps
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP
from include.ledger.tables import PROJECTION, drills, measurements, notes, records, stops, subjects, verifications
from include.recovery.model import Verdict
from include.values import canonical_json

Row = tuple[Table, dict[str, Any]]

_BATCH = 1000


def project(connection: Connection, record: Record) -> bool:
    """Apply one record. False when it was applied before."""
    if not _put(connection, *_marker(record)):
        return False
    for table, values in _rows(record):
        _put(connection, table, values)
    if isinstance(record, LeaseRecord):
        leases.project(connection, record)
    if isinstance(record, SuspensionRecord):
        sleeps.project(connection, record)
    return True


def rebuild(connection: Connection, all_records: Iterable[Record]) -> int:
    """Empty what is derived from records and fill it again, in batches; answers how many records there were."""
    for table in PROJECTION:
        connection.execute(table.delete())
    count, rest = 0, iter(all_records)
    while batch := list(islice(rest, _BATCH)):
        count += len(batch)
        by_table: dict[Table, list[dict[str, Any]]] = defaultdict(list)
        for record in batch:
            for table, values in (_marker(record), *_rows(record)):
                by_table[table].append(values)
        for table, many in by_table.items():
            connection.execute(insert(table).on_conflict_do_nothing(), many)
        for record in batch:
            if isinstance(record, LeaseRecord):
                leases.project(connection, record)
            elif isinstance(record, SuspensionRecord):
                sleeps.project(connection, record)
    return count


def record_stop(connection: Connection, event: str, by: str, reason: str, at: datetime) -> None:
    """Note a global stop or its end. The same event by the same person at the same instant counts once."""
    _put(connection, stops, {"at": at, "event": event, "by": by, "reason": reason})


def _put(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    return bool(connection.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount)


def _marker(record: Record) -> Row:
    return records, {"record_id": record.record_id, "kind": record.kind, "written_at": record.written_at}


def _rows(record: Record) -> Iterator[Row]:
    """The rows of one record, leases aside: those change what is there."""
    match record:
        case DrillRecord():
            yield from _drill(record)
        case VerificationRecord():
            yield from _verification(record)
        case NoteRecord():
            yield from _note(record)


def _drill(record: DrillRecord) -> Iterator[Row]:
    yield _subject(record)
    yield (
        drills,
        {
            "record_id": record.record_id,
            "drill_id": record.drill_id,
            "service": record.service,
            "datastore": record.datastore,
            "decided_at": record.decided_at,
            "verdict": record.verdict.value,
            "proof": record.verdict is Verdict.PASSED and None not in (record.rto_measured, record.rpo_measured),
            "body": _text(record),
        },
    )
    for metric, value in _drill_values(record):
        yield _measurement(record, record.decided_at, metric, value)


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


def _verification(record: VerificationRecord) -> Iterator[Row]:
    if not record.canary:
        yield _subject(record)
    yield (
        verifications,
        {
            "record_id": record.record_id,
            "service": record.service,
            "datastore": record.datastore,
            "written_at": record.written_at,
            "verdict": record.verdict.value,
            "canary": record.canary,
            "body": _text(record),
        },
    )
    if record.point is None or record.canary:
        return
    age = _seconds((record.written_at - record.point.restorable_until).total_seconds())
    yield _measurement(record, record.written_at, "point_age_seconds", age)
    if record.point.size_bytes is not None:
        yield _measurement(record, record.written_at, "size_bytes", Decimal(record.point.size_bytes))


def _note(record: NoteRecord) -> Iterator[Row]:
    yield (
        notes,
        {
            "record_id": record.record_id,
            "event": record.event,
            "subject": record.subject,
            "written_at": record.written_at,
            "body": _text(record),
        },
    )
    if record.event in (GLOBAL_STOP, GLOBAL_RESUME):
        reason = str(record.detail.get("reason", ""))
        yield stops, {"at": record.written_at, "event": record.event, "by": record.by, "reason": reason}


def _subject(record: DrillRecord | VerificationRecord) -> Row:
    return subjects, {"service": record.service, "datastore": record.datastore}


def _measurement(record: DrillRecord | VerificationRecord, at: datetime, metric: str, value: Decimal) -> Row:
    subject = f"{record.service}/{record.datastore}"
    return measurements, {"record_id": record.record_id, "subject": subject, "at": at, "metric": metric, "value": value}


def _seconds(value: float) -> Decimal:
    """To the microsecond: no binary fraction reaches the ledger."""
    return Decimal(str(round(value, 6)))


def _text(value: Any) -> str:
    return canonical_json(value).decode()
