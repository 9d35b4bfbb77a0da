"""What the page, the workbook and the e-mail show: rows ready to print, made once from the figures."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from include.costs import money, pictures
from include.costs.allocation import Share, is_transfer
from include.costs.classify import UNCLASSIFIED, table
from include.costs.findings import Finding
from include.costs.margin import TenantMargin, margins
from include.costs.measured import Measured, from_bill, merged
from include.costs.months import MonthState
from include.values import Frozen

if TYPE_CHECKING:
    from include.costs.report import Figures


class Mover(Frozen):
    """A route whose cost changed between two months."""

    provider: str
    transfer_class: str
    origin: str
    to: str
    currency: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        return self.after - self.before


class View:
    """Everything shown. Amounts stay Decimal; `pictures.shown` rounds them only where they are printed."""

    def __init__(self, figures: Figures, findings: list[Finding], state: MonthState | None) -> None:
        self.figures = figures
        self.findings = findings
        self.state = state
        self.totals = figures.totals
        self.months = self.totals["months"]
        self.title = figures.month or (f"{self.months[0]} to {self.months[-1]}" if self.months else "no month")
        self.transfer: list[Share] = [s for s in figures.shares if is_transfer(s.transfer_class)]
        self.currencies = sorted({s.currency for s in figures.shares})
        self.margins, self.rate_notes = margins(figures.shares, figures.declared, figures.settings.currency)
        self.classes = table().classes | {UNCLASSIFIED: "looks like transfer, known to no rule"}
        self.movers = movers(figures)
        self._measured = merged([*figures.measured, *from_bill(figures.shares)], figures.month)

    def sums(self, *fields: str) -> list[dict[str, Any]]:
        """Transfer shares summed by fields: each row has the fields, ``billed``, ``effective`` and ``gb``; the dearest first."""
        found: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for s in self.transfer:
            slot = found[tuple(getattr(s, name) for name in fields)]
            found[tuple(getattr(s, name) for name in fields)] = [
                money.EXACT.add(a, b) for a, b in zip(slot, (s.billed, s.effective, s.gb), strict=True)
            ]
        rows = [{**dict(zip(fields, k, strict=True)), "billed": v[0], "effective": v[1], "gb": v[2]} for k, v in found.items()]
        return sorted(rows, key=lambda r: (-r["billed"], *(str(r[f]) for f in fields)))

    def main_currency(self) -> str:
        """The currency with the largest transfer cost: pictures show one currency."""
        cost: dict[str, Decimal] = defaultdict(Decimal)
        for s in self.transfer:
            cost[s.currency] += s.billed
        return max(sorted(cost), key=lambda c: cost[c], default=self.currencies[0] if self.currencies else "")

    def routes(self) -> list[tuple[str, str, str, Decimal]]:
        """(from, to, class, billed) in the main currency, with the provider before the place."""
        unit = self.main_currency()
        rows = self.sums("currency", "provider", "origin", "to", "transfer_class")
        return [
            (f"{r['provider']} {r['origin']}".strip(), r["to"] or "?", r["transfer_class"], r["billed"])
            for r in rows
            if r["currency"] == unit
        ]

    def matrix(self) -> tuple[list[str], list[tuple[str, list[Decimal]]]]:
        """Destinations, and for each origin the billed cost to each of them (main currency, dearest 14 by 14)."""
        cells: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for origin, to, _, amount in self.routes():
            cells[origin, to] += amount
        origins = _largest({o: sum((v for (a, _), v in cells.items() if a == o), Decimal(0)) for o, _ in cells})
        places = _largest({t: sum((v for (_, b), v in cells.items() if b == t), Decimal(0)) for _, t in cells})
        return places, [(o, [cells.get((o, t), Decimal(0)) for t in places]) for o in origins]

    def flow_picture(self) -> str:
        """Routes as bands."""
        return pictures.flow(self.routes(), self.main_currency())

    def trend_picture(self) -> str:
        """By day for one month, by month for several."""
        unit = self.main_currency()
        days = [d for d in self.figures.daily if d.currency == unit and (self.figures.month in (None, d.month))]
        by_month = len({d.month for d in days}) > 2
        return pictures.trend([(d.month if by_month else f"{d.day:%m-%d}", d.transfer_class, d.billed) for d in days], unit)

    def measured(self, kind: str) -> list[Measured]:
        """Suspension savings or drill costs; empty while nothing was measured, which is not the same as nothing."""
        return [row for row in self._measured if row.kind == kind]

    def tenants(self) -> list[TenantMargin]:
        """Margins by tenant."""
        return self.margins


def _largest(sums: dict[str, Decimal], most: int = 14) -> list[str]:
    return sorted(sums, key=lambda name: (-sums[name], name))[:most]


def movers(figures: Figures) -> list[Mover]:
    """Routes that changed most from the month before; empty when only one month was delivered."""
    months = sorted({f.month for f in figures.all_facts})
    last = figures.month or (months[-1] if months else "")
    before = max((m for m in months if m < last), default=None)
    if before is None:
        return []
    cost: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for f in figures.all_facts:
        if is_transfer(f.transfer_class) and f.month in (before, last):
            slot = cost[(f.provider, f.transfer_class, f.origin, f.to, f.currency)]
            at = int(f.month == last)
            slot[at] = money.EXACT.add(slot[at], f.billed)
    found = [
        Mover(provider=k[0], transfer_class=k[1], origin=k[2], to=k[3], currency=k[4], before=v[0], after=v[1])
        for k, v in cost.items()
        if v[0] != v[1]
    ]
    return sorted(found, key=lambda m: -abs(m.change))[:15]
