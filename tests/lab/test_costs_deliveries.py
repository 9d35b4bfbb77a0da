"""Files as other tools and other exports deliver them: the same bill twice, other versions, decimal commas, typed Parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from costs_reading import DATA, add, cur, read, same, sample, write

from include.costs.bill import Bill
from include.costs.engines import open_engine
from include.costs.intake import take_in
from include.costs.settings import CostSettings


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
