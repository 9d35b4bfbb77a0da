import pytest

from include.catalog.sql import objection


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select count(*) from t;",
        "  -- how many\n  SELECT count(*) FROM t -- all; of them\n",
        "/* a; b */ SELECT ';' || $$ ; $$ || $x$ ; $$ ; $x$ FROM \"odd;name\"",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT 'INSERT INTO t', E'it\\'s; fine', 'it''s; fine'",
        "SELECT updated_at, insert_count FROM updates WHERE at <= :as_of::timestamptz",
    ],
)
def test_a_single_select_is_fine(sql):
    assert objection(sql) is None


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "is empty"),
        ("-- nothing", "is empty"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; -- x\nDROP TABLE t", "more than one statement"),
        ("DELETE FROM t", "begins with DELETE"),
        ("/* SELECT */ UPDATE t SET a = 1", "begins with UPDATE"),
        ("EXPLAIN ANALYZE SELECT 1", "begins with EXPLAIN"),
        ("'SELECT'", "begins with"),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT count(*) FROM gone", "changes data"),
        ("WITH a AS MATERIALIZED ( insert into t values (1) returning 1) SELECT 1", "changes data"),
        ("SELECT * INTO copy FROM t", "INTO"),
    ],
)
def test_anything_else_is_refused_with_a_reason(sql, why):
    assert why.lower() in (objection(sql) or "").lower()
