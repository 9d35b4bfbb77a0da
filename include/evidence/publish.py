"""Gather what the ledger knows, decide the readiness, and write it down for people and machines."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include.audit.waivers import WAIVER, WAIVER_ENDED, waived_now
from include.connections import Connections, from_environment
from include.evidence.kit import COLD_DRILL, EXPORTED
from include.evidence.readiness import Evidence, readiness
from include.evidence.readiness_model import Canary, Readiness, Seal, TrendPoint, Uncatalogued
from include.evidence.record import DrillRecord, NoteRecord, Record, VerificationRecord
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP, Stop
from include.recovery.model import Verdict
from include.settings import report_dir
from include.values import canonical_json, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.ledger.model import Anchor

TREND = timedelta(days=366)
HELD = "drill-held"
"""`NoteRecord.event` of a drill that was due and held."""
UNCATALOGUED = "uncatalogued-database"
"""`NoteRecord.event` of a database that is there and that no catalog entry names; written every night that sees it."""
_NEWS = timedelta(days=60)
_COLD = timedelta(days=400)
"""How far back cold drills are shown. One that is older proves nothing."""
_TWO_NIGHTS = timedelta(days=2)
NEWEST_LINKS = 48
"""How many links of the chain every report looks at: two days of hourly sealing. `drillyard evidence verify` looks at all."""


def publish_readiness(connections: Connections = from_environment) -> Path:
    """Write ``readiness.html`` and ``readiness.json`` to the report folder; answers the page's path.

    Raises CatalogError, LookupError (a connection that is missing) or LedgerError. Readers never see half a file.
    """
    from include.evidence.page import page

    report = current(connections)
    folder = report_dir()
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "readiness.json", canonical_json(report))
    _replace(folder / "readiness.html", page(report).encode())
    return folder / "readiness.html"


def current(connections: Connections = from_environment, directory: Path | None = None, now: datetime | None = None) -> Readiness:
    """The readiness of a platform at `now`, from its ledger; the seal from its evidence stores."""
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import CONN_ID, open_ledger, url_of
    from include.settings import platform_dir

    loaded, now = load(directory or platform_dir()), now or utcnow()
    ledger = open_ledger(url_of(connections(CONN_ID)))
    seal = look_at_seal(open_stores(loaded.catalog.platform.evidence, connections), loaded, ledger.anchor())
    return readiness(loaded, from_ledger(ledger, now), ledger.stopped(), now, seal=seal)


def current_from_store(url: str, directory: Path | None = None) -> Readiness:
    """The same with the ledger gone: from the records of one store. A global stop is read from its notes."""
    from include.catalog.load import load
    from include.evidence.stores import Stores, open_store
    from include.settings import platform_dir

    loaded, now, store = load(directory or platform_dir()), utcnow(), open_store(url)
    unreadable = dict[str, str]()
    records = list(store.records(unreadable=unreadable))
    seal = look_at_seal(Stores([store]), loaded, None)
    report = readiness(loaded, from_records(records, now), stop_in(records), now, seal=seal)
    lost = tuple(f"{path} in {url} is no record: {why}" for path, why in unreadable.items())
    return report.model_copy(update={"catalog_problems": (*report.catalog_problems, *lost)})


def stop_in(records: Iterable[Record]) -> Stop | None:
    """The global stop that holds after these records: the first one after the last resume."""
    held: Stop | None = None
    for record in sorted(records, key=lambda one: one.written_at):
        if isinstance(record, NoteRecord) and record.event == GLOBAL_RESUME:
            held = None
        elif isinstance(record, NoteRecord) and record.event == GLOBAL_STOP and held is None:
            held = Stop(by=record.by, reason=str(record.detail.get("reason", "")), at=record.written_at)
    return held


def from_ledger(ledger: Ledger, now: datetime) -> Evidence:
    """The evidence that the report needs, as the ledger has it."""
    drills = ledger.latest_drills()
    return Evidence(
        drills=drills,
        passed=ledger.proofs(),
        verifications=ledger.latest_verifications(),
        held=_held(ledger.notes(event=HELD, since=now - _NEWS), drills),
        waived=waived_now([*ledger.notes(event=WAIVER), *ledger.notes(event=WAIVER_ENDED)], now),
        trend=ledger.trend(now - TREND),
        docs=_docs(drills.values()),
        canaries=_canaries(ledger.canaries(now - _NEWS)),
        uncatalogued=_uncatalogued(ledger.notes(event=UNCATALOGUED, since=now - _TWO_NIGHTS)),
        cold=_cold(ledger.notes(event=COLD_DRILL, since=now - _COLD)),
        kit=_last(ledger.notes(event=EXPORTED, since=now - _NEWS)),
    )


def from_records(records: Iterable[Record], now: datetime) -> Evidence:
    """The same from the records of one store, with the ledger gone."""
    drills: dict[str, DrillRecord] = {}
    passed: dict[str, DrillRecord] = {}
    nights: dict[str, VerificationRecord] = {}
    canaries: list[VerificationRecord] = []
    notes: list[NoteRecord] = []
    trend: dict[str, list[TrendPoint]] = {}
    for record in sorted(records, key=lambda one: one.record_id):
        match record:
            case DrillRecord():
                subject = f"{record.service}/{record.datastore}"
                drills[subject] = record
                if record.verdict is Verdict.PASSED and None not in (record.rto_measured, record.rpo_measured):
                    passed[subject] = record
                if record.decided_at >= now - TREND:
                    trend.setdefault(subject, []).append(_trend_point(record))
            case VerificationRecord() if record.canary:
                canaries.append(record)
            case VerificationRecord():
                nights[f"{record.service}/{record.datastore}"] = record
            case NoteRecord():
                notes.append(record)
    strays = [note for note in notes if note.event == UNCATALOGUED and note.written_at >= now - _TWO_NIGHTS]
    return Evidence(
        drills=drills,
        passed=passed,
        verifications=nights,
        held=_held([note for note in notes if note.event == HELD and note.written_at >= now - _NEWS], drills),
        waived=waived_now(notes, now),
        trend=trend,
        docs=_docs(drills.values()),
        canaries=_canaries([one for one in canaries if one.written_at >= now - _NEWS]),
        uncatalogued=_uncatalogued(strays),
        cold=_cold(note for note in notes if note.event == COLD_DRILL and note.written_at >= now - _COLD),
        kit=_last([note for note in notes if note.event == EXPORTED and note.written_at >= now - _NEWS]),
    )


def look_at_seal(stores: Stores, loaded: Loaded, anchor: Anchor | None) -> Seal:
    """What the newest links of the chain are worth, the worst store's word for all."""
    from include.evidence.chain import verify_stores

    looks = verify_stores(stores.stores, loaded.catalog.platform.trusted_keys, anchor, newest=NEWEST_LINKS)
    rank = ("BROKEN", "NONE", "UNTRUSTED", "TRUSTED")
    heads = [look.head for look in looks if look.head]
    return Seal(
        word=min((look.seal for look in looks), key=rank.index),
        head=str(max(heads, key=lambda head: head.seq)) if heads else None,
        keys=tuple(dict.fromkeys(key for look in looks for key in look.keys)),
        findings=tuple(f"{look.store}: {one.kind} {one.where}: {one.detail}" for look in looks for one in look.findings)[:50],
        checked=f"newest {max(look.links for look in looks)} links and {max(look.records for look in looks)} records"
        f" of each of {len(looks)} stores; `drillyard evidence verify` reads all",
    )


