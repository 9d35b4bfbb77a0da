"""Headers, settings with line numbers, months, the calendar, findings' decisions, text of money."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from include.costs import money
from include.costs.bill import Daily
from include.costs.calendar import months_due
from include.costs.deliveries import age
from include.costs.findings import anomalies, chatty
from include.costs.headers import NotBilling, recognise
from include.costs.intake import BillingFile
from include.costs.keys import load_declared
from include.costs.months import state_of
from include.costs.settings import CostsError, CostSettings, load_settings
from include.costs.signing import keep_beside, note_for, of_month
from include.costs.workbook import safe_text

NOW = datetime(2026, 11, 6, 5, tzinfo=UTC)


_CUR = ("line_item_usage_account_id", "lineItem/UsageType")
_ACCOUNT = ("BillingAccountId",)


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        ([*_CUR, "lineItem/UnblendedCost", "lineItem/CurrencyCode", "lineItem/UsageStartDate"], "cur"),
        ([*_CUR, "LINE_ITEM_UNBLENDED_COST", "line_item_currency_code", "bill_billing_period_start_date"], "cur"),
        (["BilledCost", "BillingCurrency", "ChargePeriodStart", "x_SkuMeterName", "meterCategory", "cost", *_ACCOUNT], "focus"),
        (["costInBillingCurrency", "billingCurrency", "date", "meterCategory", *_ACCOUNT], "azure"),
        (["Cost", "Currency", "UsageDate", "MeterName", "SubscriptionGuid"], "azure"),
        (["cost", "currency", "sku", "sku.description", "usage_start_time", "billing_account_id"], "google"),
    ],
)
def test_an_export_is_known_by_its_columns(columns: list[str], shape: str) -> None:
    assert recognise(columns).shape == shape


def test_a_missing_column_is_named() -> None:
    with pytest.raises(NotBilling, match="looks like FOCUS, but has no column billingcurrency"):
        recognise(["BilledCost", "EffectiveCost", "ChargeCategory", "ChargePeriodStart"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency: euro\n", "line 1, field currency"),
        ("tags:\n  service: [a]\n  nope: 1\n", "line 3, field tags.nope"),
        ("owned:\n  - service: x\n", "line 2"),
        ("a: [\n", "not YAML"),
    ],
)
def test_faults_of_costs_yaml_name_their_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "costs.yaml").write_text(text)
    with pytest.raises(CostsError, match=said):
        load_settings(tmp_path)


def test_faults_of_the_keys_file_name_their_line(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("month,key,kind,name,weight\n*,orders,service,a,1\n*,orders,service,b,many\n")
    with pytest.raises(CostsError, match="line 3, field weight: 'many'"):
        load_declared(tmp_path, CostSettings(keys="keys.csv"))


def test_a_month_is_draft_then_final_then_restated(tmp_path: Path) -> None:
    totals = {"month": "2026-10", "billed_cost": {"AWS": {"USD": "10"}}, "effective_cost": {}, "transfer_cost": {}}
    (tmp_path / "totals.json").write_text(json.dumps(totals))
    assert state_of(tmp_path, "2026-10", totals).state == "draft"
    note = note_for(tmp_path, "2026-10", "anna-wolf", NOW)
    keep_beside(tmp_path, note)
    assert note.event == "costs_signed" and note.by == "anna-wolf"
    assert state_of(tmp_path, "2026-10", totals).state == "final"
    later = state_of(tmp_path, "2026-10", totals | {"billed_cost": {"AWS": {"USD": "12.5"}}})
    assert later.state == "restated" and [d.change for d in later.differences] == [Decimal("2.5")]
    with pytest.raises(ValueError, match="not of 2026-09"):
        note_for(tmp_path, "2026-09", "anna-wolf", NOW)


def test_the_evidence_counts_where_a_copy_was_changed_or_lost(tmp_path: Path) -> None:
    totals = {"month": "2026-10", "billed_cost": {"AWS": {"USD": "10"}}}
    (tmp_path / "totals.json").write_text(json.dumps(totals))
    note = note_for(tmp_path, "2026-10", "anna-wolf", NOW)
    keep_beside(tmp_path, note)
    sealed = of_month([note], "2026-10")
    assert state_of(tmp_path, "2026-10", totals, sealed).problems == ()
    copy = tmp_path / "issued" / "2026-10.v1.json"
    copy.write_text(copy.read_text().replace('"10"', '"12"'))
    later = state_of(tmp_path, "2026-10", totals, sealed)
    assert later.state == "final" and "changed after anna-wolf signed" in later.problems[0]
    copy.unlink()
    assert state_of(tmp_path, "2026-10", totals, sealed).state == "final"
    assert note_for(tmp_path, "2026-10", "anna-wolf", NOW, before=1).detail["version"] == 2


def test_the_last_month_is_renewed_until_it_is_signed(tmp_path: Path) -> None:
    late = NOW.replace(day=20)
    assert months_due(tmp_path, late) == ["2026-10", "2026-11"]
    (tmp_path / "2026-10").mkdir()
    (tmp_path / "2026-10" / "totals.json").write_text(json.dumps({"month": "2026-10"}))
    keep_beside(tmp_path / "2026-10", note_for(tmp_path / "2026-10", "2026-10", "anna-wolf", NOW))
    assert months_due(tmp_path, late) == ["2026-11"]
    assert months_due(tmp_path, NOW) == ["2026-10", "2026-11"]


def file(name: str, modified: float = 1.0) -> BillingFile:
    return BillingFile(path=name, name=name, kind="csv", columns=(), shape="cur", title="", modified=modified)


def test_newer_deliveries_come_last() -> None:
    names = ["b/cur-2.csv", "b/cur-10.csv", "b/20261105T101010Z/cur.csv", "b/cur-restated.csv"]
    assert [f.name for f in sorted(map(file, reversed(names)), key=age)] == names
    assert sorted([file("a.csv", 2.0), file("z.csv", 1.0)], key=age)[0].name == "z.csv"


def daily(day: date, cost: str, service: str = "shop", gb: str = "1", name: str = "internet_egress") -> Daily:
    return Daily(
        month="2026-10",
        day=day,
        provider="AWS",
        currency="USD",
        transfer_class=name,
        origin="eu-west-1",
        to="internet",
        service=service,
        billed=Decimal(cost),
        gb=Decimal(gb),
    )


def test_an_anomaly_needs_a_past_of_the_same_weekday() -> None:
    first = date(2026, 10, 1)
    usual = [daily(first + timedelta(days=d), "10") for d in range(28)]
    spike = daily(first + timedelta(days=28), "75")
    (found,) = anomalies([*usual, spike], CostSettings())
    assert found.amount == Decimal(65) and found.confidence == "high" and "shop" in found.title
    assert anomalies([daily(first, "10"), spike], CostSettings()) == []


def test_a_chatty_pair_moves_together() -> None:
    first = date(2026, 10, 1)
    shape = [10, 40, 15, 60, 20, 80, 12, 33, 71, 5, 90, 44]
    one = [daily(first + timedelta(days=d), "1", "inventory", str(v), "inter_zone") for d, v in enumerate(shape)]
    two = [daily(first + timedelta(days=d), "1", "shipping", str(v * 1.01), "inter_zone") for d, v in enumerate(shape)]
    flat = [daily(first + timedelta(days=d), "1", "pricing", "40", "inter_zone") for d in range(12)]
    (found,) = chatty([*one, *two, *flat])
    assert "inventory and shipping" in found.title and found.amount == Decimal(24)


def test_amounts_are_written_without_exponent() -> None:
    assert [money.plain(Decimal(x)) for x in ("1E-9", "12.500", "0E-24", "-3", "1E+3")] == [
        "0.000000001",
        "12.5",
        "0",
        "-3",
        "1000",
    ]


def test_text_from_a_bill_is_no_formula() -> None:
    assert safe_text("=HYPERLINK(1)") == "'=HYPERLINK(1)" and safe_text("shop") == "shop"
