"""Tenant margin: revenue less cost to serve, in one currency where a rate is declared, apart where none is."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from include.costs import money
from include.costs.allocation import NO_TENANT, REMAINDER, Share, is_transfer
from include.costs.keys import Declared
from include.values import Frozen


class TenantMargin(Frozen):
    """One tenant in one currency and month. Margin is None where no revenue is declared."""

    month: str
    tenant: str
    currency: str
    cost: Decimal
    transfer: Decimal
    revenue: Decimal | None

    @property
    def margin(self) -> Decimal | None:
        return None if self.revenue is None else money.EXACT.subtract(self.revenue, self.cost)


def margins(shares: list[Share], declared: Declared, currency: str | None) -> tuple[list[TenantMargin], list[str]]:
    """Margins by month and tenant (effective cost), and what could not be converted, for the reader.

    Without `currency` nothing is converted. With it, amounts without a declared rate stay in their own currency.
    """
    cost: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    missing: set[str] = set()
    for s in shares:
        found = declared.rate(s.month, s.currency, currency) if currency else None
        if currency and found is None:
            missing.add(f"no rate from {s.currency} to {currency} for {s.month}: kept in {s.currency}")
        unit, rate = (currency, found[0]) if currency and found else (s.currency, Decimal(1))
        slot = cost[(s.month, s.tenant, unit)]
        slot[0] = money.EXACT.add(slot[0], money.EXACT.multiply(s.effective, rate))
        if is_transfer(s.transfer_class):
            slot[1] = money.EXACT.add(slot[1], money.EXACT.multiply(s.effective, rate))
    revenue: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for (month, tenant, given), amount in declared.revenue.items():
        found = declared.rate(month, given, currency) if currency else None
        unit, rate = (currency, found[0]) if currency and found else (given, Decimal(1))
        revenue[(month, tenant, unit)] += money.EXACT.multiply(amount, rate)
    months = {s.month for s in shares}
    keys = {*cost, *(k for k in revenue if k[0] in months)}
    rows = [
        TenantMargin(
            month=m, tenant=t, currency=c, cost=cost[m, t, c][0], transfer=cost[m, t, c][1], revenue=revenue.get((m, t, c))
        )
        for m, t, c in sorted(keys)
    ]
    return sorted(rows, key=lambda r: (r.month, r.tenant in (NO_TENANT, REMAINDER), r.tenant, r.currency)), sorted(missing)
