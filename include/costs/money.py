"""Money as DECIMAL: how amounts are parsed, and what happens to digits beyond the scale.

Every amount is DECIMAL(38, 24): 14 digits before the point, 24 behind it. Text is parsed as text. A Parquet double is
taken as its shortest decimal rendering (the one that reads back to the same double, as Python's ``repr`` gives it).
Amounts with more than 24 decimals are found and their rest is added to the totals exactly (see `include.costs.residue`).
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

SCALE = 24
MONEY = f"decimal(38,{SCALE})"
QUANTITY = "decimal(38,12)"
"""Quantities reach 10^15 bytes a row: more digits before the point, twelve behind it."""

EXACT = Context(prec=200)
"""For sums in Python: no bill has 200 digits, so nothing is ever rounded."""


def add(amounts: Any) -> Decimal:
    """The exact sum of Decimals, independent of the caller's decimal context."""
    # One change of context for all: a call of `EXACT.add` for each amount takes five times as long.
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))


def plain(amount: Decimal) -> str:
    """An amount as text without exponent and without trailing zeros: ``-0.00000000729``, ``12.5``, ``0``."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def from_text(text: ir.StringValue, kind: str = MONEY) -> ir.Value:
    """Parse text; NULL where it is not a number. ``1,234.5`` is not one: no export writes it, and guessing loses money."""
    return text.try_cast(kind)


def from_double(value: ir.FloatingValue, *, fast: bool) -> ir.Value:
    """The shortest decimal rendering of a double, as DECIMAL.

    With `fast` (DuckDB) amounts below 100,000 with up to ten decimals skip the text: a decimal of at most 15
    significant digits that reads back to the same double is its shortest rendering, because two such decimals never
    share a double (IEEE 754 binary64 keeps 15 digits).
    """
    import ibis

    exact = value.cast("string").try_cast(MONEY)
    if not fast:
        return exact
    short = value.try_cast("decimal(18,10)")
    same = (value.abs() < 1e5) & (short.cast("float64") == value)
    return ibis.cases((same, short.cast(MONEY)), else_=exact)


def plus(left: ir.Value, right: ir.Value) -> ir.Value:
    """The exact sum of two amounts. One digit is taken off both first: Spark shortens the scale of a 39-digit sum."""
    room = f"decimal(37,{SCALE})"
    return (left.try_cast(room) + right.try_cast(room)).cast(MONEY)


def times(price: ir.Value, quantity: ir.Value) -> ir.Value:
    """Price times quantity, twelve decimals each, so that the product has 24 on every engine; NULL where one is missing."""
    half = "decimal(19,12)"
    return (price.try_cast(half) * quantity.try_cast(half)).cast(MONEY)


def decimals_of(text: ir.StringValue) -> ir.IntegerValue:
    """How many decimals a number written as text has, exponents counted: ``6.19E-09`` has 11."""
    fraction = text.re_extract(r"\.([0-9]+)", 1).length().fill_null(0)
    exponent = text.re_extract(r"[eE]([+-]?[0-9]+)", 1).nullif("").cast("int64").fill_null(0)
    return fraction - exponent
