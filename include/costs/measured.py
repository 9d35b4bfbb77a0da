"""What suspension saved and what drills cost, from whoever measures it: the rows that the page and the workbook show.

Who measures writes a `note` record with `note_of` into the evidence (``desk.write`` or ``Stores.write_record``; the ledger
projects it) and is done: the next report shows it. A later note of the same kind, month, subject and currency replaces an
earlier one, so a forecast is written first and settled when the bill is there. Or the rows stand in a CSV file that
``costs.yaml`` names (``measured``). Drills need neither: their forecast is in the drill records, and the bill settles them
by the tag on what they made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field, ValidationError

from include.costs import money
from include.costs.settings import CostsError, CostSettings
from include.values import Frozen

if TYPE_CHECKING:
    from include.costs.allocation import ServiceFacts, Share
    from include.evidence.record import DrillRecord, NoteRecord

COST_MEASURED = "cost_measured"
"""`NoteRecord.event` of a measured saving or cost."""
KINDS = ("suspension", "drill")
COLUMNS = ("kind", "month", "subject", "environment", "owner", "currency", "forecast", "settled")


class Measured(Frozen):
    """One saving or cost of one month. Amounts are positive: money not spent by a suspension, money spent by a drill."""

    kind: Literal["suspension", "drill"]
    month: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    subject: str = Field(min_length=1)
    """What was suspended (an environment or a group of it), or the drill's id, which is the tag on what it made."""
    environment: str = ""
    owner: str = ""
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    forecast: Decimal | None = None
    """Expected before, from rates; None where nobody forecast it."""
    settled: Decimal | None = None
    """Read from the bill afterwards; None until it is."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """A later row with the same key takes the place of an earlier one."""
        return (self.kind, self.month, self.subject, self.currency)


class Remembered(Protocol):
    """What is asked of the ledger (`include.ledger.Ledger` answers it)."""

    def notes(self, event: str | None = None, since: datetime | None = None) -> Sequence[NoteRecord]: ...

    def drills(self, service: str | None = None, since: datetime | None = None) -> Sequence[DrillRecord]: ...


def note_of(row: Measured, by: str, now: datetime) -> NoteRecord:
    """The record that makes a measured row durable. `by` is who measured: a person, or ``drillyard``."""
    from include.evidence.naming import new_record_id
    from include.evidence.record import NoteRecord

    subject = f"{row.kind}/{row.subject}"
    record_id = new_record_id("note", f"{COST_MEASURED}.{subject}.{row.month}", now)
    detail = row.model_dump(mode="json")
    return NoteRecord(record_id=record_id, written_at=now, event=COST_MEASURED, by=by, subject=subject, detail=detail)


def from_ledger(ledger: Remembered, services: dict[str, ServiceFacts]) -> list[Measured]:
    """Measured notes and the forecasts of drills. Raises LedgerError when the ledger does not answer."""
    return [*_of_drills(ledger.drills(), services), *(Measured.model_validate(n.detail) for n in ledger.notes(COST_MEASURED))]


def _of_drills(drills: Iterable[DrillRecord], services: dict[str, ServiceFacts]) -> list[Measured]:
    found = []
    for drill in drills:
        known = services.get(drill.service)
        found.append(
            Measured(
                kind="drill",
                month=f"{drill.decided_at:%Y-%m}",
                subject=drill.drill_id,
                environment=known.environment if known else "",
                owner=known.owner if known else "",
                currency=drill.forecast.currency,
                forecast=drill.forecast.cost,
            )
        )
    return found


def from_file(directory: Path, settings: CostSettings) -> list[Measured]:
    """The rows of the CSV file that ``costs.yaml`` names; none without one. Raises CostsError with file and line."""
    from include.costs.keys import rows_of

    found = []
    for place, row in rows_of(directory, settings.measured, "measured", COLUMNS):
        try:
            found.append(Measured.model_validate({k: v or None for k, v in row.items() if v or k in ("forecast", "settled")}))
        except ValidationError as fault:
            first = fault.errors()[0]
            raise CostsError(f"{place}, field {'.'.join(map(str, first['loc']))}: {first['msg']}") from fault
    return found


def from_bill(shares: Iterable[Share]) -> list[Measured]:
    """What the bill settles: everything that carries the drill tag, by tag, environment, owner and currency."""
    sums: dict[tuple[str, ...], Decimal] = {}
    for s in shares:
        if s.drill:
            key = (s.month, drill_id_of(s.drill), s.environment, s.owner, s.currency)
            sums[key] = money.EXACT.add(sums.get(key, Decimal(0)), s.billed)
    return [
        Measured(kind="drill", month=m, subject=what, environment=env, owner=owner, currency=c, settled=amount)
        for (m, what, env, owner, c), amount in sorted(sums.items())
    ]


def drill_id_of(tag: str) -> str:
    """The drill's id as its record has it: Google's labels hold every other character as ``_`` hex digits ``_``."""
    return re.sub(r"_([0-9a-f]{2,})_", lambda code: chr(int(code[1], 16)), tag)


def merged(rows: Iterable[Measured], month: str | None) -> list[Measured]:
    """One row for each key, later values over earlier ones, forecast and settled each; only `month` where one is given."""
    found: dict[tuple[str, ...], Measured] = {}
    for row in rows:
        if month not in (None, row.month):
            continue
        before = found.get(row.key)
        given: dict[str, Any] = row.model_dump(exclude_none=True)
        known = {k: v for k, v in given.items() if v != ""}
        found[row.key] = row if before is None else before.model_copy(update=known)
    return [found[key] for key in sorted(found)]
