"""Delivered rows as FOCUS rows: the one lazy table that totals, classes and the FOCUS files are all made from."""

from __future__ import annotations

from fnmatch import translate
from typing import TYPE_CHECKING

from include.costs import money, shapes
from include.costs.columns import FOCUS_COLUMNS, KINDS
from include.costs.engines import ROW
from include.costs.source import is_null

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.settings import CostSettings
    from include.costs.source import Source


def focus_rows(
    source: Source, shape: str, settings: CostSettings, mode: str = "alone", only: tuple[str, ...] | None = None
) -> ir.Table:
    """One delivered table with FOCUS names and types and our ``x_`` columns; ``x_Bad`` says why a row cannot be used.

    `only` names the columns that the caller needs: the others are not even written into the query.

    Columns that the export does not have are left out: `complete` adds them as NULL. Nothing is computed yet.
    """
    import ibis

    found = shapes.columns(shape, source, settings.tags, mode)
    found["x_Month"] = found["BillingPeriodStart"].date()
    found["x_Day"] = found["ChargePeriodStart"].date()
    usage = found["x_UsageType"]
    described = found.get("ChargeDescription", ibis.null("string"))
    meterless = ibis.cases((usage.isnull(), described), else_=ibis.null("string"))
    found["x_KeyText"] = ibis.null("string") if described.equals(usage) else described if is_null(usage) else meterless
    found["x_Resource"] = _owned(found.get("ResourceId"), settings)
    found["x_Bad"] = _bad(found)
    if ROW in source.table.columns:
        found[ROW] = source.table[ROW]
    typed = {name: value.cast(KINDS[FOCUS_COLUMNS[name]]) if name in FOCUS_COLUMNS else value for name, value in found.items()}
    # Columns that are NULL in every row would only cost time in every later step.
    return source.table.select(
        **{name: value for name, value in typed.items() if not is_null(value) and (only is None or name in only)}
    )


def _owned(resource: ir.Value | None, settings: CostSettings) -> ir.Value:
    """The number (as text) of the first `owned` entry whose resource glob matches; the same for `shared` never applies."""
    import ibis

    if resource is None:
        return ibis.null("string")
    patterns = [(glob, str(i)) for i, entry in enumerate(settings.owned) for glob in entry.resources]
    if not patterns:
        return ibis.null("string")
    cases = [(resource.re_search("^" + translate(glob).replace(r"\Z", "$").replace("(?s:", "(?:")), i) for glob, i in patterns]
    return ibis.cases(*cases, else_=ibis.null("string"))


def _bad(found: dict[str, ir.Value]) -> ir.Value:
    """Why a row cannot be counted; NULL for a good row."""
    import ibis

    faults: list[tuple[ir.Value, str]] = []
    raw = found["x_BilledRaw"]
    kind = raw.type()
    if kind.is_string():
        wrong = raw.notnull() & (raw != "") & money.from_text(raw).isnull()
        faults.append((wrong, "the cost is not a number, or has more than 14 digits before the point"))
    elif kind.is_floating():
        # One comparison for all: NaN is larger than any number, in DuckDB as in Spark.
        faults.append((raw.abs() >= 1e14, "the cost is not a number, or has more than 14 digits before the point"))
    else:
        over = raw.notnull() & raw.try_cast(money.MONEY).isnull()
        faults.append((over, "the cost has more than 14 digits before the point"))
    if "x_Unread" in found:
        faults.append((found.pop("x_Unread"), "what is added to the cost cannot be read"))
    currency = found["BillingCurrency"]
    faults.append((currency.isnull() | (currency.length() != 3), "no currency"))
    faults.append((found["BillingPeriodStart"].isnull(), "no readable billing period"))
    faults.append((found["ChargePeriodStart"].isnull(), "no readable charge period"))
    return ibis.cases(*faults, else_=ibis.null("string"))


def complete(table: ir.Table, names: tuple[str, ...]) -> ir.Table:
    """The named columns, those that are missing as NULL."""
    import ibis

    kinds = {name: KINDS[kind] for name, kind in FOCUS_COLUMNS.items()} | {"x_Month": "date", "x_Day": "date"}
    return table.select(
        **{n: table[n] if n in table.columns else ibis.null(kinds.get(n, "string")) for n in names},
    )
