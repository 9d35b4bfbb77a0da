"""What sleep saved: forecast by rates before, settled from the bill afterwards. Pure; amounts are exact fractions until shown.

Settled, for each resource and each hour that its sleep touches: what it cost in an hour while it was up (the mean over the hours
before that sleep), less what the bill says of that hour. So storage that stays, a wake-up that failed and hours in which
somebody started it by hand are paid out of the saving, as they are on the bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from include.catalog.model import Environment, Rates
from include.suspension.model import FormerState, Resource
from include.values import Frozen

if TYPE_CHECKING:
    from include.ledger.sleeps import Sleep
    from include.suspension.decision import Decision

HOUR = timedelta(hours=1)
BEFORE = 24
"""Hours of being up, at most, whose mean is what an hour costs."""
CENT = Decimal("0.01")


class Charge(NamedTuple):
    """One row of the bill, as far as it is asked: whose, when, how much, and of which kind."""

    resource: str
    """`Resource.billed_as`, or ``key=value`` of `Resource.billed_tag`."""
    start: datetime
    end: datetime
    cost: Decimal
    storage: bool = False


class Saved(Frozen):
    """One environment's month."""

    month: str
    environment: str
    owner: str
    currency: str
    hours: int
    """Hours that were touched by sleep, over all resources."""
    forecast: Decimal | None
    """By rates and planned hours. None: rates.yaml has no price of at least one machine type."""
    settled: Decimal | None
    """None: the bill has no row of at least one resource in the hours before its sleep."""
    counterfactual: Decimal = Decimal(0)
    stays: Decimal = Decimal(0)
    """Storage that was paid meanwhile."""
    other: Decimal = Decimal(0)
    """Everything else that was paid meanwhile: failed wake-ups, starts by hand, parts of hours."""
    unknown: tuple[str, ...] = ()
    """Resources without a price or without rows: why forecast or settled is None."""


class _Settled(NamedTuple):
    hours: int
    expected: Fraction
    stays: Fraction
    other: Fraction


def months(sleeps: Iterable[Sleep], now: datetime) -> list[str]:
    """The months that any sleep touches, in order."""
    found = set()
    for sleep in sleeps:
        moment, end = sleep.former.taken_at, sleep.woken_at or now
        while moment < end:
            found.add(f"{moment:%Y-%m}")
            moment = _next_month(moment)
    return sorted(found)


def saved(
    sleeps: Sequence[Sleep],
    charges: Iterable[Charge],
    environments: dict[str, Environment],
    rates: Rates | None,
    month: str,
    now: datetime,
    currency: str,
) -> list[Saved]:
    """What each environment saved in a month (UTC), up to `now`. `charges` may hold rows of anything and of any time."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    until = min(_next_month(start), now)
    billed: dict[str, list[Charge]] = defaultdict(list)
    for charge in charges:
        billed[charge.resource].append(charge)
    by_resource: dict[str, list[Sleep]] = defaultdict(list)
    for sleep in sorted(sleeps, key=lambda one: (one.former.taken_at, one.former.generation)):
        by_resource[sleep.former.key].append(sleep)
    rows: dict[str, list[tuple[str, Fraction | None, _Settled | None]]] = defaultdict(list)
    for key, mine in by_resource.items():
        forecast = _forecast(mine, rates, start, until)
        settled = _settle(mine, billed, start, until, now)
        rows[mine[-1].former.environment].append((key, forecast, settled))
    return [_sum(name, found, environments.get(name), month, currency) for name, found in sorted(rows.items())]


def bill_key(resource: Resource) -> str:
    """How a resource's rows are found in the bill."""
    return "=".join(resource.billed_tag) if resource.billed_tag else resource.billed_as


def touched(sleeps: Sequence[Sleep], now: datetime) -> list[tuple[datetime, datetime]]:
    """Whole hours that each sleep touches, none twice: a later sleep begins where an earlier one ended."""
    found: list[tuple[datetime, datetime]] = []
    for sleep in sleeps:
        start = sleep.former.taken_at.replace(minute=0, second=0, microsecond=0)
        end = sleep.woken_at or now
        whole = end.replace(minute=0, second=0, microsecond=0)
        end = whole + HOUR if end > whole else whole
        if found:
            start = max(start, found[-1][1])
        found.append((start, max(start, end)))
    return found


def _settle(
    sleeps: Sequence[Sleep], billed: dict[str, list[Charge]], start: datetime, until: datetime, now: datetime
) -> _Settled | None:
    """One resource's month from its rows. None when the bill knows no hour of it before a sleep of the month."""
    rows = billed.get(bill_key(sleeps[-1].former.resource), [])
    cost, storage = _by_hour(rows)
    spans = touched(sleeps, now)
    asleep = {hour for begin, end in spans for hour in _hours(begin, end)}
    hours, expected, stays, other = 0, Fraction(0), Fraction(0), Fraction(0)
    rate: Fraction | None = None
    for begin, end in spans:
        up = [hour for hour in sorted(cost) if hour < begin and hour not in asleep][-BEFORE:]
        rate = sum((cost[hour] for hour in up), Fraction(0)) / len(up) if up else rate
        inside = [hour for hour in _hours(begin, end) if start <= hour < until]
        if inside and rate is None:
            return None
        hours += len(inside)
        expected += (rate or 0) * len(inside)
        stays += sum((storage.get(hour, Fraction(0)) for hour in inside), Fraction(0))
        other += sum((cost.get(hour, Fraction(0)) - storage.get(hour, Fraction(0)) for hour in inside), Fraction(0))
    return _Settled(hours, expected, stays, other)


