"""The bill's rows of what sleeps, from the FOCUS Parquet that the cost report writes, and the rows that finance gets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from include.suspension.savings import Charge, Saved, bill_key, saved

if TYPE_CHECKING:
    from include.connections import Connections
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.suspension.model import Resource

QUERY = """
SELECT ResourceId, ChargePeriodStart, ChargePeriodEnd, BilledCost, ServiceCategory, CAST(Tags AS VARCHAR)
FROM read_parquet(?, union_by_name=true)
WHERE ResourceId IN (SELECT unnest(?)) OR {tags}
ORDER BY 1, 2, 3, 4
"""


def charges(focus: Path, resources: Iterable[Resource]) -> list[Charge]:
    """Rows of these resources, by their id or their group's tag, from ``focus/**/*.parquet``.

    Raises FileNotFoundError when there is no Parquet file: without a bill nothing is settled.
    """
    import duckdb

    wanted = list(resources)
    files = sorted(str(path) for path in Path(focus).rglob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"no Parquet file below {focus}: write the cost report first (drillyard costs report)")
    ids = sorted({one.billed_as for one in wanted if one.billed_as})
    tags = sorted({one.billed_tag for one in wanted if one.billed_tag})
    tests = " OR ".join("contains(CAST(Tags AS VARCHAR), ?)" for _ in tags) or "false"
    with duckdb.connect() as connection:
        rows = connection.execute(QUERY.format(tags=tests), [files, ids, *(value for _, value in tags)]).fetchall()
    return [charge for row in rows for charge in _charges(row, set(ids), tags)]


def _charges(row: Sequence[object], ids: set[str], tags: Sequence[tuple[str, str]]) -> list[Charge]:
    """A row as its resource's, or as its group's by an exact tag."""
    resource, start, end, cost, category, text = row
    values = (_instant(start), _instant(end), Decimal(str(cost)), category == "Storage")
    found = [Charge(str(resource), *values)] if resource in ids else []
    carried = json.loads(str(text)) if text else {}
    pairs = carried.items() if isinstance(carried, dict) else [(one["key"], one["value"]) for one in carried]
    return found + [Charge("=".join(tag), *values) for tag in tags if tag in set(pairs)]


def _instant(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def settle(connections: Connections, month: str, focus: Path | None, now: datetime) -> list[Saved]:
    """What each environment saved in a month, from ledger and bill; written down as notes for finance's report.

    `focus` None: there is no bill yet, and only the forecast by rates is written. What was settled before stays.
    """
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.ledger.sleeps import Sleeps
    from include.recovery.desk import ledger_url
    from include.settings import platform_dir

    loaded = load(platform_dir())
    catalog, ledger = loaded.catalog, open_ledger(ledger_url(connections))
    sleeps = Sleeps(ledger).sleeps(datetime(1970, 1, 1, tzinfo=UTC), now)
    resources = {bill_key(one.former.resource): one.former.resource for one in sleeps}
    rows = charges(focus, resources.values()) if focus is not None else []
    found = saved(sleeps, rows, catalog.environments, catalog.rates, month, now, catalog.platform.currency)
    write(found, ledger, open_stores(catalog.platform.evidence, connections), now)
    return found


def write(found: Iterable[Saved], ledger: Ledger, stores: Stores, now: datetime) -> None:
    """One note an environment and month: the cost report shows forecast and settled side by side."""
    from include.costs.measured import Measured, note_of

    for one in found:
        row = Measured(
            kind="suspension",
            month=one.month,
            subject=one.environment,
            environment=one.environment,
            owner=one.owner,
            currency=one.currency,
            forecast=one.forecast,
            settled=one.settled,
        )
        note = note_of(row, "drillyard", now)
        stores.write_record(note)
        ledger.project(note)
