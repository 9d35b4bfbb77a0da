"""One pass over the bill: rows to groups by classification key and allocation part, with exact sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from include.costs import money
from include.costs.columns import KEY, PARTS, SUMS
from include.costs.engines import ROW, DuckDBEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis.expr.types as ir

    from include.costs.engines import Engine

    Beside = Callable[[ir.Table], dict[str, ir.Value]]

LONG = "x_Long"
"""Of groups: rows whose amount may have more decimals than the scale."""
GROUPED = (*KEY, *PARTS, *SUMS, "x_Bad", "x_BilledRaw", "x_Day")
"""Columns that the passes over the rows need; all others stay unread."""
_KINDS = {"PricingQuantity": money.QUANTITY, "x_Month": "date", "x_Day": "date"}


class Rows(Protocol):
    """The FOCUS rows of some files."""

    def __call__(self, only: tuple[str, ...], at: ir.Table | None = None) -> ir.Table:
        """Only these columns; with `at` only the rows whose numbers (`engines.ROW`) it has."""


def _nothing(_: ir.Table) -> dict[str, ir.Value]:
    return {}


def grouped(engine: Engine, rows: Rows, by: tuple[str, ...] = (*KEY, *PARTS), beside: Beside = _nothing) -> ir.Table:
    """`group_rows` by the engine's quickest way. DuckDB keeps the result as a table: drop it when it is read."""
    every = rows((*GROUPED, ROW))
    if not isinstance(engine, DuckDBEngine):
        return group_rows(every, by, beside)
    grouping = _Grouping(every, by, beside)
    if not grouping.by:
        return engine.keep(grouping.complete(grouping.compared()))
    # Rows are told apart by hashes: DuckDB hashes a text once for each entry of a file's dictionary, which takes a third of
    # the time that comparing a dozen texts does. Of each group only the number of a row is kept; its texts are read then.
    hashed = engine.keep(grouping.hashed())
    texts = rows((*GROUPED, ROW), hashed).select(*grouping.by, ROW)
    found = engine.keep(grouping.complete(hashed.join(texts, ROW)))
    engine.drop(hashed.get_name())
    return found


def group_rows(rows: ir.Table, by: tuple[str, ...] = (*KEY, *PARTS), beside: Beside = _nothing) -> ir.Table:
    """Rows grouped by `by`: ``Rows``, the SUMS, ``x_Long``, and what else `beside` adds up.

    Bad rows are left out. Columns that all rows lack stay out of the grouping, and a column that equals another one is
    computed once.
    """
    grouping = _Grouping(rows, by, beside)
    return grouping.complete(grouping.compared())


class _Grouping:
    """One pass: which columns tell groups apart, and what is added up in each."""

    def __init__(self, rows: ir.Table, by: tuple[str, ...], beside: Beside) -> None:
        self._asked = by
        self._rows = rows.filter(rows["x_Bad"].isnull()) if "x_Bad" in rows.columns else rows
        self._same = _twins(rows, [name for name in by if name in rows.columns])
        self._sums = _twins(rows, [name for name in SUMS if name in rows.columns])
        self.by = [name for name, twin in self._same.items() if twin == name]
        self._beside = beside(self._rows)

    def _sought(self) -> dict[str, ir.Value]:
        return {
            "Rows": self._rows.count(),
            **{name: self._rows[name].sum() for name, twin in self._sums.items() if twin == name},
            LONG: long_amounts(self._rows).sum(),
            **self._beside,
        }

    def compared(self) -> ir.Table:
        return self._rows.group_by(self.by).agg(**self._sought())

    def hashed(self) -> ir.Table:
        """By 128 bits of all values together, with the lowest row number of each group instead of its values (DuckDB)."""
        values = [self._rows[name] for name in self.by]
        one, other = hash_of(values), hash_of(values[::-1])
        found = self._rows.group_by(x_One=one, x_Other=other).agg(**{ROW: self._rows[ROW].min()}, **self._sought())
        return found.drop("x_One", "x_Other")

    def complete(self, found: ir.Table) -> ir.Table:
        """All columns asked for: twins from their first, missing ones as NULL."""
        import ibis

        full = {n: found[self._same[n]] if n in self._same else ibis.null(_KINDS.get(n, "string")) for n in self._asked}
        full |= {n: found[self._sums[n]] if n in self._sums else ibis.null(_KINDS.get(n, money.MONEY)) for n in SUMS}
        kinds = {n: _KINDS.get(n, "string") for n in self._asked} | {n: _KINDS.get(n, money.MONEY) for n in SUMS}
        rest = ("Rows", LONG, *self._beside)
        return found.select(**{n: v.cast(kinds[n]) for n, v in full.items()}, **{n: found[n] for n in rest})


def hash_of(values: Sequence[ir.Value]) -> ir.Value:
    """64 bits of some values together (DuckDB)."""
    import ibis

    return _hash(ibis.struct({f"h{i}": _hash(value) for i, value in enumerate(values)}))


def _hash(value: ir.Value) -> ir.Value:
    """DuckDB's own function. Ibis's `hash` casts its result to a signed number, by way of a text of bits."""
    import ibis

    def hash(value: object) -> None: ...

    return ibis.udf.scalar.builtin(hash, signature=((value.type(),), "uint64"))(value)


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
        few = (raw.try_cast("decimal(18,10)").cast("float64") == raw).fill_null(ibis.literal(False))
        return ibis.cases((raw.abs() < 1e-7, (~few).cast("int64")), else_=ibis.literal(0).cast("int64"))
    if kind.is_decimal() and (kind.scale or 0) > money.SCALE:
        return (raw != raw.cast(money.MONEY).cast(kind)).cast("int64").fill_null(0)
    return raw.isnull().cast("int64") * 0  # a column, which can be added up, and not a number
