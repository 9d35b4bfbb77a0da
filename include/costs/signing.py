"""Signing a month: the evidence first, then the copies beside the report. What is sealed is what was issued."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.connections import Connections, from_environment
from include.costs.months import COMPARED, issued_versions
from include.evidence.naming import new_record_id
from include.evidence.record import NoteRecord
from include.values import digest

if TYPE_CHECKING:
    from include.evidence.stores import Stores

COSTS_SIGNED = "costs_signed"
"""`NoteRecord.event` of a sign-off: month, version, reason, the numbers that were issued, and the digest of all of them."""


def subject_of(month: str) -> str:
    """The subject of a month's sign-offs."""
    return f"costs/{month}"


def note_for(folder: Path, month: str, by: str, now: datetime, *, reason: str = "", before: int = 0) -> NoteRecord:
    """The sign-off of the month's current numbers. `before`: how many versions the evidence knows.

    Raises FileNotFoundError when no report of the month is there, ValueError when its totals are of another month.
    """
    content = _totals(folder, month)
    version = max(len(issued_versions(folder, month)), before) + 1
    numbers = {name: content.get(name, {}) for name in COMPARED}
    detail = {"month": month, "version": version, "totals_digest": digest(content), "reason": reason, "totals": numbers}
    record_id = new_record_id("note", f"costs-{month}-v{version}", now)
    return NoteRecord(
        record_id=record_id, written_at=now, event=COSTS_SIGNED, by=by, subject=subject_of(month), detail=detail
    )  # fmt: skip


def _totals(folder: Path, month: str) -> dict[str, Any]:
    path = folder / "totals.json"
    if not path.exists():
        raise FileNotFoundError(f"no report in {folder}; run `drillyard costs report --month {month}` first")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["month"] != month:
        raise ValueError(f"{path} is of {content['month'] or 'all months'}, not of {month}; write a report with --month {month}")
    return content


def keep_beside(folder: Path, note: NoteRecord) -> None:
    """The issued version and its record beside the report: for people. Reports compare with the evidence where they can."""
    month, version = note.detail["month"], note.detail["version"]
    content = _totals(folder, month)
    issued = folder / "issued"
    issued.mkdir(exist_ok=True)
    kept = {
        "month": month,
        "version": version,
        "by": note.by,
        "signed_at": note.written_at.isoformat(),
        "reason": note.detail["reason"],
        "record_id": note.record_id,
        "totals": content,
    }
    with (issued / f"{month}.v{version}.json").open("x", encoding="utf-8") as file:
        json.dump(kept, file, indent=1, sort_keys=True)
    (issued / f"{note.record_id}.json").write_text(note.model_dump_json(indent=1), encoding="utf-8")


def sign(
    folder: Path,
    month: str,
    by: str,
    now: datetime,
    *,
    stores: Stores,
    reason: str = "",
    connections: Connections = from_environment,
) -> tuple[NoteRecord, list[str]]:
    """Sign the month: the record into every evidence store and the ledger, then beside the report. Answers also what went wrong.

    The record is sealed by the next sealing run, or at once where the sealing key is at hand. Raises what `note_for` raises,
    and StoresDown when no evidence store took the record: then nothing is signed.
    """
    from include.ledger import CONN_ID, open_ledger, url_of
    from include.ledger.model import LedgerError

    ledger, wrong = None, []
    try:
        ledger = open_ledger(url_of(connections(CONN_ID)))
    except LookupError:
        wrong.append("no ledger is configured: reports on this machine compare with the copy beside the report")
    note = note_for(
        folder, month, by, now, reason=reason, before=len(of_month(ledger.notes(COSTS_SIGNED), month)) if ledger else 0
    )
    written = stores.write_record(note)
    wrong += [f"evidence store {store} did not take it: {why}" for store, why in written.failures.items()]
    try:
        if ledger:
            ledger.project(note)
    except LedgerError as fault:
        wrong.append(f"{fault}; `drillyard ledger rebuild` reads it from the evidence")
    keep_beside(folder, note)
    return note, wrong


def of_month(notes: Iterable[NoteRecord], month: str) -> list[dict[str, Any]]:
    """The signed versions of a month as the evidence has them, oldest first: the same form as the issued files."""
    mine = [n for n in notes if n.event == COSTS_SIGNED and n.subject == subject_of(month)]
    return [
        {**n.detail, "by": n.by, "signed_at": n.written_at.isoformat(), "record_id": n.record_id}
        for n in sorted(mine, key=lambda n: (n.written_at, n.record_id))
    ]
