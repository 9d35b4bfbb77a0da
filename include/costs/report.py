"""One report from a billing directory: the function that the command and the DAG both call."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.connections import Connections, from_environment
from include.costs.allocation import Share, allocate, with_destinations
from include.costs.bill import Bill, Daily, Fact
from include.costs.engines import DuckDBEngine, open_engine
from include.costs.focus import write_focus
from include.costs.intake import take_in
from include.costs.keys import Declared, load_declared
from include.costs.measured import Measured, Remembered, from_file, from_ledger
from include.costs.places import local_copy
from include.costs.platform import Platform, read_platform
from include.costs.settings import CostsError, CostSettings, load_settings
from include.costs.totals import totals

if TYPE_CHECKING:
    from include.costs.engines import Engine
    from include.costs.view import View
    from include.evidence.record import NoteRecord


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
        self.measured: list[Measured] = []
        self.signed: list[NoteRecord] = []

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


def write_report(
    billing: Path | str,
    catalog: Path,
    out: Path,
    *,
    now: datetime,
    month: str | None = None,
    engine: str = "duckdb",
    send: bool = False,
    connections: Connections = from_environment,
    ledger: Remembered | None = None,
) -> dict[str, Any]:
    """Read `billing`, write the report of `month` (None: everything delivered) to `out`, return the content of totals.json.

    `billing` is a folder or an fsspec URL (``s3://``, ``gs://``, ``abfs://``), or several with commas between. With `send`
    the report goes to the finance contacts by mail. Measured savings, drill forecasts and sign-offs come from `ledger`, or
    the one of connection `drillyard_ledger` where it is known. Raises FileNotFoundError for a missing directory, CostsError
    for faults of costs.yaml and its files. Damaged or foreign billing files are quarantined, never raised.
    """
    from include.costs import guard as door
    from include.costs.publish import gaps_of, view_of, write_behind, write_pages

    settings = load_settings(catalog)
    declared = load_declared(catalog, settings)
    platform = read_platform(catalog, settings)
    known, platform = _remembered(catalog, settings, platform, ledger or _ledger(connections))
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = stack.enter_context(local_copy(billing, settings.storage, connections))
        desk, runner = _engines(stack, engine)
        bill = Bill(runner, desk, settings)
        bill.take(take_in(folder))
        bill.group()
        figures = Figures(bill, settings, declared, platform)
        figures.limit(month)
        figures.daily = bill.daily()
        figures.measured, figures.signed = known
        shutil.rmtree(out / "focus", ignore_errors=True)
        write_focus(bill, out / "focus", month)
        view = view_of(figures, out)
        gaps = gaps_of(figures)
        write_behind(view, desk, out)
    # After the engines have given back their memory: Great Expectations takes 250 MB of its own.
    result = figures.totals
    text = json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "totals.json").write_text(text + "\n", encoding="utf-8")
    write_pages(view, out, now=now, guard=door.watch(door.slices(bill), out), gaps=gaps)
    if send:
        _send(view, settings, platform, out, now, connections)
    return result


def _remembered(
    catalog: Path, settings: CostSettings, platform: Platform, ledger: Remembered | None
) -> tuple[tuple[list[Measured], list[NoteRecord]], Platform]:
    """Measured rows and sign-offs, and the platform with one problem more when the ledger does not answer: the bill is
    reported anyway."""
    from include.costs.signing import COSTS_SIGNED
    from include.ledger.model import LedgerError

    rows = from_file(catalog, settings)
    if ledger is None:
        return (rows, []), platform
    try:
        return ([*from_ledger(ledger, platform.services), *rows], list(ledger.notes(COSTS_SIGNED))), platform
    except LedgerError as fault:
        said = f"savings, drill forecasts and sign-offs of the ledger are missing here: {fault}"
        return (rows, []), platform.model_copy(update={"problems": (*platform.problems, said)})


def _ledger(connections: Connections) -> Remembered | None:
    from include.ledger import CONN_ID, open_ledger, url_of

    try:
        return open_ledger(url_of(connections(CONN_ID)))
    except LookupError:
        return None


def _engines(stack: ExitStack, name: str) -> tuple[DuckDBEngine, Engine]:
    """The embedded engine for small tables, and the one that reads the rows (often the same)."""
    desk = stack.enter_context(open_engine(DuckDBEngine.name))
    if not isinstance(desk, DuckDBEngine):
        raise TypeError("the embedded engine is DuckDB")
    return desk, desk if name == desk.name else stack.enter_context(open_engine(name))


def _send(view: View, settings: CostSettings, platform: Platform, out: Path, now: datetime, connections: Connections) -> None:
    from include.costs import mail

    if settings.mail is None or not platform.addresses:
        raise CostsError("costs.yaml has no `mail` or no `finance` contacts; add both, or do not ask to send the report")
    message = mail.compose(view, settings.mail, platform.addresses, out / "report.xlsx", now=now)
    mail.send(message, settings.mail, connections)
