"""From a drill's journal to its record: one deterministic record however often the last step is repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.evidence.naming import new_record_id
from include.evidence.record import DrillRecord, NoteRecord
from include.recovery import measures, verification
from include.recovery.journal import Journal
from include.recovery.model import Check, Outcome, PlanItem
from include.values import utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk

EXPECTED = ("restore-ready", "rto", "rpo", "database-amcheck", "nothing-left")
"""Checks without which a drill proves nothing: one that never ran is `unknown`, never left out."""


def hold(desk: Desk, item: PlanItem, why: str, clock: Callable[[], datetime] = utcnow) -> NoteRecord:
    """Record that a planned drill was held and never began. It is no attempt: the last proof keeps its age."""
    now = clock()
    note = NoteRecord(
        record_id=new_record_id("drill-held", item.drill_id, now),
        written_at=now,
        event="drill-held",
        by=item.request.requested_by,
        subject=item.datastore_id,
        detail={"drill_id": item.drill_id, "why": why, "due": item.why},
    )
    desk.write(note)
    return note


def began(desk: Desk, item: PlanItem) -> bool:
    """Whether the drill was ever decided. A held one was not: it has no record."""
    return Journal(desk.ledger, item).first("decided") is not None


def conclude(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> DrillRecord:
    """Write the drill's record to the evidence stores and the ledger. Repeating it gives the same record."""
    record = draft(desk, item, clock)
    desk.write(record)
    return record


def draft(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> DrillRecord:
    """The record as the journal tells it, not written yet. The first call ends the drill: a later one gives the same."""
    journal = Journal(desk.ledger, item, clock)
    journal.note("concluded", key="concluded")
    decided, concluded = journal.first("decided"), journal.first("concluded")
    if decided is None or concluded is None:
        raise RuntimeError(f"drill {item.drill_id} has no beginning in the ledger's journal: nothing can be recorded of it")
    return _build(desk, item, journal, decided[0], concluded[0])


def _build(desk: Desk, item: PlanItem, journal: Journal, decided: datetime, at: datetime) -> DrillRecord:
    checks = complete(journal.checks(), kept=journal.first("kept") is not None, broken=journal.broken())
    by_name = {check.name: check for check in checks}
    kept = journal.first("kept")
    return DrillRecord(
        record_id=new_record_id("drill", item.drill_id, at),
        written_at=at,
        drill_id=item.drill_id,
        service=item.service,
        datastore=item.datastore,
        cloud=item.cloud,
        region=item.region,
        tier=item.tier,
        catalog_revision=item.catalog_revision,
        request=item.request,
        why=item.why,
        target=item.target,
        recovery_point=journal.point(),
        decided_at=decided,
        phases=journal.phases(),
        checks=checks,
        created=tuple(body["sandbox"] for _, body in journal.events("created")),
        removed=tuple(body["sandbox"] for _, body in journal.events("removed")),
        kept=f"{kept[1]['by']} until {kept[1]['until']}" if kept else None,
        forecast=item.forecast,
        cost=measures.spent(desk.loaded.catalog.rates, item, journal.point(), at - decided),
        rpo_target=item.rpo,
        rpo_measured=_seconds(by_name.get("rpo")),
        rto_target=item.rto,
        rto_measured=_seconds(by_name.get("rto")),
        verdict=verification.verdict(checks),
        summary=verification.summary(checks),
        doubles=desk.doubles,
    )


def complete(checks: Sequence[Check], *, kept: bool, broken: str = "") -> tuple[Check, ...]:
    """The checks, with an `unknown` line for each expected one that never ran.

    `broken`: what ended the last phase. The first such line tells it where no check does: unknown needs a reason.
    """
    there = {check.name for check in checks}
    missing = [name for name in EXPECTED if name not in there and not (kept and name == "nothing-left")]
    layer = {"rto": "target", "rpo": "target", "nothing-left": "cleanup"}
    told = any(check.outcome in (Outcome.FAILED, Outcome.UNKNOWN) for check in checks)
    lines, why = [], f": {broken}" if broken and not told else ""
    for name in missing:
        detail, why = f"the drill did not get this far{why}", ""
        lines.append(Check(name=name, layer=layer.get(name, "database"), outcome=Outcome.UNKNOWN, detail=detail))
    return (*checks, *lines)


def _seconds(check: Check | None) -> timedelta | None:
    """What a target check measured, or None when it could not be."""
    if check is None or check.measured is None:
        return None
    return timedelta(seconds=float(check.measured.removesuffix("s")))


def conclude_cut_off(desk: Desk, drill_id: str, clock: Callable[[], datetime] = utcnow) -> None:
    """Write the record of a drill that began and was never concluded, so that the evidence tells how far it got."""
    entries = desk.ledger.journal(drill_id)
    decided = next((entry for entry in entries if entry.event == "decided"), None)
    if decided is None or any(entry.event == "concluded" for entry in entries):
        return
    conclude(desk, PlanItem.model_validate(decided.body), clock)
