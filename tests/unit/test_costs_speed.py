"""What makes large bills fast must never change a digit: the sieve for long amounts, and columns known to hold few values."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.costs import money
from include.costs.engines import ROW, Delivered, DuckDBEngine, open_engine
from include.costs.few import MOST, few_values
from include.costs.gather import GROUPED, group_rows, grouped, long_amounts

_DIGITS = st.text("0123456789", max_size=26)


def _sieved(kind: str, values: list[Any]) -> list[int]:
    import duckdb
    import ibis

    table = ibis.table({"x_BilledRaw": kind}, name="given")
    sql = ibis.to_sql(table.select(long=long_amounts(table)), dialect="duckdb")
    shape = {"string": "VARCHAR", "float64": "DOUBLE"}[kind]
    with duckdb.connect() as con:
        con.execute(f'CREATE TABLE given AS SELECT unnest(CAST(? AS {shape}[])) AS "x_BilledRaw"', [values])
        return [row[0] for row in con.execute(sql).fetchall()]


def _decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return -exponent


@given(st.lists(st.tuples(_DIGITS, _DIGITS, st.sampled_from("eE"), st.integers(-40, 5)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_no_text_with_more_decimals_than_the_scale_gets_through_the_sieve(parts: list[tuple[str, str, str, int]]) -> None:
    texts = [f"{a}.{b}{e}{x}" if b else f"{a or 0}{e}{x}" for a, b, e, x in parts]
    for text, hit in zip(texts, _sieved("string", texts), strict=True):
        assert hit or _decimals(text) <= money.SCALE, text


@pytest.mark.parametrize("text", [".123456E-19", "1.23456e-21", "0.0000000000000000000000001", "1E-25", "1.2345678901234567E-9"])
def test_the_longest_amounts_are_looked_at(text: str) -> None:
    assert _sieved("string", [text]) == [1]


def test_amounts_as_aws_writes_them_need_no_second_pass() -> None:
    assert _sieved("string", ["9.24E-6", "1.2E-10", "6.19E-09", "0.0000000073", "12", "-3.5"]) == [0] * 6
    assert _sieved("float64", [7e-10, -1.2e-9, 0.0, 3.25]) == [0] * 4


@given(st.lists(st.floats(-1e-7, 1e-7), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_no_double_with_more_decimals_than_the_scale_gets_through_the_sieve(values: list[float]) -> None:
    for value, hit in zip(values, _sieved("float64", values), strict=True):
        assert hit or not value or _decimals(repr(value)) <= money.SCALE, value


def _rows() -> Any:
    import ibis

    delivered = ibis.table({"c0": "string", "unit": "string", "many": "string"}, name="delivered")
    usage, unit = delivered["c0"].nullif(""), delivered["unit"].nullif("")
    return delivered.select(x_UsageType=usage, SkuId=usage, PricingUnit=unit, ProviderName=ibis.literal("AWS"), raw="many")


def test_few_values_follow_expressions() -> None:
    import ibis

    rows = _rows()
    table = rows.filter(rows["raw"].notnull()).select(
        same=rows["SkuId"],
        filled=rows["x_UsageType"].fill_null("none"),
        either=ibis.cases((rows["SkuId"] == "a", rows["ProviderName"]), else_="other"),
        named=ibis.literal("Other (") + rows["ProviderName"] + ")",
    )
    assert few_values(table, [(rows["x_UsageType"], frozenset("ab"))]) == {
        "same": ("a", "b"),
        "filled": ("a", "b", "none"),
        "either": ("AWS", "other"),
        "named": ("Other (AWS)",),
    }


def test_a_later_step_may_give_a_known_name_to_something_else() -> None:
    rows = _rows()
    units = [(rows["PricingUnit"], frozenset(("GB",)))]
    assert few_values(rows.select(PricingUnit=rows["PricingUnit"].fill_null("Units")), units) == {"PricingUnit": ("GB", "Units")}
    assert few_values(rows.select(PricingUnit=rows["raw"]), units) == {}


def test_what_nobody_counted_is_not_few() -> None:
    rows = _rows()
    table = rows.select(direct=rows["raw"], changed=rows["x_UsageType"].upper())
    assert few_values(table, [(rows["x_UsageType"], frozenset("x"))]) == {}


@pytest.mark.parametrize("values", [frozenset(map(str, range(MOST + 1))), frozenset(("a", "b\0c"))])
def test_many_values_and_those_no_sql_text_can_hold_are_written_the_plain_way(values: frozenset[str]) -> None:
    rows = _rows()
    assert few_values(rows.select("x_UsageType"), [(rows["x_UsageType"], values)]) == {}


_TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab", "a\0b", "é", "None"]))
_ROW = st.tuples(_TEXT, _TEXT, _TEXT, st.integers(-3, 3))
_BY = ("x_UsageType", "RegionId", "x_TagService")


@given(st.lists(_ROW, max_size=60), st.lists(_ROW, max_size=20))
@settings(deadline=None, max_examples=25)
def test_rows_told_apart_by_hashes_are_the_groups_that_comparing_gives(first: list[Any], second: list[Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, open_engine("duckdb") as engine:
        assert isinstance(engine, DuckDBEngine)
        paths = tuple(_written(Path(folder) / f"{i}.parquet", rows) for i, rows in enumerate((first, second)))
        table, _ = engine.read(Delivered(paths=paths, kind="parquet", columns=(*_BY, "BilledCost")))

        def rows(only: tuple[str, ...], at: Any = None) -> Any:
            there = table if at is None else table.semi_join(at, ROW)
            typed = there.mutate(BilledCost=there["BilledCost"].cast(money.MONEY), x_BilledRaw=there["BilledCost"])
            return typed.select(*[name for name in only if name in typed.columns])

        def listed(found: Any) -> list[Any]:
            return sorted(map(repr, engine.fetch(found.select(*_BY, "BilledCost", "Rows")).to_pylist()))

        assert listed(grouped(engine, rows, _BY)) == listed(group_rows(rows(GROUPED), _BY))


def _written(path: Path, rows: list[Any]) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(_BY)}
    pq.write_table(pa.table(columns | {"BilledCost": pa.array([row[3] for row in rows], pa.int64())}), path)
    return str(path)
