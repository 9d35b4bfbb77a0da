"""Everything people read of a report: page, workbook, CSV, the rows behind findings."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.costs import findings
from include.costs.columns import FOCUS_COLUMNS
from include.costs.engines import DuckDBEngine
from include.costs.findings import Finding
from include.costs.guard import GuardResult
from include.costs.months import state_of
from include.costs.signing import of_month
from include.costs.view import View

if TYPE_CHECKING:
    from include.costs.report import Figures

MOST_ROWS = 500
_FILLED = (
    "BillingAccountType",
    "SubAccountType",
    "ServiceCategory",
    "ServiceSubcategory",
    "ChargePeriodEnd",
)
"""Columns that are filled by our own tables where the export leaves them out."""


def view_of(figures: Figures, out: Path) -> View:
    """What will be shown, with findings and the state of the month."""
    daily = figures.daily
    found = findings.find(figures.facts, figures.shares, daily, figures.settings)
    if figures.month is not None:
        found = [f for f in found if f.month == figures.month]
    state = None
    if figures.month:
        state = state_of(out, figures.month, figures.totals, of_month(figures.signed, figures.month))
    return View(figures, found, state)


def gaps_of(figures: Figures) -> list[str]:
    """FOCUS columns that no delivered export can fill."""
    given: set[str] = set(_FILLED)
    for accepted in figures.bill.accepted:
        given |= set(figures.bill.rows_of(accepted).columns)
    return [name for name in FOCUS_COLUMNS if name not in given]


def write_behind(view: View, desk: DuckDBEngine, out: Path) -> None:
    """For each finding a CSV with the dearest FOCUS rows behind it, at most 500."""
    folder = out / "findings"
    shutil.rmtree(folder, ignore_errors=True)
    if not view.findings:
        return
    folder.mkdir()
    for number, finding in enumerate(view.findings, start=1):
        target = str(folder / f"{number:03d}.csv").replace("'", "''")
        pattern = str(out / "focus" / "**" / "*.parquet").replace("'", "''")
        desk.run(
            f"COPY (SELECT ChargePeriodStart, ProviderName, SubAccountId, ResourceId, RegionId, ServiceName, ChargeDescription, "
            f"x_UsageType, x_TransferClass, x_TransferFrom, x_TransferTo, x_TransferGB, BilledCost, BillingCurrency, Tags "
            f"FROM read_parquet('{pattern}', hive_partitioning = true, union_by_name = true) WHERE {_condition(finding)} "
            f"ORDER BY abs(BilledCost) DESC LIMIT {MOST_ROWS}) TO '{target}' (HEADER)"
        )


def _condition(finding: Finding) -> str:
    columns = {"ProviderName": "ProviderName", "class": "x_TransferClass", "from": "x_TransferFrom", "to": "x_TransferTo"}
    parts = [f"BillingCurrency = {_text(finding.currency)}", f"billing_month = {_text(finding.month)}"]
    for name, value in finding.where.items():
        if name in columns:
            parts.append(f"coalesce({columns[name]}, '') = {_text(value)}")
        elif name == "day":
            parts.append(f"CAST(ChargePeriodStart AS DATE) = DATE {_text(value)}")
        elif name in ("service", "services"):
            tags = " OR ".join(f"contains(Tags, {_text(service)})" for service in value.split("|"))
            parts.append(f"({tags})")
    return " AND ".join(parts)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def write_pages(view: View, out: Path, *, now: datetime, guard: GuardResult | None, gaps: list[str]) -> None:
    """Page, workbook and CSV."""
    from include.costs.page import render
    from include.costs.workbook import write_csv, write_workbook

    (out / "index.html").write_text(render(view, now=now, guard=guard, gaps=gaps), encoding="utf-8")
    write_csv(view, out / "shares.csv")
    write_workbook(view, out / "report.xlsx")
