"""The state of a month: draft until somebody signs it, final while its numbers stay, restated when they changed since."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.costs import money
from include.evidence.record import NoteRecord
from include.values import Frozen, digest

_COMPARED = ("billed_cost", "effective_cost", "transfer_cost")


class Difference(Frozen):
    """One number that is not what was issued."""

    what: str
    """``billed_cost / AWS / USD``"""
    issued: Decimal
    now: Decimal

    @property
    def change(self) -> Decimal:
        return money.EXACT.subtract(self.now, self.issued)


class MonthState(Frozen):
    """Draft, final or restated, who signed which version, and what differs from it."""

    month: str
    state: str
    version: int = 0
    signed_by: str = ""
    signed_at: str = ""
    differences: tuple[Difference, ...] = ()


def _numbers(tree: Any, path: str = "") -> dict[str, Decimal]:
    if isinstance(tree, dict):
        return {k: v for name, part in tree.items() for k, v in _numbers(part, f"{path} / {name}" if path else name).items()}
    return {path: Decimal(str(tree))}


def issued_versions(folder: Path, month: str) -> list[dict[str, Any]]:
    """The signed versions of a month, oldest first."""
    files = sorted((folder / "issued").glob(f"{month}.v*.json"), key=lambda p: int(p.name.split(".v")[1].split(".")[0]))
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def state_of(folder: Path, month: str, totals: dict[str, Any]) -> MonthState:
    """Compare the month's totals with its last signed version."""
    versions = issued_versions(folder, month)
    if not versions:
        return MonthState(month=month, state="draft")
    last = versions[-1]
    then = _numbers({name: last["totals"].get(name, {}) for name in _COMPARED})
    now = _numbers({name: totals.get(name, {}) for name in _COMPARED})
    zero = Decimal(0)
    changed = [n for n in sorted({*then, *now}) if then.get(n, zero) != now.get(n, zero)]
    return MonthState(
        month=month,
        state="restated" if changed else "final",
        version=len(versions),
        signed_by=last["by"],
        signed_at=last["signed_at"],
        differences=tuple(Difference(what=n, issued=then.get(n, zero), now=now.get(n, zero)) for n in changed),
    )


def sign(folder: Path, month: str, by: str, now: datetime, *, reason: str = "") -> NoteRecord:
    """Sign the month's current numbers: a version beside the report, and a note for the evidence.

    Raises FileNotFoundError when no report of the month is there, ValueError when its totals are of another month.
    """
    path = folder / "totals.json"
    if not path.exists():
        raise FileNotFoundError(f"no report in {folder}; run `drillyard costs report --month {month}` first")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["month"] != month:
        raise ValueError(f"{path} is of {content['month'] or 'all months'}, not of {month}; write a report with --month {month}")
    version = len(issued_versions(folder, month)) + 1
    detail = {"month": month, "version": version, "totals_digest": digest(content), "reason": reason}
    record_id = f"{now:%Y%m%dT%H%M%S.%fZ}-note-costs-{month}"
    note = NoteRecord(record_id=record_id, written_at=now, event="costs_signed", by=by, subject=f"costs/{month}", detail=detail)
    issued = folder / "issued"
    issued.mkdir(exist_ok=True)
    version_text = {
        "month": month,
        "version": version,
        "by": by,
        "signed_at": now.isoformat(),
        "reason": reason,
        "totals": content,
    }
    with (issued / f"{month}.v{version}.json").open("x", encoding="utf-8") as file:
        json.dump(version_text, file, indent=1, sort_keys=True)
    (issued / f"{record_id}.json").write_text(note.model_dump_json(indent=1), encoding="utf-8")
    return note
