"""Findings: what a person should look at, each with an amount, a confidence and the rows behind it. Pure decisions."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from include.costs import money
from include.costs.allocation import CROSS_CLOUD, Share
from include.costs.bill import Daily, Fact
from include.costs.classify import UNCLASSIFIED
from include.costs.settings import CostSettings
from include.values import Frozen

PRICES = Path(__file__).parent / "rules" / "list_prices.csv"
CLOSE = Decimal("0.10")
"""Two volumes are the same data when they differ by at most this share."""


class Finding(Frozen):
    """One finding. `where` filters the FOCUS rows behind it: column → value."""

    kind: str
    title: str
    month: str
    currency: str
    amount: Decimal
    """What could be saved, or what was spent beyond the usual."""
    confidence: str
    """high, medium or low, with the reason in `why`."""
    why: str
    where: dict[str, str]


def find(facts: list[Fact], shares: list[Share], daily: list[Daily], settings: CostSettings) -> list[Finding]:
    """All findings, the largest first."""
    found = [
        *anomalies(daily, settings),
        *replicated(shares),
        *chatty(daily),
        *nat(facts),
        *above_list(facts, settings),
    ]
    return sorted(found, key=lambda f: (-f.amount, f.title))


def anomalies(daily: list[Daily], settings: CostSettings) -> list[Finding]:
    """Days of a route far above the median of the same weekday in the four weeks before (two past days at least)."""
    series: dict[tuple[str, str, str, str, str, str], dict[Any, Decimal]] = defaultdict(dict)
    months: dict[tuple[Any, ...], str] = {}
    for d in daily:
        key = (d.provider, d.currency, d.transfer_class, d.origin, d.to, d.service)
        series[key][d.day] = money.EXACT.add(series[key].get(d.day, Decimal(0)), d.billed)
        months[(key, d.day)] = d.month
    found = []
    for key, days in series.items():
        for day, cost in days.items():
            past = [days[day - timedelta(weeks=w)] for w in range(1, 5) if day - timedelta(weeks=w) in days]
            usual = median(past) if len(past) >= 2 else None
            if usual is None or cost < usual * settings.anomaly_factor or cost - usual < settings.anomaly_least:
                continue
            provider, currency, name, origin, to, service = key
            found.append(
                Finding(
                    kind="anomaly",
                    title=f"{service or provider}: {name.replace('_', ' ')} from {origin or '?'} to {to or '?'} on {day}",
                    month=months[(key, day)],
                    currency=currency,
                    amount=cost - usual,
                    confidence="high" if len(past) == 4 else "medium",
                    why=f"{cost:,.2f} against a median of {usual:,.2f} on {len(past)} earlier {day:%A}s",
                    where=_where(provider, name, origin, to)
                    | {"day": day.isoformat()}
                    | ({"service": service} if service else {}),
                )
            )
    return found


def replicated(shares: list[Share]) -> list[Finding]:
    """One service sends nearly the same volume from one place to two other clouds in a month."""
    volume: dict[tuple[str, ...], dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [Decimal(0)] * 2))
    for s in shares:
        if s.transfer_class == CROSS_CLOUD and s.gb > 0:
            slot = volume[(s.month, s.provider, s.currency, s.service)][s.to]
            slot[0], slot[1] = money.EXACT.add(slot[0], s.gb), money.EXACT.add(slot[1], s.billed)
    found = []
    for (month, provider, currency, service), places in volume.items():
        for one, two in combinations(sorted(places), 2):
            gb = sorted((places[one][0], places[two][0]))
            if one.split("/")[0] == two.split("/")[0] or gb[0] < gb[1] * (1 - CLOSE):
                continue
            gap = (gb[1] - gb[0]) / gb[1]
            found.append(
                Finding(
                    kind="replicated twice",
                    title=f"{service} sends the same volume to {one} and {two}",
                    month=month,
                    currency=currency,
                    amount=min(places[one][1], places[two][1]),
                    confidence="medium" if gap < Decimal("0.02") else "low",
                    why=f"{gb[0]:.0f} GB and {gb[1]:.0f} GB, {gap:.1%} apart; the bill shows volumes, not contents",
                    where={"ProviderName": provider, "service": service, "class": "internet_egress"},
                )
            )
    return found


def chatty(daily: list[Daily]) -> list[Finding]:
    """Two services whose traffic between zones of a region goes up and down together, day by day."""
    series: dict[tuple[str, ...], dict[str, dict[Any, list[Decimal]]]] = defaultdict(lambda: defaultdict(dict))
    for d in daily:
        if d.transfer_class == "inter_zone" and d.service:
            slot = series[(d.month, d.provider, d.currency, d.origin)][d.service].setdefault(d.day, [Decimal(0), Decimal(0)])
            slot[0], slot[1] = slot[0] + d.gb, slot[1] + d.billed
    found = []
    for (month, provider, currency, region), services in series.items():
        for one, two in combinations(sorted(services), 2):
            days = sorted(services[one].keys() & services[two].keys())
            like = _correlation([services[one][d][0] for d in days], [services[two][d][0] for d in days])
            gb = sorted(sum((services[s][d][0] for d in days), Decimal(0)) for s in (one, two))
            if len(days) < 10 or like < 0.9 or gb[0] < gb[1] * (1 - 2 * CLOSE):
                continue
            cost = money.add(services[s][d][1] for s in (one, two) for d in days)
            found.append(
                Finding(
                    kind="chatty pair",
                    title=f"{one} and {two} talk across zones of {region}",
                    month=month,
                    currency=currency,
                    amount=cost,
                    confidence="medium" if like > 0.97 else "low",
                    why=f"daily volumes of {gb[0]:.0f} and {gb[1]:.0f} GB move together on {len(days)} days ({like:.2f})",
                    where=_where(provider, "inter_zone", region, region) | {"services": f"{one}|{two}"},
                )
            )
    return found


def _correlation(left: list[Decimal], right: list[Decimal]) -> float:
    """Pearson's coefficient; 0 where one side does not move."""
    from statistics import StatisticsError, correlation

    try:
        return correlation([float(v) for v in left], [float(v) for v in right])
    except StatisticsError:
        return 0.0


