"""What makes large bills fast must never change a digit: the sieve for long amounts, groups by hashes, columns by key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.costs import money
from include.costs.coded import NUMBER, Keyed, split
from include.costs.engines import ROW, Delivered, DuckDBEngine, open_engine
from include.costs.gather import GROUPED, group_rows, grouped, long_amounts
from include.costs.parquet import MOST, KeylessRow

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


def _rows() -> tuple[Any, Any, Keyed]:
    """Delivered rows, these joined to their keys, and the keys."""
    import ibis

    delivered = ibis.table({"c0": "string", "unit": "string", "many": "string", "cost": "int64"}, name="delivered")
    usage, unit = delivered["c0"].nullif(""), delivered["unit"].nullif("")
    rows = delivered.select(x_UsageType=usage, SkuId=usage, PricingUnit=unit, many="many", cost="cost")
    keys = ibis.table({NUMBER: "int32", "usage": "string", "unit": "string", "Class": "string"}, name="keys")
    some = rows.filter(rows["many"].notnull())
    joined = some.left_join(keys, some["x_UsageType"] == keys["usage"])
    pairs = ((some["x_UsageType"], keys["usage"]), (some["PricingUnit"], keys["unit"]), (keys["Class"], keys["Class"]))
    return some, joined, Keyed(keys, pairs)


def _sql(values: dict[str, Any]) -> dict[str, str]:
    import ibis

    return {name: ibis.to_sql(value.as_table(), dialect="duckdb").replace("\n", " ") for name, value in values.items()}


def test_columns_follow_from_keys_through_any_expression_of_what_the_keys_have() -> None:
    import ibis

    _, joined, keyed = _rows()
    table = joined.select(
        same=joined["SkuId"],
        filled=joined["x_UsageType"].fill_null("none").upper(),
        classed=joined["Class"].fill_null("other"),
        either=ibis.cases(
            (joined["SkuId"] == "a", joined["PricingUnit"]), (joined["SkuId"].isin(["b", "c"]), "x"), else_="other"
        ),
        constant=ibis.literal("AWS"),
        nothing=ibis.null("decimal(38, 24)"),
        number=joined[NUMBER],
    )
    apart = split(table.rename({NUMBER: "number"}), keyed)
    assert set(apart.by_key) == {"same", "filled", "classed", "either", "constant", "nothing"}
    assert not apart.by_row and not apart.masked
    assert all('FROM "keys"' in sql or "FROM" not in sql for sql in _sql(apart.by_key).values())


def test_what_the_keys_do_not_have_is_of_the_row() -> None:
    import ibis

    _, joined, keyed = _rows()
    table = joined.select(
        direct=joined["many"],
        mixed=joined["SkuId"] + joined["many"],
        shown=ibis.cases((joined["cost"] > 0, joined["PricingUnit"].fill_null("Units")), else_=ibis.null("string")),
        else_where=ibis.cases((joined["cost"] > 0, joined["PricingUnit"]), else_="other"),
    )
    apart = split(table, keyed)
    assert set(apart.by_row) == {"direct", "mixed", "else_where"}
    assert set(apart.masked) == {"shown"} and not apart.by_key
    assert 'COALESCE("t0"."unit", \'Units\')' in _sql(apart.masked)["shown"]


def test_a_later_step_may_give_a_known_name_to_something_else() -> None:
    _, joined, keyed = _rows()
    apart = split(joined.select(PricingUnit=joined["many"], many=joined["PricingUnit"]), keyed)
    assert set(apart.by_row) == {"PricingUnit"} and set(apart.by_key) == {"many"}


_KEY_TEXT = st.one_of(st.none(), st.sampled_from(["a", "b", "a\0b", "é", "None"]))
_KEYS = st.lists(st.tuples(_KEY_TEXT, st.one_of(st.none(), st.sampled_from(["x", "y"]))), min_size=1, max_size=8)


@given(_KEYS, st.lists(st.tuples(st.integers(0, 7), st.one_of(st.none(), st.integers(-3, 3))), min_size=1, max_size=60))
@settings(deadline=None, max_examples=25)
def test_files_by_key_hold_what_the_query_gives(keys: list[Any], amounts: list[Any]) -> None:
    import tempfile

    import duckdb

    with tempfile.TemporaryDirectory() as folder, open_engine("duckdb") as engine:
        assert isinstance(engine, DuckDBEngine)
        table, keyed = _bill_of(engine, keys, [(key % len(keys), amount) for key, amount in amounts])
        engine.write(table, Path(folder), keyed)
        wanted = engine.fetch(table.drop(NUMBER)).to_pylist()
        with duckdb.connect() as other:
            found = other.sql(f"SELECT * FROM read_parquet('{folder}/*.parquet')").to_arrow_table()
        assert found.schema.names == [name for name in table.columns if name != NUMBER]
        assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, wanted))


def _bill_of(engine: DuckDBEngine, keys: list[Any], rows: list[Any]) -> tuple[Any, Keyed]:
    """Rows of a key's number and an amount, joined to the keys: texts by key, one that only some rows show, amounts."""
    import ibis

    numbers = [str(number) for number in range(len(keys))]
    texts = engine.lookup("texts", {"n": numbers, "usage": [k[0] for k in keys], "unit": [k[1] for k in keys]})
    held = engine.keep(texts.select("usage", "unit", **{NUMBER: texts["n"].cast("int32")}))
    costs = [None if cost is None else str(cost) for _, cost in rows]
    given = engine.lookup("given", {"n": [str(number) for number, _ in rows], "cost": costs})
    typed = given.select(n=given["n"].cast("int32"), cost=given["cost"].cast("decimal(38, 24)"), at=ibis.timestamp("2026-11-01"))
    joined = typed.left_join(held, typed["n"] == held[NUMBER])
    table = joined.select(
        usage=joined["usage"],
        filled=joined["unit"].fill_null("Units"),
        constant=ibis.literal("AWS"),
        nothing=ibis.null("string"),
        no_amount=ibis.null("decimal(38, 24)"),
        shown=ibis.cases((joined["cost"] > 0, joined["usage"].fill_null("none")), else_=ibis.null("string")),
        hidden=ibis.cases((joined["cost"] > 9, joined["usage"]), else_=ibis.null("string")),
        cost=joined["cost"],
        again=joined["cost"],
        at=joined["at"],
        **{NUMBER: joined[NUMBER]},
    )
    return table, Keyed(held, tuple((held[name], held[name]) for name in ("usage", "unit")))


