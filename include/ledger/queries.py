"""What the ledger answers. Readers only: a role with nothing but SELECT can run all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, and_, func, select, true

from include.evidence.readiness_model import TrendPoint
from include.evidence.record import DrillRecord, NoteRecord, VerificationRecord
from include.ledger import leases
from include.ledger.model import GLOBAL_RESUME, Anchor, Entry, Measurement, Stop
from include.ledger.tables import (
    anchors,
    cursors,
    drills,
    journal,
    measurements,
    notes,
    records,
    stops,
    subjects,
    verifications,
)
from include.recovery.model import RecoveryPoint
from include.values import canonical_json

_BODY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def journal_of(connection: Connection, drill_id: str) -> Sequence[Entry]:
    """The lines of one drill's journal, in the order they were written."""
    rows = connection.execute(select(journal).where(journal.c.drill_id == drill_id).order_by(journal.c.position))
    return tuple(
        Entry(
            drill_id=row.drill_id,
            position=row.position,
            event=row.event,
            at=row.at.astimezone(UTC),
            body=_BODY.validate_json(row.body),
            key=row.key,
        )
        for row in rows
    )


def cursor(connection: Connection, subject: str) -> dict[str, Any] | None:
    """How far the last look at a subject got."""
    text = connection.execute(select(cursors.c.body).where(cursors.c.subject == subject)).scalar_one_or_none()
    return None if text is None else _BODY.validate_json(text)


