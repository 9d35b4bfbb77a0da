"""Real samples and awkward files through the whole reading: sums to the last digit, nothing lost, everything named."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.costs.bill import Bill
from include.costs.engines import open_engine
from include.costs.intake import take_in
from include.costs.keys import Declared
from include.costs.money import EXACT
from include.costs.platform import Platform
from include.costs.report import Figures
from include.costs.settings import CostSettings

DATA = Path(__file__).parent.parent / "costs_data"
Totals = dict[str, Any]


def read(folder: Path, engine: str = "duckdb") -> Totals:
    """totals.json's content, without the pages."""
    with open_engine("duckdb") as desk, _runner(engine, desk) as runner:
        bill = Bill(runner, desk, CostSettings())  # type: ignore[arg-type]
        bill.take(take_in(folder))
        bill.group()
        figures = Figures(bill, bill.settings, Declared(), Platform())
        figures.limit(None)
        return figures.totals


@contextmanager
def _runner(name: str, desk: Any) -> Iterator[Any]:
    if name == "duckdb":
        yield desk
    else:
        with open_engine(name) as engine:
            yield engine


def add(rows: list[tuple[str, str, str]]) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for provider, currency, cost in rows:
        found[provider][currency] = EXACT.add(found[provider][currency], Decimal(cost or "0"))
    return found


def same(totals: Totals, expected: dict[str, dict[str, Decimal]]) -> None:

    got = {p: {c: Decimal(x) for c, x in parts.items()} for p, parts in totals["billed_cost"].items()}
    assert got == {p: dict(parts) for p, parts in expected.items()}


