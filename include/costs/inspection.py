"""One look into each accepted file before anything is added up: what it covers, what it sums to, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from include.costs import intake
from include.costs.engines import Delivered
from include.costs.gather import grouped
from include.costs.headers import COST_DETAILS, canonical, signature_of, wanted
from include.costs.intake import BillingFile, Quarantined, Unreadable
from include.costs.rows import focus_rows
from include.costs.source import Source, WrongKind, is_plain, may_be_instant, may_be_number
from include.values import Frozen

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.engines import DuckDBEngine, Engine
    from include.costs.settings import CostSettings

MOST_ROWS_LISTED = 1000
_KEPT = ("chargetype", "benefitid", "reservationid", "pricingmodel")
"""Asked for beside the rows: what tells Azure's amortised exports."""


class Slice(Frozen):
    """The rows of one account, month and currency in a file."""

    account: str
    month: date
    currency: str
    provider: str
    rows: int
    billed: Decimal
    negative: int
    first_day: date
    last_day: date


class Inspected(Frozen):
    """What a file holds. `bad` rows are not in the slices."""

    file: BillingFile
    slices: tuple[Slice, ...]
    bad: int
    amortised: bool
    """Azure only: commitments are spread over their use."""
    look: str
    """The engine's table of the groups of its usable rows."""

    @property
    def rows(self) -> int:
        """Usable rows."""
        return sum(part.rows for part in self.slices)


def open_file(engine: Engine, files: tuple[BillingFile, ...]) -> Source:
    """Equal files (same kind, header and shape) as one source."""
    one = files[0]
    copies = tuple(f.landed for f in files if f.landed)
    if len(copies) == len(files):
        given = Delivered(paths=copies, kind="parquet", columns=one.columns, landed=True)
    else:
        paths = tuple(f.path for f in files)
        given = Delivered(paths=paths, kind=one.kind, columns=one.columns, delimiter=one.delimiter, gzip=one.gzip)
    table, names = engine.read(given)
    return Source(table, names, fast=engine.fast_doubles, day_first=one.day_first, decimal_comma=one.decimal_comma)


def inspect(engine: DuckDBEngine, file: BillingFile, settings: CostSettings) -> Inspected:
    """Read a file once (with DuckDB). Raises Unreadable, naming the line, when its structure is damaged."""
    import duckdb
    from ibis.common.annotations import ValidationError
    from ibis.common.exceptions import IbisError

    try:
        if file.kind == "csv":
            file = file.model_copy(update={"landed": _land(engine, file, settings)})
        source = open_file(engine, (file,))
        _check_kinds(source, file)
        if file.kind != "csv":
            # Every column that a later step asks for: what cannot be read as it is shows here and not in the middle.
            engine.bind(focus_rows(source, file.shape, settings))
        rows = partial(_rows, source, file.shape, settings)
        look = grouped(engine, rows, beside=_beside).get_name()
        found = _slices(engine, look)
        bad = engine.fetch(source.table.count().as_table()).to_pylist()[0].popitem()[1] - sum(one["rows"] for one in found)
        amortised = file.shape == COST_DETAILS and _amortised(engine, source, file)
    except WrongKind as fault:
        raise Unreadable(str(fault), line=1 if file.kind == "csv" else None) from fault
    except (duckdb.Error, OSError, EOFError, ValueError, IbisError, ValidationError) as fault:
        raise _named(file, fault) from fault
    return Inspected(file=file, slices=tuple(Slice.model_validate(s) for s in found), bad=bad, amortised=amortised, look=look)


def _may_be_currency(value: ir.Value) -> bool:
    return bool(value.type().is_string())


_HOLDS: dict[str, Callable[[ir.Value], bool]] = {
    "number": may_be_number,
    "date": may_be_instant,
    "text": is_plain,
    "currency": _may_be_currency,
}


def _check_kinds(source: Source, file: BillingFile) -> None:
    """Raises WrongKind where no column of a needed set can hold what it must."""
    for one_of in signature_of(file.shape).needs:
        given = {name: value for name in one_of if (value := source.column(name)) is not None}
        if not any(_HOLDS[wanted(name)](value) for name, value in given.items()):
            said = ", ".join(f"{name} holds {value.type()}" for name, value in given.items())
            raise WrongKind(f"wrong kind of column: {said}, where a {wanted(one_of[0])} is expected")


def _slices(engine: DuckDBEngine, look: str) -> list[dict[str, Any]]:
    """The slices of the usable rows."""
    return engine.rows(
        f"""SELECT coalesce(BillingAccountId, '') AS account, x_Month AS month, BillingCurrency AS currency,
            coalesce(ProviderName, '(not named)') AS provider,
            CAST(sum(Rows) AS BIGINT) AS rows, sum(BilledCost) AS billed, CAST(sum(x_Negative) AS BIGINT) AS negative,
            min(x_FirstDay) AS first_day, max(x_LastDay) AS last_day
            FROM {look} GROUP BY ALL ORDER BY month, account, currency, provider"""
    )


def _beside(rows: ir.Table) -> dict[str, ir.Value]:
    """What the slices want to know besides."""
    return {
        "x_Negative": (rows["BilledCost"] < 0).cast("int64").sum(),
        "x_FirstDay": rows["x_Day"].min(),
        "x_LastDay": rows["x_Day"].max(),
    }


