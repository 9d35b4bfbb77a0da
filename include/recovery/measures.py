"""RPO and RTO of a drill, from instants and data. Pure, but for writing what was measured to the journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from include.catalog.model import Rate, Rates
from include.evidence.wording import brief
from include.recovery.forecast import BYTES_PER_GB, price
from include.recovery.journal import Journal
from include.recovery.model import Check, Forecast, Outcome, PlanItem, RecoveryPoint
from include.values import format_duration


def measure(journal: Journal, item: PlanItem, newest: datetime | str) -> None:
    """RTO: decision to first passed question. RPO: reference time minus the newest committed business timestamp.

    The reference is the target's time, or the decision when the latest state was asked for.
    """
    decided, answered = journal.first("decided"), journal.first("answered")
    if decided is None or answered is None:
        detail = "no business question passed, so nobody knows when the service would have been back"
        journal.add_checks([Check(name="rto", layer="target", outcome=Outcome.UNKNOWN, detail=detail)])
    else:
        journal.add_checks([_against("rto", answered[0] - decided[0], item.rto)])
    if isinstance(newest, str):
        journal.add_checks([Check(name="rpo", layer="target", outcome=Outcome.UNKNOWN, detail=newest)])
    elif item.target.point_id is not None:
        detail = "an older recovery point was asked for by name, so its age says nothing of the RPO"
        journal.add_checks([Check(name="rpo", layer="target", outcome=Outcome.UNSUPPORTED, detail=detail)])
    else:
        reference = item.target.time or (decided[0] if decided else item.planned_at)
        journal.add_checks([rpo_check(reference, newest, item.rpo)])


def rpo_check(reference: datetime, newest: datetime, target: timedelta) -> Check:
    """The check ``rpo``: `reference` minus the newest committed business event of the restored data, against the target."""
    told = (
        f"; the newest business event in the restored data is of {newest.isoformat(timespec='seconds')}. Either the recovery "
        "point lacks what production committed since, or nothing was written: then business_time needs a heartbeat "
        "(docs/catalog.md)"
    )
    return _against("rpo", max(reference - newest, timedelta(0)), target, told)


def _against(name: str, measured: timedelta, target: timedelta, told: str = "") -> Check:
    passed = measured <= target
    detail = "" if passed else f"{name.upper()} missed by {brief((measured - target).total_seconds())}{told}"
    return Check(
        name=name,
        layer="target",
        outcome=Outcome.PASSED if passed else Outcome.FAILED,
        measured=f"{measured.total_seconds():.3f}s",
        threshold=format_duration(target),
        detail=detail,
    )


def cost_so_far(forecast: Forecast, elapsed: timedelta, rate: Rate | None = None, size_bytes: int | None = None) -> Decimal:
    """What a drill has cost after `elapsed`, in the platform's currency; the bill settles it later.

    By duration and size at the rates of rates.yaml, by the forecast's own formula with what is measured: the recovery point's
    size and the time since the decision. Without a rate or a size: the forecast's price per second, to two decimals.
    """
    if rate is not None and size_bytes is not None:
        return price(rate, Decimal(size_bytes) / BYTES_PER_GB, elapsed)
    seconds = max(forecast.duration.total_seconds(), 1.0)
    spent = forecast.cost * Decimal(str(elapsed.total_seconds())) / Decimal(str(seconds))
    return spent.quantize(Decimal("0.01"))


def spent(rates: Rates | None, item: PlanItem, point: RecoveryPoint | None, elapsed: timedelta) -> Decimal:
    """`cost_so_far` of a planned drill, with the catalog's rates and the point that it chose."""
    rate = rates.rates.get(item.cloud) if rates else None
    return cost_so_far(item.forecast, elapsed, rate, point.size_bytes if point else None)