def sample(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=options.pop("encoding", "utf-8"), newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


def cur(day: int = 3, cost: str = "1.5", usage: str = "USE1-DataTransfer-Out-Bytes", **more: str) -> dict[str, str]:
    return {
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"2026-10-{day:02d}T00:00:00Z",
        "line_item_usage_end_date": f"2026-10-{day + 1:02d}T00:00:00Z",
        "bill_billing_period_start_date": "2026-10-01T00:00:00Z",
        "bill_payer_account_id": "111111111111",
        "line_item_usage_account_id": "222222222222",
        "line_item_product_code": "AmazonEC2",
        "line_item_usage_type": usage,
        "line_item_resource_id": f"i-{day:04d}",
        "line_item_usage_amount": "10",
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": cost,
        "pricing_unit": "GB",
    } | more


def test_the_real_samples_sum_to_the_last_digit(tmp_path: Path) -> None:
    for name in ("cur_sample.csv", "ea_sample.csv", "focus_sample.csv"):
        shutil.copy(DATA / name, tmp_path)
    expected = add(
        [("AWS", r["lineItem/CurrencyCode"], r["lineItem/UnblendedCost"]) for r in sample("cur_sample.csv")]
        + [("Microsoft", r["BillingCurrencyCode"], r["CostInBillingCurrency"]) for r in sample("ea_sample.csv")]
        + [(r["ProviderName"], r["BillingCurrency"], r["BilledCost"]) for r in sample("focus_sample.csv")]
    )
    totals = read(tmp_path)
    same(totals, expected)
    assert totals["rows"] == 659 + 27 + 477
    assert totals["quarantined"] == {"files": [], "rows": [], "row_count": 0}
    assert totals["unclassified"]["rows"] == 0


def test_every_transfer_row_of_the_real_cur_is_classified_and_no_other(tmp_path: Path) -> None:
    """AWS's own product/productFamily says which rows are transfer: an answer that the rules do not use."""
    rows = sample("cur_sample.csv")
    write(tmp_path / "cur.csv", [r for r in rows if r["product/productFamily"] == "Data Transfer"])
    moved = read(tmp_path)
    assert sum(1 for _ in rows if _["product/productFamily"] == "Data Transfer") == moved["rows"]
    assert "not_transfer" not in moved["transfer_cost"]
    billed = sum(Decimal(r["lineItem/UnblendedCost"]) for r in rows if r["product/productFamily"] == "Data Transfer")
    assert sum(Decimal(c) for parts in moved["transfer_cost"].values() for c in parts.values()) == billed
    write(tmp_path / "cur.csv", [r for r in rows if r["product/productFamily"] != "Data Transfer"])
    assert read(tmp_path)["transfer_cost"] == {}


def test_column_order_case_and_extra_columns_do_not_matter(tmp_path: Path) -> None:
    rows = [
        {k.upper(): v for k, v in sorted(r.items(), reverse=True)} | {"Extra": 'x,"y"\nz'} for r in sample("focus_sample.csv")
    ]
    path = write(tmp_path / "focus.csv", rows, encoding="utf-8-sig", lineterminator="\r\n")
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    same(read(tmp_path), add([(r["ProviderName"], r["BillingCurrency"], r["BilledCost"]) for r in sample("focus_sample.csv")]))


def test_many_digits_exponents_and_corrections_are_exact(tmp_path: Path) -> None:
    costs = [
        "0.1234567890123456789012345678",
        "1.5E-31",
        "-7.29e-09",
        "-3",
        "99999999999.000000000000000000000001",
        "+2.5",
        "",
        "5.64902E-05",
    ]
    write(tmp_path / "a.csv", [cur(day=i + 1, cost=c) for i, c in enumerate(costs)])
    same(read(tmp_path), add([("AWS", "USD", c) for c in costs]))


def test_parquet_doubles_count_as_their_shortest_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    costs = [0.1, 1e-9, 123456.789, 2.0000000000000004, 1.2345678901234567e-15, -7.29e-09, 5e-324, 0.30000000000000004]
    rows = [{**cur(day=i + 1), "line_item_unblended_cost": c, "line_item_usage_amount": 10.0} for i, c in enumerate(costs)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "cur.parquet")
    same(read(tmp_path), add([("AWS", "USD", repr(c)) for c in costs]))


def google(cost: float, sku: str = "Network Internet Data Transfer Out from EMEA to EMEA", **more: Any) -> dict[str, Any]:
    return {
        "billing_account_id": "01-02",
        "service": {"id": "6F81", "description": "Compute Engine"},
        "sku": {"id": "1", "description": sku},
        "usage_start_time": datetime(2026, 10, 3, tzinfo=UTC),
        "usage_end_time": datetime(2026, 10, 4, tzinfo=UTC),
        "project": {"id": "p", "name": "P"},
        "labels": [{"key": "service", "value": "pricing"}],
        "location": {"region": "europe-west3"},
        "cost": cost,
        "currency": "USD",
        "usage": {"amount": 2.0**31, "unit": "bytes", "amount_in_pricing_units": 2.0, "pricing_unit": "gibibyte"},
        "credits": [{"name": "c", "amount": -0.1}, {"name": "d", "amount": -0.2}],
        "invoice": {"month": "202610"},
        "cost_type": "regular",
    } | more


def test_google_nested_parquet_and_flat_csv_give_the_same(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    nested = tmp_path / "nested"
    nested.mkdir()
    pq.write_table(pa.Table.from_pylist([google(1.1), google(2.2, credits=[])]), nested / "g.parquet")
    flat = [
        {
            "billing_account_id": "01-02",
            "service.description": "Compute Engine",
            "sku.id": "1",
            "sku.description": g["sku"]["description"],
            "usage_start_time": "2026-10-03 00:00:00 UTC",
            "usage_end_time": "2026-10-04 00:00:00 UTC",
            "project.id": "p",
            "labels": json.dumps(g["labels"]),
            "location.region": "europe-west3",
            "cost": g["cost"],
            "currency": "USD",
            "usage.amount_in_pricing_units": 2,
            "usage.pricing_unit": "gibibyte",
            "credits": json.dumps(g["credits"]),
            "invoice.month": "202610",
        }
        for g in (google(1.1), google(2.2, credits=[]))
    ]
    write(tmp_path / "flat" / "g.csv", flat)
    one, two = read(nested), read(tmp_path / "flat")
    assert one["billed_cost"] == two["billed_cost"] == {"Google Cloud": {"USD": "3"}}
    assert one["transfer_gb"] == two["transfer_gb"] == {"internet_egress": "4.294967296"}
    assert one["allocation"] == two["allocation"] == {"USD": {"service": {"pricing": "3"}}}


def test_a_row_that_cannot_be_counted_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [cur(1), cur(2, cost="1,5"), cur(3, line_item_currency_code=""), cur(4, cost="2.25")]
    write(tmp_path / "a.csv", rows)
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "3.75"}}
    assert [(q["line"], q["rows"]) for q in totals["quarantined"]["rows"]] == [(3, 1), (4, 1)]
    assert "1,5" in totals["quarantined"]["rows"][0]["reason"]


