"""One night's verification of one account and region: survey once, look into each newest point, judge, record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.catalog.model import Datastore
from include.evidence.naming import new_record_id
from include.evidence.record import NoteRecord, VerificationRecord
from include.recovery import verification
from include.recovery.model import Check, Inspection, Outcome, RecoveryPoint, Survey, Verdict
from include.values import utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk

FULL_EVERY = 7
"""Nights between two full looks at one datastore; the nights between are incremental. Spread over the week by its name."""
HISTORY = timedelta(days=90)
"""How far back earlier recovery points are remembered for sizes and retention."""
UNCATALOGUED = "uncatalogued-database"
"""`NoteRecord.event` of a database that is there and in no catalog: a red finding."""

Record = VerificationRecord | NoteRecord


def verify_region(desk: Desk, region: str, *, full: bool | None = None, clock: Callable[[], datetime] = utcnow) -> list[Record]:
    """Verify every datastore of one region, and the canary; one record each, written before it is returned.

    One datastore that cannot be read, or whose look fails, is `unknown` and hides no other. `full` None: each datastore's
    full look in its turn. Raises StoresDown or LedgerError when a record could not be kept anywhere.
    """
    now = clock()
    datastores = desk.datastores(region)
    survey = _survey(desk, datastores, now)
    records: list[Record] = []
    for name, datastore in datastores.items():
        records.append(_verify_one(desk, name, datastore, survey, full, now))
    records.append(_canary(desk, region, datastores, survey, now))
    records += _uncatalogued(desk, region, survey, now)
    for record in records:
        desk.write(record)
    return records


def outcome(records: Sequence[Record]) -> dict[str, str]:
    """By subject: ``passed`` or the verdict and why, small enough for XCom."""
    told = {}
    for record in records:
        if isinstance(record, NoteRecord):
            told[record.subject] = "failed: it is there and no catalog entry names it; `drillyard catalog discover` drafts one"
        else:
            subject = f"canary of {record.region}" if record.canary else f"{record.service}/{record.datastore}"
            told[subject] = f"{record.verdict.value}: {record.summary}"
    return told


def full_tonight(datastore_id: str, now: datetime) -> bool:
    """Whether this is the datastore's night for a full look: one in `FULL_EVERY`, by its name, so that they spread."""
    turn = int.from_bytes(hashlib.sha256(datastore_id.encode()).digest()[:4], "big") % FULL_EVERY
    return now.date().toordinal() % FULL_EVERY == turn


def _survey(desk: Desk, datastores: Mapping[str, Datastore], now: datetime) -> Survey:
    """The batched look. A control plane that does not answer makes its datastores unreadable; the records say so."""
    try:
        return desk.source.survey(datastores, now)
    except Exception as error:  # whatever an SDK raises: the night goes on and says what could not be read
        return Survey(points={}, unreadable={name: f"the survey failed: {_line(error)}" for name in datastores})


def _verify_one(
    desk: Desk, name: str, datastore: Datastore, survey: Survey, full: bool | None, now: datetime
) -> VerificationRecord:
    service = name.partition("/")[0]
    points = survey.points.get(name, ())
    inspection = _inspect(desk, name, datastore, points[0], full, now) if points else None
    history = desk.ledger.points_seen(name, now - HISTORY)
    checks = verification.verify(datastore, desk.tier(service), survey, inspection, history, now, datastore_id=name)
    return _record(desk, name, datastore, points[0] if points else None, checks, now)


def _inspect(desk: Desk, name: str, datastore: Datastore, point: RecoveryPoint, full: bool | None, now: datetime) -> Inspection:
    """The deep look. One that breaks is `unknown` lines, and its cursor stays where it was."""
    cursor = desk.ledger.cursor(name)
    whole = full_tonight(name, now) if full is None else full
    try:
        inspection = desk.source.inspect(datastore, point, cursor, full=whole or cursor is None)
    except Exception as error:  # one broken set must not hide the others
        detail = f"the look into {point.id} failed: {_line(error)}"
        lines = tuple(
            Check(name=check, layer="backup", outcome=Outcome.UNKNOWN, detail=detail) for check in verification.INSPECTED
        )
        return Inspection(checks=lines)
    if inspection.cursor:
        desk.ledger.set_cursor(name, inspection.cursor)
    return inspection


def _canary(desk: Desk, region: str, datastores: Mapping[str, Datastore], survey: Survey, now: datetime) -> VerificationRecord:
    """A recovery point known to be bad through the same inspection. Green only when it was refused."""
    readable = [(survey.points[name][0], name) for name in datastores if survey.points.get(name)]
    smallest = sorted(readable, key=lambda pair: (pair[0].size_bytes or 0, pair[1]))
    detail = "no readable recovery point is there to be spoiled"
    for point, name in smallest:
        try:
            with desk.source.spoil(datastores[name], point) as spoiled:
                looked = desk.source.inspect(datastores[name], spoiled, None, full=True)
        except Exception as error:  # the next one may serve
            detail = f"no recovery point could be spoiled: {_line(error)}"
            continue
        refused = [check.name for check in looked.checks if check.outcome is Outcome.FAILED]
        line = Check(
            name="canary-caught",
            layer="backup",
            outcome=Outcome.PASSED if refused else Outcome.FAILED,
            measured=", ".join(refused) or "nothing refused it",
            threshold="refused",
            detail="" if refused else "a damaged recovery point passed: trust no green of this night, and look at the verifier",
        )
        return _record(desk, name, datastores[name], point, (line,), now, canary=True)
    line = Check(name="canary-caught", layer="backup", outcome=Outcome.UNKNOWN, detail=detail)
    name = next(iter(datastores))
    return _record(desk, name, datastores[name], None, (line,), now, canary=True)


def _uncatalogued(desk: Desk, region: str, survey: Survey, now: datetime) -> list[Record]:
    return [
        NoteRecord(
            record_id=new_record_id(UNCATALOGUED, database, now),
            written_at=now,
            event=UNCATALOGUED,
            by="drillyard",
            subject=database,
            detail={"cloud": desk.cloud, "region": region},
        )
        for database in survey.uncatalogued
    ]


def _record(
    desk: Desk,
    name: str,
    datastore: Datastore,
    point: RecoveryPoint | None,
    checks: tuple[Check, ...],
    now: datetime,
    *,
    canary: bool = False,
) -> VerificationRecord:
    service = desk.service(name.partition("/")[0])
    return VerificationRecord(
        record_id=new_record_id("canary" if canary else "verification", name, now),
        written_at=now,
        service=service.service,
        datastore=datastore.name,
        cloud=datastore.cloud,
        region=datastore.region,
        tier=service.tier,
        catalog_revision=desk.loaded.revision,
        point=point,
        checks=checks,
        verdict=verification.verdict(checks),
        summary=verification.summary(checks),
        canary=canary,
        doubles=desk.doubles,
    )


def green(records: Sequence[Record]) -> bool:
    """Whether the night is green: every verdict passed, the canary was caught, and nothing uncatalogued is there."""
    return all(isinstance(record, VerificationRecord) and record.verdict is Verdict.PASSED for record in records)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
