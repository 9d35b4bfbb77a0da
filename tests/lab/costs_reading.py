"""How tests of bills read a folder, and the rows that they write into it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

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
