"""Real samples and awkward files through the whole reading: sums to the last digit, nothing lost, everything named."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from costs_reading import DATA, add, cur, google, read, same, sample, write

from include.costs import focus
from include.costs.bill import Bill
from include.costs.coded import NUMBER
from include.costs.engines import DuckDBEngine, open_engine
from include.costs.intake import take_in
from include.costs.settings import CostSettings
from include.costs.synthetic_rows import write_rows


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


@pytest.mark.parametrize("kind", ["INTEGER", "DECIMAL(18,6)", "DECIMAL(38,24)", "DOUBLE", "FLOAT"])
def test_a_parquet_bill_may_hold_its_cost_as_any_kind_of_number(tmp_path: Path, kind: str) -> None:
    import duckdb

    made = write_rows(tmp_path / "made.parquet", 500)
    (tmp_path / "given").mkdir()
    cost = f"CAST(CAST(ceil(line_item_unblended_cost * 8) / 4 AS DECIMAL(9,2)) AS {kind}) AS line_item_unblended_cost"
    duckdb.sql(f"COPY (SELECT * REPLACE ({cost}) FROM '{made}') TO '{tmp_path}/given/cur.parquet'")
    sums = duckdb.sql(
        f"SELECT sum(CAST(line_item_unblended_cost AS DECIMAL(38,6))) FROM '{tmp_path}/given/cur.parquet'"
    ).fetchall()
    found = read(tmp_path / "given")
    assert Decimal(found["billed_cost"]["AWS"]["USD"]) == sums[0][0] > 0
    assert found["quarantined"] == {"files": [], "rows": [], "row_count": 0}


@pytest.mark.parametrize("name", ["ea_sample.csv", "focus_sample.csv"])
@pytest.mark.parametrize(("number", "instant"), [("DECIMAL(38,18)", "TIMESTAMPTZ"), ("DOUBLE", "TIMESTAMP")])
def test_a_real_sample_as_typed_parquet_gives_what_its_text_gives(tmp_path: Path, name: str, number: str, instant: str) -> None:
    import duckdb

    (tmp_path / "text").mkdir()
    (tmp_path / "typed").mkdir()
    shutil.copy(DATA / name, tmp_path / "text")
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{DATA / name}', all_varchar = true, nullstr = ['', 'NULL'])")
        columns = [row[0] for row in con.execute("DESCRIBE t").fetchall()]
        typed = [f'"{c}"::{number} AS "{c}"' for c in columns if re.search("(cost|price|quantity)$", c, re.I)]
        typed += [f'"{c}"::{instant} AS "{c}"' for c in columns if re.search("Period(Start|End)$", c)]
        assert len(typed) >= 4
        con.execute(f"COPY (SELECT * REPLACE ({', '.join(typed)}) FROM t) TO '{tmp_path}/typed/bill.parquet'")
    text, made = read(tmp_path / "text"), read(tmp_path / "typed")
    assert made == text


def focus_rows_of(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, keys: Any = None) -> dict[str, list[str]]:
    """The rows of the FOCUS files of a folder of bills, by the files' folder; with `keys` instead of the writer's own."""
    with open_engine("duckdb") as desk, monkeypatch.context() as changed:
        if keys is not None:
            changed.setattr(focus, "keys_of", keys)
        assert isinstance(desk, DuckDBEngine)
        bill = Bill(desk, desk, CostSettings())
        bill.take(take_in(folder))
        bill.group()
        focus.write_focus(bill, out)
        folders = sorted({file.parent for file in out.rglob("*.parquet")})
        rows = {str(place.relative_to(out)): desk.rows(f"SELECT * FROM read_parquet('{place}/*.parquet')") for place in folders}
    return {place: sorted(map(repr, found)) for place, found in rows.items()}


def a_key_lost(bill: Bill, rows: Any) -> Any:
    keys = OWN_KEYS(bill, rows)
    assert keys is not None
    (counted,) = bill.desk.run(f"SELECT count(*) FROM {keys.get_name()}").fetchone()
    return bill.desk.keep(keys.filter(keys[NUMBER] < counted - 1))


OWN_KEYS = focus.keys_of


@pytest.mark.parametrize("keys", [lambda *_: None, a_key_lost], ids=["none", "one lost"])
def test_focus_files_are_the_same_however_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Any) -> None:
    """By key as always, by row where keys are too many or one of them is not found."""
    given = tmp_path / "given"
    given.mkdir()
    for name in ("cur_sample.csv", "ea_sample.csv", "focus_sample.csv"):
        (given / name).write_bytes((DATA / name).read_bytes())
    write(given / "own.csv", [cur(day, cost, resource_tags_user_service=tag) for day, cost, tag in OWN_ROWS])
    by_key = focus_rows_of(given, tmp_path / "by_key", monkeypatch)
    assert len(by_key) == 4 and all(by_key.values())
    assert focus_rows_of(given, tmp_path / "by_row", monkeypatch, keys) == by_key


OWN_ROWS = [(3, "1.5", "orders"), (4, "1e-30", ""), (4, "-2", 'a "b"'), (5, "0", "orders"), (30, "7.25", "\u00e9")]