def _land(engine: DuckDBEngine, file: BillingFile, settings: CostSettings) -> str:
    """Copy the columns that any step asks for; a CUR has twice as many."""
    import ibis.expr.operations as ops

    given = Delivered(paths=(file.path,), kind="csv", columns=file.columns, delimiter=file.delimiter, gzip=file.gzip)
    table, names = engine.read(given)
    source = Source(table, names, fast=True, day_first=file.day_first, decimal_comma=file.decimal_comma)
    rows = focus_rows(source, file.shape, settings)
    used = {field.name for field in rows.op().find(ops.Field)} & set(names)
    kept = used | {column for column, name in names.items() if canonical(name) in _KEPT}
    return engine.land(given, [column for column in names if column in kept])


def _named(file: BillingFile, fault: Exception) -> Unreadable:
    """The line where a file is damaged, found with a second, stricter reader; the engine's own words where that finds none."""
    said = str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
    if file.kind != "csv":
        return Unreadable(f"the {file.kind} data is damaged: {said}")
    place = intake.first_fault(file)
    if place is not None:
        return Unreadable(place[1], line=place[0])
    line = re.search(r"Line: (\d+)", str(fault))
    return Unreadable(f"cannot be read: {said}", line=int(line.group(1)) if line else None)


def _amortised(engine: Engine, source: Source, file: BillingFile) -> bool:
    from include.costs.shapes import azure

    if re.search(r"amorti[sz]", file.name, re.IGNORECASE):
        return True
    kind = source.text("chargetype").lower()
    covered = azure.committed(source) & (kind == "usage") & (source.amount(*azure.COST) != 0)
    hits = source.table.aggregate(n=(kind.startswith("unused") | covered).cast("int64").sum())
    return bool(engine.fetch(hits).to_pylist()[0]["n"] or 0)


def bad_rows(inspected: Inspected) -> list[Quarantined]:
    """The rows of a file that cannot be counted, each with its line and reason; at most 1,000 of them, then one for the rest."""
    file = inspected.file
    if not inspected.bad:
        return []
    listed: list[Quarantined] = []
    if file.kind == "csv":
        for line, row in intake.numbered_rows(file):
            reason = why_bad(row, file.shape, comma=file.decimal_comma)
            if reason and len(listed) < MOST_ROWS_LISTED:
                listed.append(Quarantined(file=file.name, line=line, rows=1, what="row", reason=reason))
    rest = inspected.bad - len(listed)
    if rest > 0:
        reason = "rows without a readable cost, currency or period" + ("" if listed else " (Parquet rows have no line)")
        listed.append(Quarantined(file=file.name, rows=rest, what="row", reason=reason))
    return listed


_COST = {
    "cur": ("lineitemunblendedcost",),
    "focus": ("billedcost",),
    "azure": ("costinbillingcurrency", "pretaxcost", "cost", "extendedcost"),
    "google": ("cost",),
}
_CURRENCY = ("lineitemcurrencycode", "billingcurrency", "billingcurrencycode", "currency", "currencycode")


def why_bad(row: dict[str, str], shape: str, *, comma: bool = False) -> str | None:
    """The same question as `rows._bad`, asked of one CSV row in Python: only to find its line."""
    cost = next((row[name] for name in _COST[shape] if row.get(name, "") not in ("", "NULL", "null")), "")
    if cost:
        if comma and not re.fullmatch(r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)?(,[0-9]+)?([eE][+-]?[0-9]+)?", cost.strip()):
            return f"the cost {cost!r} is not a number with a decimal comma, as this file's others are"
        cost = cost.replace(".", "").replace(",", ".") if comma else cost
        try:
            if not Decimal(cost.strip()).is_finite() or abs(Decimal(cost.strip())) >= 10**14:
                return f"the cost {cost!r} is out of range"
        except InvalidOperation:
            return f"the cost {cost!r} is not a number"
    currency = next((row[name] for name in _CURRENCY if row.get(name, "") not in ("", "NULL", "null")), "")
    if len(currency) != 3:
        return f"{currency!r} is no currency code" if currency else "no currency"
    if not any(_dated(value) for name, value in row.items() if "date" in name or "period" in name or name.endswith("time")):
        return "no readable date"
    return _unread_period(row, shape)


def _unread_period(row: dict[str, str], shape: str) -> str | None:
    needed = {
        "cur": ("billbillingperiodstartdate", "lineitemusagestartdate"),
        "focus": ("billingperiodstart", "chargeperiodstart"),
        "azure": ("date", "usagedate", "usagedatetime"),
        "google": ("usagestarttime", "invoicemonth"),
    }[shape]
    given = [(n, row[n]) for n in needed if row.get(n, "") not in ("", "NULL", "null")]
    wrong = [(n, v) for n, v in given if not _dated(v)]
    return f"the date {wrong[0][1]!r} in {wrong[0][0]} cannot be read" if wrong else None


def _dated(value: Any) -> bool:
    return bool(re.match(r"^\d{4}-\d{2}(-\d{2})?|^\d{1,2}/\d{1,2}/\d{4}|^\d{6}(\d{2})?$", str(value)))


def table_of(
    engine: Engine,
    files: tuple[BillingFile, ...],
    settings: CostSettings,
    mode: str,
    only: tuple[str, ...] | None = None,
    at: ir.Table | None = None,
) -> ir.Table:
    """The FOCUS rows of equal files; with `only`, only these columns; with `at`, only the rows with its numbers."""
    return _rows(open_file(engine, files), files[0].shape, settings, only, at, mode=mode)


def _rows(
    source: Source,
    shape: str,
    settings: CostSettings,
    only: tuple[str, ...] | None = None,
    at: ir.Table | None = None,
    mode: str = "alone",
) -> ir.Table:
    return focus_rows(source if at is None else source.at(at), shape, settings, mode, only)