def _held(notes: Iterable[NoteRecord], drills: Mapping[str, DrillRecord]) -> dict[str, str]:
    """Why the newest due drill of a datastore was held, unless one has run since."""
    found = {}
    for note in notes:
        ran = drills.get(note.subject)
        if ran is None or note.written_at > ran.decided_at:
            found[note.subject] = str(note.detail.get("why", "no reason was given"))
    return found


def _docs(drills: Iterable[DrillRecord]) -> dict[str, str]:
    """Relative links to the Data Docs that are there, by drill id."""
    folder = report_dir()
    return {
        drill.drill_id: f"data-docs/{drill.drill_id}/index.html"
        for drill in drills
        if (folder / "data-docs" / drill.drill_id / "index.html").is_file()
    }


def _canaries(records: Iterable[VerificationRecord]) -> tuple[Canary, ...]:
    """The newest of each cloud and region: one that was caught elsewhere says nothing of this one."""
    newest = {(record.cloud, record.region): record for record in sorted(records, key=lambda one: one.written_at)}
    return tuple(
        Canary(
            cloud=cloud,
            region=region,
            written_at=record.written_at,
            verdict=record.verdict.value,
            summary=record.summary,
            evidence_id=record.record_id,
        )
        for (cloud, region), record in sorted(newest.items())
    )


def _uncatalogued(notes: Iterable[NoteRecord]) -> tuple[Uncatalogued, ...]:
    found = {}
    for note in sorted(notes, key=lambda one: one.written_at):
        cloud, region = str(note.detail.get("cloud", "?")), str(note.detail.get("region", "?"))
        stray = Uncatalogued(database=note.subject, cloud=cloud, region=region, seen_at=note.written_at)
        found[cloud, region, note.subject] = stray
    return tuple(one for _, one in sorted(found.items()))


def _cold(notes: Iterable[NoteRecord]) -> dict[tuple[str, str], NoteRecord]:
    """The newest of each datastore from each store."""
    return {(one.subject, str(one.detail.get("store"))): one for one in sorted(notes, key=lambda note: note.written_at)}


def _last(notes: Sequence[NoteRecord]) -> NoteRecord | None:
    return max(notes, key=lambda note: note.written_at, default=None)


def _trend_point(record: DrillRecord) -> TrendPoint:
    return TrendPoint(
        at=record.decided_at,
        verdict=record.verdict.value,
        rto_seconds=record.rto_measured.total_seconds() if record.rto_measured is not None else None,
        rpo_seconds=record.rpo_measured.total_seconds() if record.rpo_measured is not None else None,
    )


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
