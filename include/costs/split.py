"""Exact splits: every amount is given away once, and what cannot be divided is named."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from include.costs import money

STEP = Decimal(1).scaleb(-money.SCALE)


def split(amount: Decimal, weights: dict[str, Decimal]) -> tuple[dict[str, Decimal], Decimal]:
    """Shares of an amount by weight, and the remainder: ``sum(shares) + remainder == amount``, exactly.

    Shares are rounded towards zero at the 24th decimal, so the remainder has the amount's sign and is below one step a
    share. Names without a positive weight get nothing; with no positive weight at all everything is remainder.
    """
    positive = {name: weight for name, weight in weights.items() if weight > 0}
    whole = money.add(positive.values())
    if not positive or not amount:
        return {}, amount
    shares = {}
    for name, weight in sorted(positive.items()):
        exact = money.EXACT.divide(money.EXACT.multiply(amount, weight), whole)
        shares[name] = exact.quantize(STEP, rounding=ROUND_DOWN, context=money.EXACT)
    return shares, money.EXACT.subtract(amount, money.add(shares.values()))
