"""One pass over the bill: rows to groups by classification key and allocation part, with exact sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.columns import KEY, PARTS, SUMS

if TYPE_CHECKING:
    import ibis.expr.types as ir

LONG = "x_Long"
"""Of groups: rows whose amount may have more decimals than the scale."""
_KINDS = {"PricingQuantity": money.QUANTITY, "x_Month": "date", "x_Day": "date"}


def group_rows(rows: ir.Table, by: tuple[str, ...] = (*KEY, *PARTS), same_everywhere: dict[str, Any] | None = None) -> ir.Table:
    """Usable rows grouped by `by`: ``Rows``, the SUMS and ``x_Long``.

    Columns that all rows lack stay out of the grouping, and a column that equals another one is computed once. So do the
    columns of `same_everywhere`, which are known to have this one value in all usable rows: every column less is time.
    """
    import ibis

    usable = rows.filter(rows["x_Bad"].isnull()) if "x_Bad" in rows.columns else rows
    present = [name for name in by if name in rows.columns]
    same = _twins(rows, present)
    sums = _twins(rows, [name for name in SUMS if name in rows.columns])
    known = {n: v for n, v in (same_everywhere or {}).items() if n in present and same[n] == n}
    grouped = usable.group_by([n for n in present if same[n] == n and n not in known]).agg(
        Rows=usable.count(),
        **{name: usable[name].sum() for name, twin in sums.items() if twin == name},
        **{LONG: long_amounts(usable).sum()},
    )
    full = {n: _column(grouped, same.get(n), known, _KINDS.get(n, "string")) for n in by}
    full |= {n: grouped[sums[n]] if n in sums else ibis.null(_KINDS.get(n, money.MONEY)) for n in SUMS}
    kinds = {n: _KINDS.get(n, money.MONEY) for n in SUMS} | {n: _KINDS.get(n, "string") for n in by}
    return grouped.select(**{n: v.cast(kinds[n]) for n, v in full.items()}, Rows=grouped["Rows"], **{LONG: grouped[LONG]})


def _column(grouped: ir.Table, name: str | None, known: dict[str, Any], kind: str) -> ir.Value:
    import ibis

    if name is None:
        return ibis.null(kind)
    return ibis.literal(known[name]).cast(kind) if name in known else grouped[name]


def _twins(rows: ir.Table, names: list[str]) -> dict[str, str]:
    """For each column the first one with the same expression."""
    chosen: dict[str, str] = {}
    values = rows.op().values if hasattr(rows.op(), "values") else {}
    for name in names:
        twin = next((o for o in chosen.values() if name in values and o in values and values[name] == values[o]), name)
        chosen[name] = twin
    return chosen


def long_amounts(rows: ir.Table) -> ir.IntegerValue:
    """1 where an amount may have more decimals than the scale: a sieve without false negatives.

    Text: longer than the scale, or with an exponent that its length does not make harmless: a text of n characters that
    ends in ``E-d`` or ``E-0d`` has at most n - 4 + 9 decimals, one that ends in ``E-1d`` at most n - 5 + 19. Doubles have
    at most 17 digits, so only those below 10^-7 can, and of these not the ones that read back from ten decimals (see
    `money.from_double`): bills are full of them.
    """
    import ibis

    raw = rows["x_BilledRaw"]
    kind = raw.type()
    if kind.is_string():
        size = raw.length()
        harmless = ((size <= 18) & raw.like(["%E-_", "%e-_", "%E-0_", "%e-0_"])) | ((size <= 10) & raw.like(["%E-1_", "%e-1_"]))
        written = (raw.contains("e") | raw.contains("E")) & ~harmless
        return ((size > money.SCALE) | written).cast("int64").fill_null(0)
    if kind.is_floating():
        few = raw.try_cast("decimal(18,10)").cast("float64") == raw
        return ((raw.abs() < 1e-7) & ~few.fill_null(ibis.literal(False))).cast("int64").fill_null(0)
    if kind.is_decimal() and (kind.scale or 0) > money.SCALE:
        return (raw != raw.cast(money.MONEY).cast(kind)).cast("int64").fill_null(0)
    return ibis.literal(0).cast("int64")
