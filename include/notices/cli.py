"""`drillyard notices`: what would be told, and tell it now, without Airflow."""

from __future__ import annotations

from typing import Annotated

import typer

from include.evidence.terminal import plain_errors

app = typer.Typer(no_args_is_help=True, help="Who is told of a change: preview, send.")


@app.command()
def preview(
    at: Annotated[str | None, typer.Option(help="The time to look at, with its offset: 2026-11-23T02:00Z. Default: now.")] = None,
) -> None:
    """Show the messages that a round at a time would send. Sends nothing, changes nothing."""
    from include.notices import tell
    from include.recovery.cli_plan import instant

    with plain_errors():
        found = tell.preview(at=instant(at))
    for one in found:
        print(f"{one.via} to {one.to} ({one.severity})\n  {one.title}")
        for line in one.body.splitlines():
            print(f"  | {line}".rstrip())
    print(f"{len(found)} messages")


@app.command()
def send() -> None:
    """Tell everyone what changed, and give the heartbeats: what `publish_readiness` does after each publication."""
    from include.notices import tell

    with plain_errors():
        print(tell.tell())
