"""``drillyard plan``: what is due at a time, and why; a dry run that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.values import format_duration, utcnow

if TYPE_CHECKING:
    from include.recovery.model import PlanItem
    from include.recovery.plan import History


class Format(StrEnum):
    """How a plan is printed."""

    TABLE = "table"
    JSON = "json"


def plan_command(
    verb: Annotated[str, typer.Argument(help="What to plan: drill_restores.")] = "drill_restores",
    at: Annotated[
        str | None, typer.Option(help="The time to plan for, with its offset: 2026-11-23T02:00Z. Default: now.")
    ] = None,
    catalog: Annotated[Path | None, typer.Option(help="The catalog's directory.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Only this service, or service/datastore. May be repeated.")] = None,
    format: Annotated[Format, typer.Option(help="table, or json as the operators get it.")] = Format.TABLE,
) -> None:
    """Show the drills that are due at a time, in their order, with forecast, and what holds them. Runs nothing."""
    import json

    from include.catalog.errors import CatalogError
    from include.catalog.load import load
    from include.ledger.model import LedgerError
    from include.recovery.plan import plan
    from include.settings import platform_dir

    try:
        now = instant(at)
        loaded = load(catalog or platform_dir())
        history, stopped = past()
        items = plan(loaded, history, now, verb=verb, only=service or None, stopped=stopped)
    except (CatalogError, LedgerError, ValueError) as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from None
    for name, reason in sorted(loaded.broken.items()):
        typer.secho(f"note: service {name} cannot be used: {reason}", fg=typer.colors.YELLOW, err=True)
    if format is Format.JSON:
        typer.echo(json.dumps([item.model_dump(mode="json") for item in items], indent=2, ensure_ascii=False))
    else:
        typer.echo(table(items, now))


def instant(text: str | None) -> datetime:
    """The instant that is meant, now when nothing is. Raises ValueError, with an example, for a time without offset."""
    if text is None:
        return utcnow()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--at {text!r} is no time; write for example 2026-11-23T02:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"--at {text!r} has no offset; write {text}Z for UTC, or for example {text}+01:00")
    return found


def past() -> tuple[Mapping[str, History], str | None]:
    """The ledger's history, and the reason of a global stop. Without a ledger: none, and a note that says so."""
    from include.ledger import open_ledger_from_environment

    try:
        ledger = open_ledger_from_environment()
    except LookupError as error:
        typer.secho(f"note: {error}; planned as if nothing was ever proven", fg=typer.colors.YELLOW, err=True)
        return {}, None
    stop = ledger.stopped()
    return ledger.history(), f"{stop.reason} ({stop.by}, {stop.at:%Y-%m-%d %H:%M} UTC)" if stop else None


def table(items: Sequence[PlanItem], now: datetime) -> str:
    """One line a drill, and a line of totals; held drills say why below."""
    if not items:
        return f"nothing is due at {now.isoformat()}"
    rows = [("", "DATASTORE", "TIER", "CLOUD", "TAKES", "COST", "WHY")]
    for item in items:
        cost = f"{item.forecast.cost} {item.forecast.currency}"
        takes = format_duration(item.forecast.duration)
        rows.append(("held" if item.held else "due", item.label, item.tier, item.cloud, takes, cost, item.why))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    held = [item for item in items if item.held]
    lines += ["", *(f"held: {item.label}: {item.held}" for item in held)] if held else []
    run = [item for item in items if not item.held]
    total = sum((item.forecast.cost for item in run), start=Decimal(0))
    currency = items[0].forecast.currency
    lines.append(f"\n{len(run)} due, {len(held)} held; forecast {total} {currency} at {now.isoformat()}")
    return "\n".join(lines)
