"""Days in the lab, time passed in: woken before the owners' hours, and savings settled from the bill equal to the cent."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from include import settings
from include.catalog.model import Rates
from include.costs.report import write_report
from include.ledger import open_ledger
from include.ledger.sleeps import Sleeps
from include.suspension import bill
from include.suspension.savings import bill_key, saved
from tests.lab.suspension_lab import ACCOUNT, REGION, Staging, staging

START = datetime(2037, 12, 1, tzinfo=UTC)
HOURLY, DISK = Decimal("0.115"), Decimal("0.011")
RATES = Rates.model_validate({"rates": {"aws": {"sizes": {"m5.large": "0.12"}}}, "source": "a list"})
HOLIDAY = START + timedelta(days=24)
SWEEPS = ((6, 15), (6, 30), (6, 45), (12, 0), (19, 0), (19, 15), (22, 0))
Ups = dict[str, dict[datetime, int]]
"""Minutes up, by instance and hour."""


@pytest.fixture(scope="module")
def account() -> Iterator[Staging]:
    with staging() as opened:
        yield opened


def simulated(there: Staging, days: int) -> tuple[list[str], Ups]:
    """Sweep through the days; answers what ran when, as the control plane itself says after each sweep."""
    mine = there.instances(2)
    ups: Ups = {name: {} for name in mine}
    office = {"timezone": "UTC", "periods": [{"weekdays": "mon-fri", "begintime": "07:00", "endtime": "19:00"}]}
    desk = there.desk(schedules={"office": {**office, "holidays": {"country": "DE"}}})
    moments = [START + timedelta(days=day, hours=hour, minutes=minute) for day in range(days) for hour, minute in SWEEPS]
    running, last = set(mine), START
    for now in [*moments, START + timedelta(days=days)]:
        for name in running:
            _count(ups[name], last, now)
        if now.day == 3 and now.hour == 22:  # somebody works late on one of them
            there.start_by_hand(mine[0])
        if now.day == 4 and now.hour == 6 and now.minute == 30:  # a wake-up that fails, and is tried again at the next sweep
            there.lab.no_capacity(region="eu-central-1")
        there.sweep(now, desk)
        there.lab.capacity()
        running = {name for name, state in there.states().items() if state == "running"}
        last = now
        if (now.hour, now.minute) == (6, 45) and now.weekday() < 5 and now.date() != HOLIDAY.date():
            assert set(mine) <= running, f"not up before its owner's hours at {now}"
        if (now.hour, now.minute) == (12, 0) and (now.weekday() >= 5 or now.date() == HOLIDAY.date()):
            assert not set(mine) & running, f"up on a day off at {now}"
    desk.ledger.close()
    return mine, ups


def _count(hours: dict[datetime, int], begin: datetime, end: datetime) -> None:
    moment = begin
    while moment < end:
        hour = moment.replace(minute=0)
        stop = min(hour + timedelta(hours=1), end)
        hours[hour] = hours.get(hour, 0) + int((stop - moment).total_seconds() // 60)
        moment = stop


def written(folder: Path, names: list[str], ups: Ups, days: int) -> None:
    """The bill in FOCUS: for each hour what ran by the minute, and its disk whether it runs or not."""
    folder.mkdir(parents=True)
    fields = "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,BillingPeriodEnd"
    fields += ",BillingAccountId,SubAccountId,RegionId,SkuId,ChargeDescription,ListCost,ContractedCost"
    columns = [*fields.split(","), "ProviderName", "ServiceName", "ServiceCategory", "ChargeCategory", "ResourceId", "Tags"]
    with (folder / "focus.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, columns)
        out.writeheader()
        for hour in (START + timedelta(hours=step) for step in range(days * 24)):
            for name in names:
                used = (HOURLY * ups[name].get(hour, 0) / 60).quantize(Decimal("0.0000000001"))
                for category, cost in (("Compute", used), ("Storage", DISK)):
                    row = {
                        "BilledCost": cost,
                        "EffectiveCost": cost,
                        "ListCost": cost,
                        "ContractedCost": cost,
                        "BillingAccountId": ACCOUNT,
                        "SubAccountId": ACCOUNT,
                        "RegionId": REGION,
                        "SkuId": category,
                        "ChargeDescription": category,
                        "BillingCurrency": "EUR",
                        "ChargePeriodStart": f"{hour:%Y-%m-%dT%H:00:00Z}",
                        "ChargePeriodEnd": f"{hour + timedelta(hours=1):%Y-%m-%dT%H:00:00Z}",
                        "BillingPeriodStart": "2037-12-01T00:00:00Z",
                        "BillingPeriodEnd": "2027-01-01T00:00:00Z",
                        "ProviderName": "AWS",
                        "ServiceName": "Amazon Elastic Compute Cloud",
                        "ServiceCategory": category,
                        "ChargeCategory": "Usage",
                        "ResourceId": name,
                        "Tags": json.dumps({"environment": "staging"}),
                    }
                    out.writerow(row)


@pytest.mark.parametrize("days", [5, pytest.param(30, marks=pytest.mark.full)])
def test_days_are_slept_woken_and_settled(account: Staging, tmp_path: Path, days: int) -> None:
    account.clear()
    mine, ups = simulated(account, days)
    end = START + timedelta(days=days)
    written(tmp_path / "bills", mine, ups, days)
    shutil.copytree(settings.PROJECT / "include" / "platforms" / "example", tmp_path / "platform")
    write_report(tmp_path / "bills", tmp_path / "platform", tmp_path / "out", now=end, month="2037-12")
    ledger = open_ledger(account.url)
    sleeps = Sleeps(ledger).sleeps(START, end)
    resources = {bill_key(one.former.resource): one.former.resource for one in sleeps}
    rows = bill.charges(tmp_path / "out" / "focus", resources.values())
    (found,) = saved(sleeps, rows, account.environments(), RATES, "2037-12", end, "EUR")
    # Counted without sleeps, memories or Parquet: an hour that was not run in full did not cost its missing minutes.
    missing = sum(60 - ups[name].get(START + timedelta(hours=step), 0) for name in mine for step in range(days * 24))
    assert found.settled == (HOURLY * missing / 60).quantize(Decimal("0.01"))
    assert found.counterfactual == found.settled + found.stays + found.other
    assert found.forecast is not None and found.unknown == () and found.owner == "platform"
    assert found.stays == (DISK * found.hours).quantize(Decimal("0.01"))
    assert found.settled > Decimal(days) and found.other > 0  # it slept, and somebody worked late
    bill.write([found], ledger, account.desk().stores, end)
    from include.costs.measured import from_ledger

    (handed,) = from_ledger(ledger, {})
    ledger.close()
    assert (handed.kind, handed.month, handed.subject, handed.owner) == ("suspension", "2037-12", "staging", "platform")
    assert (handed.forecast, handed.settled) == (found.forecast, found.settled)
    account.clear()
