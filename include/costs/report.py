"""One report from a billing directory: the function that the command and the DAG both call."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.costs.allocation import Share, allocate, with_destinations
from include.costs.bill import Bill, Daily, Fact
from include.costs.intake import take_in
from include.costs.keys import Declared, load_declared
from include.costs.platform import Platform, read_platform
from include.costs.settings import CostSettings, load_settings
from include.costs.totals import totals

if TYPE_CHECKING:
    from include.costs.engines import Engine


class Figures:
    """Everything a report is written from. Small: groups, never rows."""

    def __init__(self, bill: Bill, settings: CostSettings, declared: Declared, platform: Platform) -> None:
        self.bill = bill
        self.settings = settings
        self.declared = declared
        self.platform = platform
        every = with_destinations(bill.facts(), bill.parties, settings)
        self.all_facts: list[Fact] = every
        self.daily: list[Daily] = []
        self.facts: list[Fact] = every
        self.shares: list[Share] = []
        self.month: str | None = None

    def limit(self, month: str | None) -> None:
        """Keep one month (None: all) and allocate it."""
        self.month = month
        self.facts = [f for f in self.all_facts if month is None or f.month == month]
        self.shares = self.allocate(self.facts)

    def allocate(self, facts: list[Fact]) -> list[Share]:
        """Shares of some facts."""
        return allocate(facts, self.bill.parties, self.declared, self.settings, self.platform.services)

    @property
    def totals(self) -> dict[str, Any]:
        """The content of totals.json."""
        return totals(self.bill, self.facts, self.shares, self.month)


def months_of(figures: Figures) -> Iterator[str]:
    """All billing months that were delivered, oldest first."""
    yield from sorted({fact.month for fact in figures.all_facts})


def write_report(
    billing: Path, catalog: Path, out: Path, *, now: datetime, month: str | None = None, engine: str = "duckdb"
) -> dict[str, Any]:
    """Read `billing`, write the report of `month` (None: everything delivered) to `out`, return the content of totals.json.

    Raises FileNotFoundError for a missing directory, CostsError for faults of costs.yaml and its files. Damaged or foreign
    billing files are quarantined, never raised.
    """
    from include.costs.engines import DuckDBEngine, open_engine
    from include.costs.focus import write_focus
    from include.costs.publish import publish

    settings = load_settings(catalog)
    declared = load_declared(catalog, settings)
    platform = read_platform(catalog, settings)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        desk = stack.enter_context(open_engine("duckdb"))
        runner: Engine = desk if engine == desk.name else stack.enter_context(open_engine(engine))
        if not isinstance(desk, DuckDBEngine):
            raise TypeError("the embedded engine is DuckDB")
        bill = Bill(runner, desk, settings)
        bill.take(take_in(billing))
        bill.group()
        figures = Figures(bill, settings, declared, platform)
        figures.limit(month)
        figures.daily = bill.daily()
        shutil.rmtree(out / "focus", ignore_errors=True)
        write_focus(bill, out / "focus")
        publish(figures, out, now=now)
    result = figures.totals
    (out / "totals.json").write_text(json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return result