@pytest.mark.parametrize(
    ("spoil", "said", "line"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-40]), "fields where the header has", 4),
        (lambda p: p.write_text("name,size\nreadme,3\n"), "not a billing export", 1),
        (lambda p: p.write_bytes(b""), "empty", None),
        (lambda p: p.write_bytes(gzip.compress(p.read_bytes())[:-20]), "damaged or cut off", None),
        (lambda p: p.write_bytes(b"PAR1garbagePAR1"), "Parquet", None),
        (lambda p: p.write_text(p.read_text().replace("line_item_unblended_cost", "line_item_cost")), "lineitemunblendedcost", 1),
    ],
)
def test_a_damaged_or_foreign_file_is_quarantined_and_the_rest_goes_on(
    tmp_path: Path, spoil: Callable[[Path], Any], said: str, line: int | None
) -> None:
    write(tmp_path / "good.csv", [cur(1, cost="4")])
    spoil(write(tmp_path / "bad.csv", [cur(5), cur(6), cur(7)]))
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "4"}}
    (entry,) = totals["quarantined"]["files"]
    assert entry["file"] == "bad.csv" and said in entry["reason"]
    assert line is None or entry["line"] == line


def test_a_second_delivery_of_the_same_content_counts_once(tmp_path: Path) -> None:

    path = write(tmp_path / "a.csv", [cur(1, cost="4"), cur(2, cost="5")])
    (tmp_path / "again.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "9"}}
    assert [r["reason"] for r in totals["replaced"]] == ["a second delivery of the same content"]


def test_a_restated_month_replaces_what_it_restates_and_parts_do_not(tmp_path: Path) -> None:
    write(tmp_path / "cur-part-1.csv", [cur(d, cost="1") for d in range(1, 6)])
    write(tmp_path / "cur-part-2.csv", [cur(d, cost="1", usage="USE1-NatGateway-Bytes") for d in range(1, 6)])
    assert read(tmp_path)["billed_cost"] == {"AWS": {"USD": "10"}}
    write(tmp_path / "cur-restated.csv", [cur(d, cost="2") for d in range(1, 8)])
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "19"}}
    assert [(r["file"], r["by"]) for r in totals["replaced"]] == [("cur-part-1.csv", "cur-restated.csv")]


def test_a_late_file_replaces_only_the_days_it_repeats(tmp_path: Path) -> None:
    write(tmp_path / "cur.csv", [cur(d, cost="1") for d in range(1, 21)])
    write(tmp_path / "cur-late.csv", [cur(d, cost="3") for d in (19, 20, 21)])
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "27"}}
    assert totals["replaced"][0]["days"] == ["2026-10-19", "2026-10-20"]


def azure(cost: str, **more: str) -> dict[str, str]:
    return {
        "BillingAccountId": "77",
        "Date": "10/03/2026",
        "SubscriptionId": "s",
        "MeterCategory": "Virtual Machines",
        "MeterSubCategory": "Dv5",
        "MeterName": "D4 v5",
        "UnitOfMeasure": "1 Hour",
        "Quantity": "1",
        "CostInBillingCurrency": cost,
        "BillingCurrency": "EUR",
        "ChargeType": "Usage",
        "ReservationId": "",
        "PricingModel": "OnDemand",
        "ResourceId": "r",
        "Tags": '"service": "erp"',
    } | more


