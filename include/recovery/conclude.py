"""From a drill's journal to its record: one deterministic record however often the last step is repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.evidence.naming import new_record_id
from include.evidence.record import DrillRecord
from include.recovery import verification
from include.recovery.journal import Journal
from include.recovery.model import Check, Outcome, PlanItem
from include.values import utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk

EXPECTED = ("restore-ready", "rto", "rpo", "database-amcheck", "nothing-left")
"""Checks without which a drill proves nothing: one that never ran is `unknown`, never left out."""


def conclude(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> DrillRecord:
    """Write the drill's record to the evidence stores and the ledger. Repeating it gives the same record."""
    journal = Journal(desk.ledger, item, clock)
    journal.note("decided", item.model_dump(mode="json"), key="decided")
    journal.note("concluded", key="concluded")
    decided, concluded = journal.first("decided"), journal.first("concluded")
    if decided is None or concluded is None:
        raise RuntimeError(f"the ledger lost the journal of drill {item.drill_id} while its record was being written")
    record = _build(desk, item, journal, decided[0], concluded[0])
    desk.write(record)
    return record


def _build(desk: Desk, item: PlanItem, journal: Journal, decided: datetime, at: datetime) -> DrillRecord:
    from include.recovery.forecast import cost_so_far

    checks = complete(journal.checks(), kept=journal.first("kept") is not None)
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
        cost=cost_so_far(item.forecast, at - decided),
        rpo_target=item.rpo,
        rpo_measured=_seconds(by_name.get("rpo")),
        rto_target=item.rto,
        rto_measured=_seconds(by_name.get("rto")),
        verdict=verification.verdict(checks),
        summary=verification.summary(checks),
        doubles=desk.doubles,
    )


def complete(checks: Sequence[Check], *, kept: bool) -> tuple[Check, ...]:
    """The checks, with an `unknown` line for each expected one that never ran."""
    there = {check.name for check in checks}
    missing = [name for name in EXPECTED if name not in there and not (kept and name == "nothing-left")]
    layer = {"rto": "target", "rpo": "target", "nothing-left": "cleanup"}
    lines = [
        Check(name=name, layer=layer.get(name, "database"), outcome=Outcome.UNKNOWN, detail="the drill did not get this far")
        for name in missing
    ]
    return (*checks, *lines)


def _seconds(check: Check | None) -> timedelta | None:
    """What a target check measured, or None when it could not be."""
    if check is None or check.measured is None:
        return None
    return timedelta(seconds=float(check.measured.removesuffix("s")))
