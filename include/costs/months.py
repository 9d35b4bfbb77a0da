"""The state of a month: draft until somebody signs it, final while its numbers stay, restated when they changed since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.costs import money
from include.values import Frozen, digest

COMPARED = ("billed_cost", "effective_cost", "transfer_cost")


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
    problems: tuple[str, ...] = ()
    """Copies beside the report that are not what was signed."""


def _numbers(tree: Any, path: str = "") -> dict[str, Decimal]:
    if isinstance(tree, dict):
        return {k: v for name, part in tree.items() for k, v in _numbers(part, f"{path} / {name}" if path else name).items()}
    return {path: Decimal(str(tree))}


def issued_versions(folder: Path, month: str) -> list[dict[str, Any]]:
    """The signed versions of a month, oldest first."""
    files = sorted((folder / "issued").glob(f"{month}.v*.json"), key=lambda p: int(p.name.split(".v")[1].split(".")[0]))
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def state_of(folder: Path, month: str, totals: dict[str, Any], sealed: Sequence[dict[str, Any]] = ()) -> MonthState:
    """Compare the month's totals with its last signed version: the one in the evidence, else the copy beside the report.

    `sealed` is what `signing.of_month` gives. A copy that differs from it, or is missing, is a problem and decides nothing.
    """
    copies = issued_versions(folder, month)
    versions = list(sealed) or copies
    problems = _altered(copies, sealed)
    if not versions:
        return MonthState(month=month, state="draft", problems=problems)
    last = versions[-1]
    then = _numbers({name: last["totals"].get(name, {}) for name in COMPARED})
    now = _numbers({name: totals.get(name, {}) for name in COMPARED})
    zero = Decimal(0)
    changed = [n for n in sorted({*then, *now}) if then.get(n, zero) != now.get(n, zero)]
    return MonthState(
        month=month,
        state="restated" if changed else "final",
        version=len(versions),
        signed_by=last["by"],
        signed_at=last["signed_at"],
        differences=tuple(Difference(what=n, issued=then.get(n, zero), now=now.get(n, zero)) for n in changed),
        problems=problems,
    )


def _altered(copies: Sequence[dict[str, Any]], sealed: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Copies beside the report whose content is not the one that was signed. Only where the evidence knows the sign-off."""
    known = {s["record_id"]: s for s in sealed}
    said = []
    for copy in copies:
        record = known.get(copy.get("record_id", ""))
        name = f"issued/{copy['month']}.v{copy['version']}.json"
        if known and record is None:
            said.append(f"{name} is no version that the evidence knows: it was not signed, or its record was changed")
        elif record and (digest(copy["totals"]), copy["by"]) != (record["totals_digest"], record["by"]):
            said.append(f"{name} was changed after {record['by']} signed it (record {record['record_id']}); the evidence counts")
    return tuple(said)
