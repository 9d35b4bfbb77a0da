"""The way back on a terminal: `drillyard recover` and `drillyard runbook`. Needs a store, and nothing else of Drillyard's."""

from __future__ import annotations

import getpass
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from include.connections import ConnectionInfo, from_environment
from include.evidence.terminal import plain_errors
from include.values import parse_duration, utcnow

if TYPE_CHECKING:
    from include.evidence.kit import KitService
    from include.evidence.shelf import Shelved
    from include.evidence.store import Store
    from include.recovery.model import Access, PlanItem
    from include.recovery.recover import Recovery

From = Annotated[str, typer.Option("--from", help="An evidence store: a folder or an fsspec URL.")]
Keys = Annotated[list[str] | None, typer.Option("--key", help="A trusted public key (hex). Default: those that the kit names.")]
KitId = Annotated[str | None, typer.Option("--kit", help="This kit instead of the newest.")]
MaxAge = Annotated[str, typer.Option(help="Refuse an older kit.")]
Unproven = Annotated[bool, typer.Option(help="Take a kit although nothing vouches for its content.")]
Options = Annotated[str | None, typer.Option("--connection", help="Connection with fsspec's `storage_options` for the store.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the root command."""
    app.command()(recover)
    app.command()(runbook)
    app.command("cold-drill")(cold_drill)


def recover(
    source: From,
    services: Annotated[list[str] | None, typer.Argument(help="Services to bring back, with all that they need.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every service, in the order of their dependencies.")] = False,
    alone: Annotated[bool, typer.Option(help="The named services only, without what they need.")] = False,
    to_time: Annotated[str, typer.Option(help="A point in time with its offset.")] = "",
    point: Annotated[str, typer.Option(help="A recovery point's id. Empty: the latest.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be restored from where; start nothing.")] = False,
    lost: Annotated[list[str] | None, typer.Option(help="A failure domain that is gone: nothing is read there.")] = None,
    keep: Annotated[str, typer.Option(help="How long the reaper leaves the result alone.")] = "4w",
    discard: Annotated[bool, typer.Option(help="A rehearsal: take the result away again.")] = False,
    anew: Annotated[bool, typer.Option(help="Restore beside what an earlier try has left.")] = False,
    regulated: Annotated[str | None, typer.Option(help="Why data of regulated tenants may be kept here.")] = None,
    reason: Annotated[str, typer.Option(help="Goes into the evidence.")] = "recovery",
    by: Annotated[str, typer.Option(help="Who recovers. Default: your login.")] = "",
    into: Annotated[Path, typer.Option(help="Folder for the connection files and a copy of the records.")] = Path("recovered"),
    key: Keys = None,
    kit: KitId = None,
    max_age: MaxAge = "8d",
    unproven: Unproven = False,
    connection: Options = None,
) -> None:
    """Restore services from a cold kit, with Airflow, the ledger and the primary region gone.

    Exit status: 0 every database is back and answers; 1 one is not.
    """
    from include.recovery import recover as steps
    from include.recovery.cold import unpacked
    from include.recovery.requests import request_of

    if not services and not everything:
        raise typer.BadParameter("name services, or --all")
    with plain_errors():
        store, shelved = _shelved(source, connection, key, kit, max_age, unproven)
        chosen = steps.services_of(shelved.kit, services or [], everything=everything, alone=alone)
        form = {"recovery_point": point, "target_time": to_time, "reason": reason}
        request, target = request_of(form, by or getpass.getuser())
        with unpacked(shelved.kit) as loaded:
            job = steps.Recovery(
                kit=shelved.kit,
                store=shelved.store,
                loaded=loaded,
                stores=_writable(store, into),
                connections=from_environment,
                secret="" if dry_run else _secret(into),
                request=request.model_copy(update={"keep": parse_duration(keep)}),
                target=target,
                lost=lost or (),
                discard=discard,
                salt=secrets.token_hex(4) if anew or discard else "",
                regulated=regulated,
                on_access=lambda item, access: _tell_access(into, item, access),
            )
            whole = steps.preview(job, chosen) if dry_run else _bring_back(job, chosen)
        if not dry_run:
            typer.echo(f"records: {source} and {into / 'evidence'}; `drillyard ledger rebuild` makes them known later")
    raise typer.Exit(0 if whole else 1)


def cold_drill(
    services: Annotated[list[str] | None, typer.Argument(help="Services, or all. Default: what is due.")] = None,
) -> None:
    """Bring services back from a cold kit as a drill, kept from Airflow, the ledger, the network and every other domain.

    Exit status: 0 all came back; 1 one did not.
    """
    from include.recovery import cold_drills

    failed = 0
    with plain_errors():
        for item in cold_drills.planned(from_environment, services or (), utcnow()):
            outcome = cold_drills.run_planned(item, from_environment)
            took = f" in {outcome.seconds:.1f} s" if outcome.seconds is not None else ""
            typer.echo(f"{item.label}: {'came back' + took if outcome.passed else 'NOT BACK'}: {outcome.summary}")
            failed += not outcome.passed
    raise typer.Exit(1 if failed else 0)


def runbook(
    source: From,
    service: Annotated[str | None, typer.Argument(help="One service with all that it needs. Default: everything.")] = None,
    html: Annotated[bool, typer.Option("--html", help="As a page, for a screen or the printer.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    key: Keys = None,
    kit: KitId = None,
    max_age: MaxAge = "8d",
    unproven: Unproven = False,
    connection: Options = None,
) -> None:
    """Show the runbook of the newest kit: what to restore in which order, with which command, who is told, who decides."""
    from include.evidence import runbook as pages

    with plain_errors():
        _, shelved = _shelved(source, connection, key, kit, max_age, unproven)
        text = (pages.as_page if html else pages.as_text)(shelved.kit, service)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(out)


def _shelved(
    source: str, connection: str | None, keys: list[str] | None, kit: str | None, max_age: str, unproven: bool
) -> tuple[Store, Shelved]:
    """The store and its kit; says on the error stream what the kit is worth."""
    from include.evidence import shelf
    from include.evidence.stores import open_store

    options: dict[str, Any] = from_environment(connection).extra.get("storage_options", {}) if connection else {}
    store, now = open_store(source, options=options), utcnow()
    found = shelf.fetch(
        store, now, keys or (), kit_id=kit, max_age=parse_duration(max_age), unproven=unproven, own_keys=keys is None
    )
    for skipped in found.passed_over:
        typer.secho(f"passed over: {skipped}", err=True, fg=typer.colors.YELLOW)
    typer.secho(f"kit {found.kit.kit_id}, {shelf.spelled(now - found.kit.written_at)} old, {found.words}", err=True)
    return store, found


def _bring_back(job: Recovery, services: list[KitService]) -> bool:
    """Whether every database is back and answers."""
    from include.recovery.recover import recover as bring
    from include.recovery.recover import total

    began = time.monotonic()
    done = bring(job, services)
    typer.echo(total(done, time.monotonic() - began))
    for one in done:
        if not one.usable:
            typer.secho(f"  {one.service}/{one.datastore}: {one.summary}", err=True, fg=typer.colors.RED)
    return all(one.usable for one in done)


def _writable(store: Store, into: Path) -> Any:
    """The store, and a folder here: a store that is full or read-only must not stand in the way of a recovery."""
    from include.evidence.stores import Stores, open_store

    return Stores([store, open_store(str((into / "evidence").resolve()), "here")])


def _tell_access(into: Path, item: PlanItem, access: Access) -> None:
    from include.recovery.recover import write_access

    typer.echo(f"{item.label}: connect with  . {write_access(into, item, access)} && psql")


def _secret(into: Path) -> str:
    """What the passwords of restored servers are made of: the connection's, or one that is kept beside the results."""
    try:
        given: ConnectionInfo | None = from_environment("drillyard_sandbox")
    except LookupError:
        given = None
    if given is not None and given.password:
        return given.password
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = into / ".secret"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text()