def _by_hour(rows: Iterable[Charge]) -> tuple[dict[datetime, Fraction], dict[datetime, Fraction]]:
    """Cost, and the storage in it, by hour. A row that is longer than an hour is spread evenly."""
    cost: dict[datetime, Fraction] = defaultdict(Fraction)
    storage: dict[datetime, Fraction] = defaultdict(Fraction)
    for row in rows:
        parts = _hours(row.start, row.end) or [row.start.replace(minute=0, second=0, microsecond=0)]
        for hour in parts:
            cost[hour] += Fraction(row.cost) / len(parts)
            if row.storage:
                storage[hour] += Fraction(row.cost) / len(parts)
    return cost, storage


def _hours(begin: datetime, end: datetime) -> list[datetime]:
    """The beginnings of the hours from `begin` until before `end`."""
    first = begin.replace(minute=0, second=0, microsecond=0)
    return [first + HOUR * step for step in range(max(0, -((first - end) // HOUR)))]


def price(former: FormerState, rates: Rates | None) -> Decimal | None:
    """What a former state costs in an hour by rates.yaml; None where its machine type has no price."""
    return hourly(former.resource, rates)


def hourly(resource: Resource, rates: Rates | None) -> Decimal | None:
    """What a resource that is up costs in an hour by rates.yaml; None where its machine type has no price."""
    rate = rates.rates.get(resource.cloud) if rates else None
    known = rate.sizes.get(resource.instance_type or "") if rate else None
    return None if known is None else known * max(resource.count, 1)


class Foreseen(NamedTuple):
    """What the stops of a plan would save until each is woken."""

    amount: Decimal
    unknown: tuple[str, ...]
    """Names of those without a price in rates.yaml, or without a time at which they wake: not in the amount."""


def foreseen(stops: Iterable[tuple[Resource, Decision]], now: datetime, rates: Rates | None) -> Foreseen:
    """The forecast of what is decided to be stopped at `now`, in the platform's currency."""
    total, unknown = Fraction(0), []
    for resource, decision in stops:
        known = hourly(resource, rates)
        if known is None or decision.until is None:
            unknown.append(decision.name)
        else:
            total += _for(known, now, decision.until)
    return Foreseen(cents(total), tuple(sorted(unknown)))


def _for(rate: Decimal, begin: datetime, end: datetime) -> Fraction:
    """The price of a span of time at a rate an hour."""
    return Fraction(rate) * Fraction((end - begin) // timedelta(microseconds=1), 3_600_000_000)


def _forecast(sleeps: Sequence[Sleep], rates: Rates | None, start: datetime, until: datetime) -> Fraction | None:
    """By rates, for the hours that were planned when it was put to sleep."""
    total = Fraction(0)
    for sleep in sleeps:
        known = price(sleep.former, rates)
        if known is None:
            return None
        begin = max(sleep.former.taken_at, start)
        planned = sleep.former.expected_until or sleep.woken_at or until
        end = min(planned, _next_month(start))
        if end > begin:
            total += _for(known, begin, end)
    return total


def _sum(
    name: str,
    rows: Sequence[tuple[str, Fraction | None, _Settled | None]],
    environment: Environment | None,
    month: str,
    currency: str,
) -> Saved:
    forecasts = [forecast for _, forecast, _ in rows]
    settled = [one for _, _, one in rows]
    known = [one for one in settled if one is not None]
    expected = sum((one.expected for one in known), Fraction(0))
    stays, other = sum((one.stays for one in known), Fraction(0)), sum((one.other for one in known), Fraction(0))
    return Saved(
        month=month,
        environment=name,
        owner=environment.owner if environment else "",
        currency=currency,
        hours=sum(one.hours for one in known),
        forecast=cents(sum((one for one in forecasts if one is not None), Fraction(0))) if None not in forecasts else None,
        settled=cents(expected - stays - other) if None not in settled else None,
        counterfactual=cents(expected),
        stays=cents(stays),
        other=cents(other),
        unknown=tuple(sorted(key for key, forecast, one in rows if forecast is None or one is None)),
    )


def cents(value: Fraction) -> Decimal:
    """Rounded once, half up, at the very end."""
    sign, (whole, rest) = (1 if value >= 0 else -1), divmod(abs(value) * 100, 1)
    return (sign * (Decimal(int(whole)) + (1 if rest >= Fraction(1, 2) else 0)) / 100).quantize(CENT, ROUND_HALF_UP)


def _next_month(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