def nat(facts: list[Fact]) -> list[Finding]:
    """NAT processing in a place where storage of the same cloud is used too: a private endpoint carries that for nothing."""
    cost: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    stored: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for f in facts:
        if f.transfer_class == "nat_processing":
            key = (f.month, f.provider, f.currency, f.origin)
            cost[key] = money.EXACT.add(cost[key], f.billed)
        elif "storage" in f.service_name.lower() or "S3" in f.service_name:
            stored[(f.month, f.provider)] += f.billed
    return [
        Finding(
            kind="NAT instead of endpoint",
            title=f"{provider}: NAT processing in {origin or '?'} beside object storage of the same cloud",
            month=month,
            currency=currency,
            amount=amount,
            confidence="low",
            why="an upper bound: the bill does not say how much of it went to storage; private endpoints process that free",
            where=_where(provider, "nat_processing", origin, "NAT gateway"),
        )
        for (month, provider, currency, origin), amount in cost.items()
        if amount > 0 and (month, provider) in stored
    ]


def above_list(facts: list[Fact], settings: CostSettings) -> list[Finding]:
    """Classes paid above the bill's own list cost, or above the highest public price where the bill gives no list cost."""
    with PRICES.open(encoding="utf-8", newline="") as file:
        prices = {(r["provider"], r["class"], r["currency"]): Decimal(r["highest_per_gb"]) for r in csv.DictReader(file)}
    sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0), Decimal(0)])
    for f in facts:
        if f.gb > 0 and f.billed > 0 and f.transfer_class != UNCLASSIFIED:
            slot = sums[(f.month, f.provider, f.currency, f.transfer_class, f.origin, f.to)]
            for i, value in enumerate((f.billed, f.listed, f.gb)):
                slot[i] = money.EXACT.add(slot[i], value)
    found = []
    for (month, provider, currency, name, origin, to), (billed, listed, gb) in sums.items():
        highest = prices.get((provider, name, currency))
        by_bill = listed > 0 and listed != billed
        usual = listed if by_bill else highest * gb if highest is not None else None
        if usual is None or billed <= usual * (1 + settings.list_price_tolerance):
            continue
        found.append(
            Finding(
                kind="above list price",
                title=f"{provider}: {name.replace('_', ' ')} from {origin or '?'} to {to or '?'} costs {billed / gb:.4f} a GB",
                month=month,
                currency=currency,
                amount=billed - usual,
                confidence="high" if by_bill else "medium",
                why=f"list: {usual / gb:.4f} a GB, {'from the bill' if by_bill else 'highest public price, see list_prices.csv'}",
                where=_where(provider, name, origin, to),
            )
        )
    return found


def _where(provider: str, name: str, origin: str, to: str) -> dict[str, str]:
    return {"ProviderName": provider, "class": name, "from": origin, "to": to}
