"""Files with a column too few, of another kind, or cut off: nothing may raise, and what the others sum to stays."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from costs_reading import DATA, google, write

from include.costs.bill import Bill
from include.costs.engines import open_engine
from include.costs.focus import write_focus
from include.costs.intake import take_in
from include.costs.keys import Declared
from include.costs.platform import Platform
from include.costs.report import Figures
from include.costs.settings import CostSettings

Rows = list[dict[str, Any]]
OTHER = [
    {
        "BilledCost": "4.25",
        "BillingCurrency": "CHF",
        "BillingAccountId": "other",
        "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "ChargePeriodStart": "2026-10-03T00:00:00Z",
        "ChargeDescription": "a server",
        "ProviderName": "Example Hosting",
        "ServiceName": "Servers",
    }
]


def sample(name: str, rows: int = 4) -> Rows:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        return [row for row, _ in zip(csv.DictReader(file), range(rows), strict=False)]


def typed(name: str) -> Rows:
    """The rows as pandas, Spark or Athena would type them."""
    import pyarrow.csv

    header, *lines = (DATA / name).read_bytes().splitlines(keepends=True)[:40]
    found: Rows = pyarrow.csv.read_csv(io.BytesIO(header + b"".join(lines))).to_pylist()[:4]
    return found


def flat_google() -> Rows:
    one = {**google(1.1), "credits": '[{"amount": -0.1}]', "labels": '[{"key": "service", "value": "pricing"}]'}
    named: dict[str, Any] = {}
    for name, value in one.items():
        named |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return [{**named, "usage_start_time": "2026-10-03 00:00:00 UTC", "usage_end_time": "2026-10-04 00:00:00 UTC"}]


FORMATS: dict[str, Callable[[], Rows]] = {
    "cur.csv": lambda: sample("cur_sample.csv"),
    "cur.parquet": lambda: typed("cur_sample.csv"),
    "focus.csv": lambda: sample("focus_sample.csv"),
    "focus.parquet": lambda: typed("focus_sample.csv"),
    "azure.csv": lambda: sample("ea_sample.csv"),
    "azure.parquet": lambda: typed("ea_sample.csv"),
    "google.csv": flat_google,
    "google.parquet": lambda: [google(1.1), google(2.2)],
}
KINDS: dict[str, list[Any]] = {
    ".csv": ["x", "", "2026-13-45", "{", "-1e400"],
    ".parquet": [None, "x", "", 7, 1.5, True, datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 10, 3).date(), b"\xff", [1],
                 ["x"], {"amount": 1}, [{"key": 1, "value": 2}], [("k", "v")]],
}  # fmt: skip


USED = re.compile(
    r"cost|currency|start|end|date|account|usage|product|tag|operation|unit|region|kind|type|invoice|entity|sku|credits|labels"
    r"|service|project|location|meter|charge|quantity|price|provider|publisher|resource|name$|zone",
    re.IGNORECASE,
)
"""Columns that some expression asks for (a CUR has fifty that none does)."""


def save(path: Path, rows: Rows) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".csv":
        return write(path, rows)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def whole(folder: Path, out: Path) -> dict[str, Any]:
    """Everything that reads rows: inspection, choice, groups, days and FOCUS files. The content of totals.json."""
    with open_engine("duckdb") as desk:
        bill = Bill(desk, desk, CostSettings())  # type: ignore[arg-type]
        bill.take(take_in(folder))
        bill.group()
        figures = Figures(bill, bill.settings, Declared(), Platform())
        figures.limit(None)
        bill.daily()
        write_focus(bill, out)
        return figures.totals


def spoilt(name: str) -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """What may happen to a file of this format, each with a name. Every column goes, and comes in three other kinds."""
    rows = FORMATS[name]()
    kinds = KINDS[Path(name).suffix]
    yield "foreign column", lambda p: save(p, [{**r, "x_Foreign": "…", "Comment": 'a "b", c\nd'} for r in rows])
    for place, column in enumerate(c for c in rows[0] if USED.search(c)):
        yield f"without {column}", lambda p, c=column: save(p, [{k: v for k, v in r.items() if k != c} for r in rows])
        for other in (kinds[(place + step) % len(kinds)] for step in (0, 5, 11)):
            yield f"{column} is {other!r}", lambda p, c=column, o=other: save(p, [{**r, c: o} for r in rows])
    size = save_size(name, rows)
    for at in sorted({1, 4, 5, *range(0, size, max(size // 5, 1)), size - 1, size - 9}):
        yield f"cut off at {at} of {size}", lambda p, a=at: p.write_bytes(save(p, rows).read_bytes()[:a])


def save_size(name: str, rows: Rows) -> int:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        return save(Path(place) / name, rows).stat().st_size


def check(folder: Path, name: str, what: str, spoil: Callable[[Path], Any]) -> dict[str, Any]:
    """The totals with one spoilt file beside another provider's good one, whose rows are all still there."""
    bills = folder / "bills"
    bills.mkdir()
    write(bills / "other.csv", OTHER)
    spoil(bills / name)
    totals = whole(bills, folder / "focus")
    assert totals["billed_cost"]["Example Hosting"] == {"CHF": "4.25"}, (name, what)
    return totals


