"""The workbook: lines as values, totals as live formulas, and the same lines as CSV."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.measured import COLUMNS, KINDS

if TYPE_CHECKING:
    from include.costs.view import View

_FIELDS = ("month", "provider", "currency", "service", "environment", "owner", "tenant", "transfer_class", "origin", "to", "how")
_AMOUNTS = ("billed", "effective", "gb")
MOST_LINES = 1_000_000
"""Rows that a sheet of Excel can hold, less some."""


def safe_text(text: str) -> str:
    """Text that a spreadsheet shows and never runs: a leading ``=``, ``+``, ``-`` or ``@`` gets an apostrophe."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def write_csv(view: View, path: Path) -> None:
    """All transfer shares, exact amounts, one line each."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*_FIELDS, *_AMOUNTS))
        for row in view.sums(*_FIELDS):
            writer.writerow((*(safe_text(str(row[f])) for f in _FIELDS), *(money.plain(row[a]) for a in _AMOUNTS)))


def write_workbook(view: View, path: Path) -> None:
    """Sheets Summary, Lines, Tenants, Findings, Savings and drills.

    Summary's totals are formulas over Lines: a filter or a change shows at once.
    """
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"in_memory": False, "strings_to_formulas": False, "strings_to_urls": False})
    try:
        formats = {"head": book.add_format({"bold": True, "bottom": 1}), "amount": book.add_format({"num_format": "#,##0.00"})}
        summary = book.add_worksheet("Summary")
        lines = view.sums(*_FIELDS)[:MOST_LINES]
        _lines(book.add_worksheet("Lines"), lines, formats)
        _summary(summary, view, len(lines), formats)
        _tenants(book.add_worksheet("Tenants"), view, formats)
        _findings(book.add_worksheet("Findings"), view, formats)
        _measured(book.add_worksheet("Savings and drills"), view, formats)
    finally:
        book.close()


def _lines(sheet: Any, lines: list[dict[str, Any]], formats: dict[str, Any]) -> None:
    names = (*_FIELDS, *_AMOUNTS)
    sheet.write_row(0, 0, names, formats["head"])
    for at, row in enumerate(lines, start=1):
        for column, name in enumerate(_FIELDS):
            sheet.write_string(at, column, str(row[name]))
        for column, name in enumerate(_AMOUNTS, start=len(_FIELDS)):
            sheet.write_number(at, column, float(row[name]), formats["amount"])
    sheet.autofilter(0, 0, max(len(lines), 1), len(names) - 1)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(names) - 1, 16)


def _summary(sheet: Any, view: View, count: int, formats: dict[str, Any]) -> None:
    """Cost by class and currency as SUMIFS over Lines, with a total row of SUBTOTAL so that filters act on it."""
    last = max(count, 1) + 1
    sheet.write(0, 0, f"Transfer costs {view.title}", formats["head"])
    sheet.write(1, 0, f"State: {view.state.state if view.state else 'several months'}")
    sheet.write_row(3, 0, ("class", "currency", "billed", "effective", "gb"), formats["head"])
    at = 4
    for row in view.sums("transfer_class", "currency"):
        sheet.write_string(at, 0, row["transfer_class"])
        sheet.write_string(at, 1, row["currency"])
        for column, (letter, name) in enumerate(zip("LMN", _AMOUNTS, strict=True), start=2):
            formula = (
                f"=SUMIFS(Lines!${letter}$2:${letter}${last},Lines!$H$2:$H${last},$A{at + 1},Lines!$C$2:$C${last},$B{at + 1})"
            )
            sheet.write_formula(at, column, formula, formats["amount"], float(row[name]))
        at += 1
    for row in view.sums("currency"):
        sheet.write_string(at + 1, 0, "Total")
        sheet.write_string(at + 1, 1, row["currency"])
        for column, (letter, name) in enumerate(zip("CDE", _AMOUNTS, strict=True), start=2):
            formula = f"=SUMIFS({letter}$5:{letter}${max(at, 5)},$B$5:$B${max(at, 5)},$B{at + 2})"
            sheet.write_formula(at + 1, column, formula, formats["amount"], float(row[name]))
        at += 1
    sheet.set_column(0, 4, 20)


def _tenants(sheet: Any, view: View, formats: dict[str, Any]) -> None:
    sheet.write_row(
        0, 0, ("tenant", "month", "currency", "revenue", "cost to serve", "of it transfer", "margin"), formats["head"]
    )
    for at, row in enumerate(view.tenants(), start=1):
        for column, text in enumerate((row.tenant, row.month, row.currency)):
            sheet.write_string(at, column, text)
        if row.revenue is not None:
            sheet.write_number(at, 3, float(row.revenue), formats["amount"])
            sheet.write_formula(at, 6, f"=D{at + 1}-E{at + 1}", formats["amount"], float(row.revenue - row.cost))
        sheet.write_number(at, 4, float(row.cost), formats["amount"])
        sheet.write_number(at, 5, float(row.transfer), formats["amount"])
    sheet.set_column(0, 6, 18)


def _findings(sheet: Any, view: View, formats: dict[str, Any]) -> None:
    sheet.write_row(0, 0, ("kind", "finding", "amount", "currency", "confidence", "why"), formats["head"])
    for at, finding in enumerate(view.findings, start=1):
        sheet.write_string(at, 0, finding.kind)
        sheet.write_string(at, 1, finding.title)
        sheet.write_number(at, 2, float(finding.amount), formats["amount"])
        sheet.write_row(at, 3, (finding.currency, finding.confidence, finding.why))
    sheet.set_column(1, 1, 60)
    sheet.set_column(5, 5, 80)


def _measured(sheet: Any, view: View, formats: dict[str, Any]) -> None:
    """Savings and drill costs, with a live total of each column by kind and currency; ``not measured`` where there is nothing."""
    sheet.write_row(0, 0, COLUMNS, formats["head"])
    rows = [row for kind in KINDS for row in view.measured(kind)]
    for at, row in enumerate(rows, start=1):
        for column, name in enumerate(COLUMNS):
            value = getattr(row, name)
            if isinstance(value, Decimal):
                sheet.write_number(at, column, float(value), formats["amount"])
            else:
                sheet.write_string(at, column, "not measured" if value is None else value)
    at = len(rows) + 2
    for kind in KINDS:
        found = sorted({row.currency for row in rows if row.kind == kind})
        for currency in found:
            sheet.write_row(at, 0, (kind, "Total", "", "", "", currency))
            for column, (letter, name) in enumerate(zip("GH", ("forecast", "settled"), strict=True), start=6):
                known = [getattr(row, name) or 0 for row in rows if (row.kind, row.currency) == (kind, currency)]
                span = f"{{}}$2:{{}}${len(rows) + 1}"
                ranges = [span.format(*(f"${c}", f"${c}")) for c in (letter, "A", "F")]
                formula = f"=SUMIFS({ranges[0]},{ranges[1]},$A{at + 1},{ranges[2]},$F{at + 1})"
                sheet.write_formula(at, column, formula, formats["amount"], float(sum(known)))
            at += 1
        if not found:
            sheet.write_row(at, 0, (kind, "not measured"))
            at += 1
    sheet.set_column(0, len(COLUMNS) - 1, 18)