def anchor(connection: Connection) -> Anchor | None:
    """The newest anchored link."""
    row = connection.execute(select(anchors).order_by(anchors.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else Anchor(seq=row.seq, link_sha256=row.link_sha256, at=row.at.astimezone(UTC))


def latest_drills(connection: Connection) -> Mapping[str, DrillRecord]:
    """The newest drill of each datastore."""
    rows = _newest_of_each(connection, drills, drills.c.decided_at, true())
    return {subject: DrillRecord.model_validate_json(body) for subject, body in rows}


def latest_verifications(connection: Connection) -> Mapping[str, VerificationRecord]:
    """The newest verification of each datastore, canaries left out."""
    rows = _newest_of_each(connection, verifications, verifications.c.written_at, verifications.c.canary.is_(False))
    return {subject: VerificationRecord.model_validate_json(body) for subject, body in rows}


def proofs(connection: Connection) -> Mapping[str, DrillRecord]:
    """The newest drill of each datastore that passed with RTO and RPO measured."""
    rows = _newest_of_each(connection, drills, drills.c.decided_at, drills.c.proof.is_(True))
    return {subject: DrillRecord.model_validate_json(body) for subject, body in rows}


def trend(connection: Connection, since: datetime) -> Mapping[str, Sequence[TrendPoint]]:
    """By datastore: one point a drill, oldest first."""
    rto, rpo = measurements.alias("rto"), measurements.alias("rpo")
    query = (
        select(drills.c.service, drills.c.datastore, drills.c.decided_at, drills.c.verdict, rto.c.value, rpo.c.value)
        .outerjoin(rto, and_(rto.c.record_id == drills.c.record_id, rto.c.metric == "rto_seconds"))
        .outerjoin(rpo, and_(rpo.c.record_id == drills.c.record_id, rpo.c.metric == "rpo_seconds"))
        .where(drills.c.decided_at >= since)
        .order_by(drills.c.decided_at, drills.c.record_id)
    )
    found: dict[str, list[TrendPoint]] = {}
    for service, datastore, at, verdict, rto_seconds, rpo_seconds in connection.execute(query):
        point = TrendPoint.model_construct(
            at=at.astimezone(UTC),
            verdict=verdict,
            rto_seconds=None if rto_seconds is None else float(rto_seconds),
            rpo_seconds=None if rpo_seconds is None else float(rpo_seconds),
        )
        found.setdefault(f"{service}/{datastore}", []).append(point)
    return found


def canaries(connection: Connection, since: datetime) -> Sequence[VerificationRecord]:
    """The verifications of known-bad backups since an instant, oldest first."""
    query = select(verifications.c.body).where(verifications.c.canary, verifications.c.written_at >= since)
    bodies = connection.execute(query.order_by(verifications.c.written_at, verifications.c.record_id)).scalars()
    return tuple(VerificationRecord.model_validate_json(body) for body in bodies)


def drills_since(connection: Connection, service: str | None, since: datetime | None) -> Sequence[DrillRecord]:
    """Drills, oldest first; of all services and times where None is given."""
    query = select(drills.c.body).order_by(drills.c.decided_at, drills.c.record_id)
    if service is not None:
        query = query.where(drills.c.service == service)
    if since is not None:
        query = query.where(drills.c.decided_at >= since)
    return tuple(DrillRecord.model_validate_json(body) for body in connection.execute(query).scalars())


def drill_records(connection: Connection, drill_id: str) -> Sequence[DrillRecord]:
    """The records of one drill."""
    query = select(drills.c.body).where(drills.c.drill_id == drill_id).order_by(drills.c.record_id)
    return tuple(DrillRecord.model_validate_json(body) for body in connection.execute(query).scalars())


def notes_since(connection: Connection, event: str | None, since: datetime | None) -> Sequence[NoteRecord]:
    """Notes, oldest first."""
    query = select(notes.c.body).order_by(notes.c.written_at, notes.c.record_id)
    if event is not None:
        query = query.where(notes.c.event == event)
    if since is not None:
        query = query.where(notes.c.written_at >= since)
    return tuple(NoteRecord.model_validate_json(body) for body in connection.execute(query).scalars())


def measured(
    connection: Connection, subject: str | None = None, metric: str | None = None, since: datetime | None = None
) -> Sequence[Measurement]:
    """Measured values, oldest first."""
    query = select(measurements).order_by(measurements.c.at, measurements.c.record_id, measurements.c.metric)
    if subject is not None:
        query = query.where(measurements.c.subject == subject)
    if metric is not None:
        query = query.where(measurements.c.metric == metric)
    if since is not None:
        query = query.where(measurements.c.at >= since)
    return tuple(
        Measurement(subject=row.subject, metric=row.metric, at=row.at.astimezone(UTC), value=row.value, record_id=row.record_id)
        for row in connection.execute(query)
    )


def points_seen(connection: Connection, datastore_id: str, since: datetime) -> Sequence[RecoveryPoint]:
    """Recovery points that a verification saw at or after an instant, newest first, each as it was last seen."""
    service, _, datastore = datastore_id.partition("/")
    query = (
        select(verifications.c.body)
        .where(verifications.c.service == service, verifications.c.datastore == datastore)
        .where(verifications.c.canary.is_(False), verifications.c.written_at >= since)
        .order_by(verifications.c.written_at, verifications.c.record_id)
    )
    records = (VerificationRecord.model_validate_json(body) for body in connection.execute(query).scalars())
    last_seen = {record.point.id: record.point for record in records if record.point is not None}
    return tuple(sorted(last_seen.values(), key=lambda point: (point.taken_at, point.id), reverse=True))


def stopped(connection: Connection) -> Stop | None:
    """The first stop after the last resume. A resume at the very instant of a stop ends it."""
    last = select(func.max(stops.c.at)).where(stops.c.event == GLOBAL_RESUME).scalar_subquery()
    query = select(stops).where(
        stops.c.event != GLOBAL_RESUME, stops.c.at > func.coalesce(last, datetime.min.replace(tzinfo=UTC))
    )
    row = connection.execute(query.order_by(stops.c.at, stops.c.by).limit(1)).one_or_none()
    return None if row is None else Stop(by=row.by, reason=row.reason, at=row.at.astimezone(UTC))


def kept_until(connection: Connection, lease_id: str, now: datetime) -> datetime | None:
    """Until when a person keeps the sandbox of an open lease: adopted, or kept as its drill's request asked."""
    lease = leases.find(connection, lease_id)
    if lease is None or lease.closed_at is not None or lease.expires_at <= now:
        return None
    kept = lease.adopted_by is not None or any(record.kept for record in drill_records(connection, lease_id))
    noted = select(journal.c.position).where(journal.c.drill_id == lease_id, journal.c.event == "kept").limit(1)
    if kept or connection.execute(noted).one_or_none() is not None:
        return lease.expires_at
    return None


def answers(connection: Connection) -> bytes:
    """Everything that the ledger answers from records, as canonical JSON: two ledgers are equal when this is."""
    nights = connection.execute(select(verifications.c.body).order_by(verifications.c.record_id)).scalars()
    stop = stopped(connection)
    return canonical_json(
        {
            "records": list(connection.execute(select(records.c.record_id).order_by(records.c.record_id)).scalars()),
            "drills": _dump(drills_since(connection, None, None)),
            "verifications": [_BODY.validate_json(body) for body in nights],
            "latest_drills": {key: value.record_id for key, value in latest_drills(connection).items()},
            "latest_verifications": {key: value.record_id for key, value in latest_verifications(connection).items()},
            "proofs": {key: value.record_id for key, value in proofs(connection).items()},
            "measurements": _dump(measured(connection)),
            "notes": _dump(notes_since(connection, None, None)),
            "leases": _dump(leases.every(connection)),
            "open_leases": [lease.lease_id for lease in leases.open_ones(connection)],
            "stopped": None if stop is None else stop.model_dump(mode="json"),
        }
    )


def _dump(models: Sequence[Any]) -> list[dict[str, Any]]:
    return [model.model_dump(mode="json") for model in models]


def _newest_of_each(connection: Connection, table: Table, at: Any, where: Any) -> list[tuple[str, str]]:
    """The newest body of every datastore: one index probe a datastore, however long the history."""
    same = and_(table.c.service == subjects.c.service, table.c.datastore == subjects.c.datastore, where)
    newest = select(table.c.body).where(same).order_by(at.desc(), table.c.record_id.desc()).limit(1).lateral()
    query = select(subjects.c.service, subjects.c.datastore, newest.c.body).join(newest, true())
    ordered = connection.execute(query.order_by(subjects.c.service, subjects.c.datastore))
    return [(f"{row.service}/{row.datastore}", row.body) for row in ordered]
