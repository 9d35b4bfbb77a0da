"""The `drillyard` command: the same functions that the DAGs call, for terminals, cron and the worst day."""

from __future__ import annotations

import importlib
import importlib.util

import typer

ROOMS = {
    "catalog": "include.catalog.cli",
    "evidence": "include.evidence.cli",
    "ledger": "include.ledger.cli",
    "lab": "include.lab.cli",
    "costs": "include.costs.cli",
    "suspend": "include.suspension.cli",
    "notices": "include.notices.cli",
    "audit": "include.audit.cli",
}
"""Sub-commands by room. The lab is left out of the image, so a room that is not installed is not offered."""


def build() -> typer.Typer:
    """The command with every room that is here."""
    from include.evidence.cli_gate import gate_command
    from include.evidence.cli_readiness import readiness_command
    from include.recovery import cli as recovery
    from include.recovery import cli_recover
    from include.recovery.cli_plan import plan_command

    app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_show_locals=False)
    app.command("plan")(plan_command)
    app.command("readiness")(readiness_command)
    app.command("gate")(gate_command)
    recovery.register(app)
    cli_recover.register(app)
    for name, module in ROOMS.items():
        if _there(module):
            app.add_typer(importlib.import_module(module).app, name=name)
    return app


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    """Entry point of the console script."""
    build()()
