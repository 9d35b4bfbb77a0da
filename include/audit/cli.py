"""`drillyard audit`: the export for a period, and waivers. Works from the evidence stores; Airflow and the ledger may be gone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.evidence.opened import anchor_of_ledger, loaded_from, stores_of
from include.evidence.terminal import plain_errors
from include.values import utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.evidence.record import NoteRecord

app = typer.Typer(no_args_is_help=True, help="For auditors: export, waive, unwaive, waivers.")

Catalog = Annotated[Path | None, typer.Option("--catalog", help="The platform's directory; default: DRILLYARD_PLATFORM")]


@app.command()
def export(
    since: Annotated[str, typer.Option("--from", help="The period's first day, such as 2026-07-01 (UTC), or an instant.")],
    until: Annotated[str, typer.Option("--to", help="The day after its last.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    store: Annotated[
        list[str] | None, typer.Option("--store", help="Folders or fsspec URLs; default: the platform's stores.")
    ] = None,
    catalog: Catalog = None,
) -> None:
    """Drills due, done, missed, held and waived in a period, each with its evidence; CSV, one page, a manifest.

    Exit code 1 when a store's chain is broken or cannot be read: the export is written all the same, and says so.
    """
    from include.audit import export as work
    from include.evidence.stores import open_store

    with plain_errors():
        loaded = loaded_from(catalog)
        stores = [open_store(url) for url in store] if store else list(stores_of(loaded))
        content = work.audit(loaded, stores, anchor_of_ledger(), instant(since), instant(until), utcnow())
        told = work.write(content, out)
    print(f"{out / 'audit.html'}\ndigest {told}")
    print(
        f"due: {content.count('done')} done ({content.count('done', 'passed')} passed); nights: {content.count('held')} held, "
        f"{content.count('waived')} waived, {content.count('missed')} missed"
    )
    for one in content.chain:
        print(f"store {one.store}: {one.word}")
    raise typer.Exit(1 if {one.word for one in content.chain} & {"BROKEN", "NONE"} else 0)


@app.command()
def waive(
    subject: Annotated[str, typer.Argument(help="A service, or service/datastore.")],
    why: Annotated[str, typer.Option(help="Goes into the evidence.")],
    until: Annotated[str, typer.Option(help="When it expires, such as 2026-12-31.")],
    by: Annotated[str, typer.Option(help="Who answers for it: a person of platform.yaml.")],
    catalog: Catalog = None,
) -> None:
    """Say that a service need not be drilled until a day. Its state on the readiness page does not change."""
    from include.audit.waivers import new_waiver

    with plain_errors():
        loaded = loaded_from(catalog)
        _write(loaded, new_waiver(loaded.catalog, subject, by, why, instant(until), utcnow()))


@app.command()
def unwaive(
    evidence_id: Annotated[str, typer.Argument(help="The waiver's evidence id, as `waivers` prints it.")],
    by: Annotated[str, typer.Option(help="Who ends it.")],
    why: Annotated[str, typer.Option(help="Goes into the evidence.")],
    catalog: Catalog = None,
) -> None:
    """End a waiver before its expiry."""
    from include.audit.waivers import end_waiver, waivers_in

    with plain_errors():
        loaded = loaded_from(catalog)
        known = waivers_in(stores_of(loaded).first(lambda store: list(store.records())))
        _write(loaded, end_waiver(known, evidence_id, by, why, utcnow()))


@app.command()
def waivers(catalog: Catalog = None) -> None:
    """The waivers that count now."""
    from include.audit.waivers import waivers_in

    with plain_errors():
        known = waivers_in(stores_of(loaded_from(catalog)).first(lambda store: list(store.records())))
    now = utcnow()
    counting = [one for one in known if one.until > now]
    for one in counting:
        print(f"{one.evidence_id}  {one.subject}  until {one.until:%Y-%m-%d %H:%M} UTC, by {one.by}: {one.why}")
    print(f"{len(counting)} waivers count now, {len(known) - len(counting)} are over")


def instant(text: str) -> datetime:
    """A day's first instant in UTC, or an instant with its offset. Raises ValueError with an example."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day; write for example 2026-07-01") from None
    if found.tzinfo is None and len(text) > len("2026-07-01"):
        raise ValueError(f"{text!r} has no offset; write {text}Z for UTC")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _write(loaded: Loaded, note: NoteRecord) -> None:
    """Into every store, and into the ledger where there is one: a rebuilt one reads it from the stores."""
    from include.ledger import open_ledger_from_environment

    written = stores_of(loaded).write_record(note)
    for store, why in written.failures.items():
        typer.secho(f"  {store}: {why}", err=True, fg=typer.colors.RED)
    try:
        open_ledger_from_environment().project(note)
    except LookupError:
        typer.secho("no ledger is configured: it reads the record when it is rebuilt", err=True, fg=typer.colors.YELLOW)
    print(f"{note.record_id}; the next sealing seals it")
