"""What the DAGs found, against what was planted: each fault by name, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from include.recovery.model import Outcome
from include.values import Frozen

if TYPE_CHECKING:
    from include.evidence.record import DrillRecord, NoteRecord, VerificationRecord
    from include.lab.faults.board import Planted

_RED = (Outcome.FAILED, Outcome.UNKNOWN)


class Comparison(Frozen):
    """Planted against found, by name."""

    found: tuple[str, ...]
    """``fault on service/datastore: check, check``."""
    missed: tuple[str, ...]
    false: tuple[str, ...]
    """``service/datastore: check: why``: red, and nothing planted explains it."""

    @property
    def exact(self) -> bool:
        return not self.missed and not self.false


def red_checks(records: Iterable[DrillRecord | VerificationRecord | NoteRecord]) -> dict[str, dict[str, str]]:
    """By datastore id: the checks that are not green, with their detail. Failed counts as found; unknown as well, as red.

    A note is red by itself: a database that no catalog entry names.
    """
    red: dict[str, dict[str, str]] = {}
    for record in records:
        if record.kind == "note":
            red.setdefault(record.subject, {})[record.event] = f"failed: in {record.detail.get('cloud')}"
            continue
        for check in record.checks:
            if check.outcome in _RED:
                red.setdefault(f"{record.service}/{record.datastore}", {})[check.name] = f"{check.outcome.value}: {check.detail}"
    return red


def compare(planted: Iterable[Planted], records: Iterable[DrillRecord | VerificationRecord | NoteRecord]) -> Comparison:
    """Every planted fault must be found by all checks it must fail; a red check that nothing planted explains is false."""
    red = red_checks(records)
    found: list[str] = []
    missed: list[str] = []
    explained: dict[str, set[str]] = {}
    for fault in planted:
        subject = fault.subject
        there = red.get(subject, {})
        lacking = [name for name in fault.must if not there.get(name, "").startswith("failed")]
        (missed if lacking else found).append(f"{fault.fault} on {subject}: {', '.join(lacking or fault.must)}")
        explained.setdefault(subject, set()).update(fault.must, fault.may)
    false = [
        f"{subject}: {name}: {detail}"
        for subject, checks in red.items()
        for name, detail in checks.items()
        if name not in explained.get(subject, set())
    ]
    return Comparison(found=tuple(found), missed=tuple(missed), false=tuple(false))