@pytest.mark.parametrize(
    ("name", "column", "other", "said"),
    [
        ("focus.csv", "BillingAccountId", None, "no column billingaccountid"),
        ("google.parquet", "credits", [True], "credits holds"),
        ("cur.parquet", "lineItem/UnblendedCost", True, "lineitemunblendedcost holds"),
        ("azure.parquet", "Date", 1.5, "date holds"),
        ("focus.parquet", "BillingCurrency", 7, "billingcurrency holds"),
    ],
)
def test_a_needed_column_that_is_missing_or_of_another_kind_quarantines_the_file(
    tmp_path: Path, name: str, column: str, other: Any, said: str
) -> None:
    rows = FORMATS[name]()
    changed = [{k: v for k, v in r.items() if k != column} if other is None else {**r, column: other} for r in rows]
    totals = check(tmp_path, name, said, lambda path: save(path, changed))
    (entry,) = totals["quarantined"]["files"]
    assert entry["file"] == name and said in entry["reason"] and len(totals["billed_cost"]) == 1


@pytest.mark.parametrize(
    ("name", "column", "other"),
    [
        ("focus.csv", "ChargeCategory", None),
        ("cur.parquet", "lineItem/LineItemType", None),
        ("cur.parquet", "lineItem/LineItemType", [1]),
        ("focus.parquet", "Tags", [1]),
    ],
)
def test_a_column_that_only_helps_may_be_missing_or_of_another_kind(tmp_path: Path, name: str, column: str, other: Any) -> None:
    rows = FORMATS[name]()
    changed = [{k: v for k, v in r.items() if k != column} if other is None else {**r, column: other} for r in rows]
    totals = check(tmp_path, name, column, lambda path: save(path, changed))
    assert totals["quarantined"]["files"] == [] and totals["rows"] == len(rows) + 1


def test_a_double_beyond_the_digits_and_credits_nobody_can_read_are_named_and_not_nothing(tmp_path: Path) -> None:
    rows = FORMATS["cur.parquet"]()
    save(tmp_path / "cur.parquet", [{**rows[0], "lineItem/UnblendedCost": 1e15}, {**rows[1], "lineItem/UnblendedCost": 2.5}])
    save(tmp_path / "google.csv", [{**flat_google()[0], "credits": "?"}])
    totals = whole(tmp_path, tmp_path / "focus")
    assert totals["billed_cost"] == {"AWS": {"USD": "2.5"}}
    assert {(q["file"], q["rows"]) for q in totals["quarantined"]["rows"]} == {("cur.parquet", 1), ("google.csv", 1)}


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", list(FORMATS))
def test_whatever_happens_to_a_file_nothing_raises_and_the_others_stay(tmp_path: Path, name: str) -> None:
    for place, (what, spoil) in enumerate(spoilt(name)):
        (tmp_path / str(place)).mkdir()
        check(tmp_path / str(place), name, what, spoil)
