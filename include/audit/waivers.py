"""Waivers: a named person says that a service need not be drilled for a while, and why. Each is a record in the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.audit.model import Waiver
from include.catalog.blackout import named
from include.catalog.errors import nearest
from include.evidence.naming import new_record_id
from include.evidence.record import NoteRecord, Record

if TYPE_CHECKING:
    from include.catalog.loaded import Catalog

WAIVER = "waiver"
"""`NoteRecord.event`. `subject` is the service or datastore, `detail`: ``why``, ``until``."""
WAIVER_ENDED = "waiver-ended"
"""`NoteRecord.event`: a waiver was ended before its expiry. `detail`: ``waiver`` (its record id), ``why``."""
LONGEST = timedelta(days=366)


class NoWaiver(ValueError):
    """A waiver that nobody may give, or that names nothing: what is wrong, and what is accepted."""


def new_waiver(catalog: Catalog, subject: str, by: str, why: str, until: datetime, now: datetime) -> NoteRecord:
    """The record of a waiver. Raises NoWaiver: unknown subject or person, no reason, an expiry that is past or too far away."""
    known = {*catalog.services, *catalog.datastores()}
    if subject not in known:
        close = nearest(subject, known, 3)
        raise NoWaiver(f"the catalog names no {subject!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""))
    people = catalog.platform.people
    if not named(by, [person.name for person in people], people):
        raise NoWaiver(f"{by!r} is nobody of platform.yaml: a waiver has a name that answers for it")
    if not why.strip():
        raise NoWaiver("a waiver needs a reason: --why")
    if not now < until <= now + LONGEST:
        raise NoWaiver(f"a waiver must expire, after now and within {LONGEST.days} days; {until.isoformat()} does not")
    return _note(WAIVER, subject, by, {"why": why.strip(), "until": until.isoformat()}, now)


def end_waiver(waivers: Iterable[Waiver], evidence_id: str, by: str, why: str, now: datetime) -> NoteRecord:
    """The record that ends one before its expiry. Raises NoWaiver when there is no such waiver that still counts."""
    waiver = next((one for one in waivers if one.evidence_id == evidence_id and one.until > now), None)
    if waiver is None:
        raise NoWaiver(f"no waiver {evidence_id!r} counts now; `drillyard audit waivers` lists those that do")
    return _note(WAIVER_ENDED, waiver.subject, by, {"waiver": evidence_id, "why": why}, now)


def _note(event: str, subject: str, by: str, detail: dict[str, str], now: datetime) -> NoteRecord:
    record_id = new_record_id("note", f"{event}-{subject}", now)
    return NoteRecord(record_id=record_id, written_at=now, event=event, by=by, subject=subject, detail=detail)


def waived_now(notes: Iterable[NoteRecord], now: datetime) -> dict[str, str]:
    """By service or datastore id: in words, the waiver that counts at `now`; of several, the one that lasts longest."""
    return {
        one.subject: f"drills waived by {one.by} until {one.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {one.why}"
        for one in sorted(waivers_in(notes), key=lambda one: one.until)
        if one.covers(one.subject, now)
    }


def waivers_in(records: Iterable[Record]) -> list[Waiver]:
    """Every waiver among records, oldest first, each with the instant from which it no longer counts."""
    notes = sorted((one for one in records if isinstance(one, NoteRecord)), key=lambda one: one.record_id)
    ended = {str(one.detail.get("waiver")): one.written_at for one in notes if one.event == WAIVER_ENDED}
    found = []
    for note in notes:
        if note.event != WAIVER:
            continue
        expiry = datetime.fromisoformat(str(note.detail["until"]))
        expiry = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        found.append(
            Waiver(
                evidence_id=note.record_id,
                subject=note.subject,
                by=note.by,
                why=str(note.detail.get("why", "")),
                since=note.written_at,
                until=min(expiry, ended.get(note.record_id, expiry)),
            )
        )
    return found