def test_a_column_of_many_texts_is_written_as_text(tmp_path: Path) -> None:
    keys = [(f"u{number}", "x") for number in range(MOST + 1)]
    with open_engine("duckdb") as engine:
        assert isinstance(engine, DuckDBEngine)
        table, keyed = _bill_of(engine, keys, [(number, number) for number in range(len(keys))])
        engine.write(table, tmp_path, keyed)
        found = engine.rows(f"SELECT usage, filled, cost FROM read_parquet('{tmp_path}/*.parquet') ORDER BY cost")
    assert [row["usage"] for row in found] == [key[0] for key in keys]
    assert {row["filled"] for row in found} == {"x"}


def test_no_rows_are_a_file_without_rows(tmp_path: Path) -> None:
    with open_engine("duckdb") as engine:
        assert isinstance(engine, DuckDBEngine)
        table, keyed = _bill_of(engine, [("a", "x")], [(0, 1)])
        engine.write(table.filter(table["cost"] > 5), tmp_path, keyed)
        assert engine.rows(f"SELECT * FROM read_parquet('{tmp_path}/*.parquet')") == []


def test_a_row_whose_key_is_not_there_is_not_written_with_nothing(tmp_path: Path) -> None:
    with open_engine("duckdb") as engine:
        assert isinstance(engine, DuckDBEngine)
        table, keyed = _bill_of(engine, [("a", "x")], [(0, 1), (1, 2)])
        with pytest.raises(KeylessRow, match="1 rows"):
            engine.write(table, tmp_path, keyed)


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
