"""`drillyard readiness`: what is proven, on the terminal, as JSON or as the page."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from include.evidence.terminal import plain_errors
from include.values import canonical_json, utcnow

if TYPE_CHECKING:
    from include.evidence.readiness_model import Readiness


class Format(StrEnum):
    """How to show it."""

    table = "table"
    json = "json"
    html = "html"


def readiness_command(
    format: Annotated[Format, typer.Option("--format", help="table, json or html")] = Format.table,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of the terminal")] = None,
    catalog: Annotated[
        Path | None, typer.Option("--catalog", help="The platform's directory; default: DRILLYARD_PLATFORM")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="An evidence store to read instead of the ledger, such as when it is gone")
    ] = None,
) -> None:
    """Show what is proven: each service against its targets, unknown and stale first."""
    with plain_errors():
        report = _from_store(source, catalog) if source else _from_ledger(catalog)
        if out is None:
            _write(report, format, sys.stdout)
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("w", encoding="utf-8") as file:
                _write(report, format, file)
            typer.echo(out)


def _write(report: Readiness, format: Format, file: TextIO) -> None:
    from include.evidence.page import page
    from include.evidence.table import print_table

    if format is Format.table:
        print_table(report, utcnow(), file)
    else:
        file.write((canonical_json(report).decode() if format is Format.json else page(report)) + "\n")


def _from_ledger(directory: Path | None) -> Readiness:
    from include.evidence.publish import current

    return current(directory=directory)


def _from_store(url: str, directory: Path | None) -> Readiness:
    from include.evidence.publish import current_from_store

    return current_from_store(url, directory)
