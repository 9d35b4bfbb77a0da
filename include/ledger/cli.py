"""`drillyard ledger`: make, rebuild and look at the ledger from a terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from include.evidence.terminal import plain_errors
from include.values import format_duration, parse_duration, utcnow

if TYPE_CHECKING:
    from include.evidence.stores import Stores
    from include.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="The ledger of drills and leases: migrate, rebuild, leases.")

Connection = Annotated[
    str | None,
    typer.Option("--ledger", help="SQLAlchemy or libpq URL; default: connection drillyard_ledger from the environment"),
]


@app.command()
def migrate(ledger: Connection = None, reader: Annotated[str | None, typer.Option(help="A role to grant SELECT")] = None) -> None:
    """Bring the ledger's tables to the newest version."""
    from include.ledger import open_ledger, url_from_environment
    from include.ledger.migrations import migrate as bring

    with plain_errors():
        opened = open_ledger(ledger or url_from_environment())
        version = bring(opened.url)
        if reader:
            opened.grant_reader(reader)
        print(f"{opened}: version {version}" + (f", readable by {reader}" if reader else ""))


@app.command()
def rebuild(
    source: Annotated[str, typer.Option("--from", help="An evidence store: a folder or an fsspec URL")],
    ledger: Connection = None,
) -> None:
    """Fill the ledger again from the records of one store, open leases included. The tables are made when missing.

    A file that is no record hides no other: it is named, and the exit status is 1.
    """
    from include.evidence.stores import open_store
    from include.ledger.migrations import migrate as bring

    with plain_errors():
        opened = _open(ledger)
        bring(opened.url)
        began, unreadable = utcnow(), dict[str, str]()
        count = opened.rebuild(open_store(source).records(unreadable=unreadable))
        took = (utcnow() - began).total_seconds()
        print(f"{count} records from {source} in {took:.1f} s; {len(opened.open_leases())} leases are open")
    for path, why in unreadable.items():
        typer.secho(f"left out {path}: {why}; look for it in another store", err=True, fg=typer.colors.RED)
    raise typer.Exit(1 if unreadable else 0)


@app.command()
def leases(ledger: Connection = None) -> None:
    """List the leases that are open: what Drillyard made and has not discarded."""
    now = utcnow()
    with plain_errors():
        found = _open(ledger).open_leases()
    for lease in found:
        left = lease.expires_at - now
        state = f"expires in {format_duration(left)}" if left > timedelta(0) else f"expired {format_duration(-left)} ago"
        holder = f", held by {lease.adopted_by}" if lease.adopted_by else ""
        print(f"{lease.lease_id}  {lease.cloud}/{lease.region}  {lease.sandbox}  {state}{holder}")
    if not found:
        print("no lease is open")


@app.command()
def adopt(
    lease: str,
    person: str,
    keep: Annotated[str, typer.Option("--for", help="How long, for example 8h")] = "8h",
    reason: str = "",
    ledger: Connection = None,
) -> None:
    """Pass a lease to a person: the reaper leaves its sandbox alone."""
    from include.ledger.acts import adopt as hand_over

    now = utcnow()
    with plain_errors():
        taken = hand_over(_open(ledger), _stores(), lease, person, now + parse_duration(keep), reason, now)
        print(f"{taken.sandbox} belongs to {person} until {taken.expires_at.isoformat()}")


@app.command()
def release(lease: str, person: str, reason: str = "", ledger: Connection = None) -> None:
    """Give an adopted lease back: the reaper discards its sandbox."""
    from include.ledger.acts import release as hand_back

    with plain_errors():
        given = hand_back(_open(ledger), _stores(), lease, person, reason, utcnow())
        print(f"{given.sandbox} is left to the reaper since {given.expires_at.isoformat()}")


def _open(url: str | None) -> Ledger:
    from include.ledger import open_ledger, open_ledger_from_environment

    return open_ledger(url) if url else open_ledger_from_environment()


def _stores() -> Stores:
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.settings import platform_dir

    return open_stores(load(platform_dir()).catalog.platform.evidence)
