"""The pass over the rows as SQL of engines that are not here: it compiles; it was not run there."""

from __future__ import annotations

import pytest

from include.costs.gather import group_rows
from include.costs.rows import focus_rows
from include.costs.settings import CostSettings
from include.costs.source import Source

CUR = {
    "bill_billing_period_start_date": "timestamp",
    "bill_payer_account_id": "string",
    "line_item_usage_account_id": "string",
    "line_item_line_item_type": "string",
    "line_item_usage_start_date": "timestamp",
    "line_item_product_code": "string",
    "line_item_usage_type": "string",
    "line_item_usage_amount": "float64",
    "line_item_currency_code": "string",
    "line_item_unblended_cost": "float64",
    "pricing_unit": "string",
    "resource_tags_user_service": "string",
}


@pytest.mark.parametrize("dialect", ["bigquery", "athena"])
def test_the_pass_compiles(dialect: str) -> None:
    import ibis

    delivered = ibis.table(CUR, name="cur")
    source = Source(delivered, {name: name for name in CUR}, fast=False)
    sql = str(ibis.to_sql(group_rows(focus_rows(source, "cur", CostSettings())), dialect=dialect))
    assert "GROUP BY" in sql and "line_item_unblended_cost" in sql
    assert ("NUMERIC" in sql) if dialect == "bigquery" else ("DECIMAL(38, 24)" in sql)
