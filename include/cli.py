"""The `drillyard` command: the same functions that the DAGs call, for terminals, cron and the worst day."""

from __future__ import annotations

import importlib

import typer

ROOMS = {
    "catalog": "include.catalog.cli",
    "evidence": "include.evidence.cli",
    "ledger": "include.ledger.cli",
    "lab": "include.lab.cli",
    "costs": "include.costs.cli",
}
"""Sub-commands by room. The lab is left out of the image, so a room that is not installed is not offered."""


def build() -> typer.Typer:
    """The command with every room that is here."""
    app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_show_locals=False)
    for name, module in ROOMS.items():
        if importlib.util.find_spec(module.rpartition(".")[0]) is None:
            continue
        if importlib.util.find_spec(module) is not None:
            app.add_typer(importlib.import_module(module).app, name=name)
    return app


def main() -> None:
    """Entry point of the console script."""
    build()()