def test_actual_and_amortised_exports_are_two_views_of_one_bill(tmp_path: Path) -> None:
    used = {"ReservationId": "R1", "PricingModel": "Reservation"}
    bought = azure("310", ChargeType="Purchase", ReservationId="R1", PricingModel="Reservation", ResourceId="")
    write(tmp_path / "actual.csv", [azure("5"), azure("0", **used), bought])
    write(
        tmp_path / "amortized.csv",
        [azure("5"), azure("7", **used), azure("3", ChargeType="UnusedReservation", ReservationId="R1")],
    )
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"Microsoft": {"EUR": "315"}}
    assert totals["effective_cost"] == {"Microsoft": {"EUR": "15"}}
    (tmp_path / "actual.csv").unlink()
    assert read(tmp_path)["effective_cost"] == {"Microsoft": {"EUR": "15"}}


def test_savings_plans_are_spread_over_their_use(tmp_path: Path) -> None:
    plan = {
        "savings_plan_savings_plan_effective_cost": "",
        "savings_plan_total_commitment_to_date": "",
        "savings_plan_used_commitment": "",
    }
    rows = [
        cur(
            1,
            cost="10",
            line_item_line_item_type="SavingsPlanCoveredUsage",
            **{**plan, "savings_plan_savings_plan_effective_cost": "6.5"},
        ),
        cur(1, cost="-10", line_item_line_item_type="SavingsPlanNegation", **plan),
        cur(
            1,
            cost="8",
            line_item_line_item_type="SavingsPlanRecurringFee",
            **{**plan, "savings_plan_total_commitment_to_date": "8", "savings_plan_used_commitment": "6.5"},
        ),
    ]
    write(tmp_path / "a.csv", rows)
    totals = read(tmp_path)
    assert totals["billed_cost"] == totals["effective_cost"] == {"AWS": {"USD": "8"}}
    assert totals["transfer"]["AWS"]["USD"]["internet_egress"]["effective_cost"] == "8"


def test_tags_in_maps_and_json_reach_the_same_service(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.map_(pa.string(), pa.string())
    rows = [{**cur(1, cost="1"), "line_item_unblended_cost": 1.0, "resource_tags": [("user_service", 'a "b"')]}]
    names = [
        pa.field(k, kind if k == "resource_tags" else pa.float64() if k == "line_item_unblended_cost" else pa.string())
        for k in rows[0]
    ]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(names)), tmp_path / "m.parquet")
    write(tmp_path / "j.csv", [cur(2, cost="2", resource_tags=json.dumps({"user_service": "shop"}))])
    allocated = read(tmp_path)["allocation"]["USD"]["service"]
    assert allocated == {'a "b"': "1", "shop": "2"}


def focus(day: int, cost: str, **more: str) -> dict[str, str]:
    return {
        "BilledCost": cost,
        "BillingCurrency": "USD",
        "BillingAccountId": "111111111111",
        "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "ChargePeriodStart": f"2026-10-{day:02d}T00:00:00Z",
        "ChargeDescription": "data transfer",
        "ProviderName": "AWS",
        "ServiceName": "Amazon EC2",
    } | more


def test_the_same_bill_as_cur_and_as_focus_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "cur.csv", [cur(d, cost="1") for d in range(1, 11)])
    other = {"BillingAccountId": "999", "BilledCost": "5"}
    write(tmp_path / "focus.csv", [*(focus(d, "1") for d in range(1, 10)), focus(10, "0.95"), focus(1, "5", **other)])
    write(tmp_path / "focus-whole.csv", [focus(d, "0.0001") for d in range(1, 3)])
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "15"}}
    (row,) = totals["quarantined"]["rows"]
    assert row["file"] == "focus.csv" and row["rows"] == 10 and "duplicate delivery" in row["reason"]
    (file,) = totals["quarantined"]["files"]
    assert file["file"] == "focus-whole.csv" and "cur.csv" in file["reason"] and "9.9502 USD here, 10 USD there" in file["reason"]


