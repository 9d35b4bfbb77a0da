"""Digits behind the scale: the exact rest of amounts with more than 24 decimals, added to the totals in Python."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from include.costs import money
from include.costs.gather import long_amounts

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.engines import Engine


def residues(engine: Engine, rows: ir.Table) -> dict[tuple[str, str, str], Decimal]:
    """By provider, currency and month (``YYYY-MM``): what the scale of DECIMAL(38, 24) took off BilledCost. Usually empty.

    Only rows that the sieve of `gather.long_amounts` let through are looked at; equal amounts are fetched once.
    Google Cloud's credits are added to the cost before this, so a rest there is the rest of the cost.
    """
    import ibis

    raw = rows["x_BilledRaw"]
    text = raw.cast("string")
    # The sieve first, in a CASE: the patterns must not run on every row of a large bill.
    beyond = ibis.cases((long_amounts(rows) == 1, money.decimals_of(text) > money.SCALE), else_=ibis.literal(False))
    long = rows.filter(rows["x_Bad"].isnull() & beyond)
    provider = long["ProviderName"] if "ProviderName" in rows.columns else ibis.literal("(not named)")
    found = long.group_by(
        provider=provider, currency=long["BillingCurrency"], month=long["x_Month"], text=long["x_BilledRaw"].cast("string")
    ).agg(rows=long.count(), value=money.from_text(long["x_BilledRaw"].cast("string")).max())
    rests: dict[tuple[str, str, str], Decimal] = {}
    for row in engine.fetch(found).to_pylist():
        key = (row["provider"], row["currency"], f"{row['month']:%Y-%m}")
        rest = money.EXACT.subtract(Decimal(row["text"]), row["value"])
        rests[key] = money.EXACT.add(rests.get(key, Decimal(0)), money.EXACT.multiply(rest, Decimal(row["rows"])))
    return rests
