"""Savings and drill costs: written as notes, replaced by later ones, settled by the bill's tag, read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.costs.allocation import ServiceFacts, Share
from include.costs.measured import Measured, drill_id_of, from_bill, from_file, from_ledger, merged, note_of
from include.costs.settings import CostsError, CostSettings
from include.evidence.naming import record_path
from include.evidence.record import NoteRecord

NOW = datetime(2026, 11, 6, 5, 30, tzinfo=UTC)


def saving(**more: Any) -> Measured:
    base = {"kind": "suspension", "month": "2026-10", "subject": "staging", "environment": "staging", "currency": "EUR"}
    return Measured.model_validate(base | {"owner": "team-a"} | more)


class Kept:
    """A ledger's two answers."""

    def __init__(self, notes: Sequence[NoteRecord], drills: Sequence[Any] = ()) -> None:
        self._notes, self._drills = notes, drills

    def notes(self, event: str | None = None, since: datetime | None = None) -> Sequence[NoteRecord]:
        return [n for n in self._notes if event in (None, n.event)]

    def drills(self, service: str | None = None, since: datetime | None = None) -> Sequence[Any]:
        return self._drills


def test_a_note_goes_through_the_evidence_and_the_later_one_settles_the_forecast() -> None:
    first = note_of(saving(forecast=Decimal("120.50")), "drillyard", NOW)
    then = note_of(saving(settled=Decimal("118.1234567891")), "drillyard", NOW)
    assert record_path(first.record_id)
    read = [NoteRecord.model_validate_json(n.model_dump_json()) for n in (first, then)]
    (row,) = merged(from_ledger(Kept(read), {}), "2026-10")
    assert (row.forecast, row.settled) == (Decimal("120.50"), Decimal("118.1234567891"))
    assert merged([row], "2026-09") == []


def share(**more: Any) -> Share:
    base = dict.fromkeys(Share._fields, "") | dict.fromkeys(("billed", "effective", "listed", "gb"), Decimal(0))
    given = {"month": "2026-10", "currency": "EUR", "environment": "prod", "owner": "o"}
    return Share(**(base | given | more))


def test_drills_are_forecast_by_their_records_and_settled_by_the_tag() -> None:
    drill = SimpleNamespace(
        service="shop", decided_at=NOW.replace(month=10), drill_id="shop.db.20261001",
        forecast=SimpleNamespace(cost=Decimal("1.20"), currency="EUR"),
    )  # fmt: skip
    known = from_ledger(Kept([], [drill]), {"shop": ServiceFacts(environment="prod", owner="o")})
    billed = from_bill(
        [share(drill="shop_2e_db_2e_20261001", billed=Decimal("0.9")), share(drill="", billed=Decimal(7)),
         share(drill="shop.db.20261001", billed=Decimal("0.1"))]
    )  # fmt: skip
    (row,) = merged([*known, *billed], "2026-10")
    assert (row.subject, row.forecast, row.settled) == ("shop.db.20261001", Decimal("1.20"), Decimal("1.0"))
    assert drill_id_of("shop_db") == "shop_db"


def test_rows_come_from_a_file_and_its_faults_name_the_line(tmp_path: Path) -> None:
    head = "kind,month,subject,environment,owner,currency,forecast,settled\n"
    (tmp_path / "m.csv").write_text(head + "suspension,2026-10,staging,staging,a,EUR,12,\n")
    (row,) = from_file(tmp_path, CostSettings(measured="m.csv"))
    assert row.forecast == 12 and row.settled is None
    (tmp_path / "m.csv").write_text(head + "suspension,2026-10,staging,staging,a,EUR,12,\nfoo,2026-10,s,,,EUR,1,1\n")
    with pytest.raises(CostsError, match="line 3, field kind"):
        from_file(tmp_path, CostSettings(measured="m.csv"))
    assert from_file(tmp_path, CostSettings()) == []