def test_two_shapes_with_different_totals_both_count_and_are_named(tmp_path: Path) -> None:
    write(tmp_path / "cur.csv", [cur(d, cost="1") for d in range(1, 11)])
    write(tmp_path / "focus.csv", [focus(d, "3") for d in range(1, 11)])
    with open_engine("duckdb") as desk:
        bill = Bill(desk, desk, CostSettings())  # type: ignore[arg-type]
        bill.take(take_in(tmp_path))
        (double,) = bill.doubled
        assert not double.same and "both count" in double.reason and bill.quarantined == []


def test_a_month_restated_in_a_newer_version_of_the_export_replaces_the_older(tmp_path: Path) -> None:
    write(tmp_path / "focus-1.0.csv", [focus(d, "1") for d in range(1, 11)])
    write(tmp_path / "focus-1.2-restated.csv", [focus(d, "2", SkuMeter="DataTransfer-Out-Bytes") for d in range(1, 11)])
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "20"}} and totals["replaced"][0]["file"] == "focus-1.0.csv"


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda r: {k: v.replace(".", ",") if k in _NUMBERS else v for k, v in r.items()}, {"delimiter": ";"}),
        (lambda r: {k.upper(): v for k, v in reversed(r.items())}, {"delimiter": "\t", "encoding": "utf-8-sig"}),
        (lambda r: r | {"Date": "{2}-{0:0>2}-{1:0>2}".format(*r["Date"].split("/"))}, {"quoting": csv.QUOTE_ALL}),
    ],
)
def test_a_real_export_as_other_tools_save_it_sums_to_the_same(
    tmp_path: Path, change: Callable[[dict[str, str]], dict[str, str]], options: dict[str, Any]
) -> None:
    rows = sample("ea_sample.csv")
    write(tmp_path / "ea.csv", [change(r) for r in rows], **options)
    totals = read(tmp_path)
    same(totals, add([("Microsoft", r["BillingCurrencyCode"], r["CostInBillingCurrency"]) for r in rows]))
    assert totals["transfer_cost"].keys() == {"peering", "private_link"} and totals["quarantined"]["row_count"] == 0


_NUMBERS = ("CostInBillingCurrency", "Quantity", "EffectivePrice")


def test_a_point_among_decimal_commas_is_named_and_not_guessed(tmp_path: Path) -> None:
    costs = ["1.234,5", "0,25", "1.5", "7", "-2,5"]
    write(tmp_path / "a.csv", [cur(day=i + 1, cost=c) for i, c in enumerate(costs)], delimiter=";")
    totals = read(tmp_path)
    assert totals["billed_cost"] == {"AWS": {"USD": "1239.25"}}
    (row,) = totals["quarantined"]["rows"]
    assert row["line"] == 4 and "'1.5'" in row["reason"]


def test_real_rows_with_typed_parquet_columns_sum_to_the_same(tmp_path: Path) -> None:
    """As pandas, Spark or Athena write them: doubles, and instants in nanoseconds with a zone."""
    import pyarrow.csv
    import pyarrow.parquet as pq

    for name in ("cur_sample", "focus_sample"):
        pq.write_table(pyarrow.csv.read_csv(DATA / f"{name}.csv"), tmp_path / f"{name}.parquet")
    expected = [("AWS", r["lineItem/CurrencyCode"], r["lineItem/UnblendedCost"]) for r in sample("cur_sample.csv")]
    expected += [(r["ProviderName"], r["BillingCurrency"], r["BilledCost"]) for r in sample("focus_sample.csv")]
    same(read(tmp_path), add(expected))
