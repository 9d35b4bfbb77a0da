"""`drillyard evidence`: prove, seal, repair and explain the evidence, without Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.evidence.opened import anchor_of_ledger, loaded_from, stores_of
from include.evidence.terminal import plain_errors
from include.values import utcnow

if TYPE_CHECKING:
    from include.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Sealed evidence: verify, seal, repair, keys, schemas.")

Catalog = Annotated[Path | None, typer.Option("--catalog", help="The platform's directory; default: DRILLYARD_PLATFORM")]


@app.command()
def verify(
    stores: Annotated[list[str] | None, typer.Argument(help="Folders or fsspec URLs; default: the platform's stores")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", help="A trusted public key (hex); default: the platform's")] = None,
    anchor: Annotated[
        str | None, typer.Option(help="SEQ:SHA256 of a link you wrote down; default: the ledger's, if it answers")
    ] = None,
    catalog: Catalog = None,
) -> None:
    """Read all evidence and name what is altered, missing, reordered, cut off, forged or behind. No Airflow is needed.

    Exit status: 0 whole and by trusted keys; 1 something is wrong; 3 whole, but sealed by a key that nobody trusts.
    """
    from include.evidence.chain import verify_stores
    from include.evidence.stores import open_store
    from include.ledger.model import Anchor

    with plain_errors():
        loaded = loaded_from(catalog) if not stores or key is None else None
        opened = [open_store(url) for url in stores] if stores else list(stores_of(loaded))
        trusted = key if key is not None else loaded.catalog.platform.trusted_keys if loaded else []
        known = Anchor.parse(anchor) if anchor else anchor_of_ledger()
        looks = verify_stores(opened, trusted, known)
    for look in looks:
        head = f"head {look.head}" if look.head else "no head"
        print(
            f"{look.store}: {look.seal}; {look.links} links, {look.records} records compared, {len(look.pending)} pending; {head}"
        )
        for finding in look.findings:
            print(f"  {finding.kind:<10} {finding.where}: {finding.detail}")
    print(f"anchor: {known}" if known else "anchor: none, so a cut-off tail would not be noticed; give --anchor")
    words = {look.seal for look in looks}
    raise typer.Exit(1 if words & {"BROKEN", "NONE"} else 3 if "UNTRUSTED" in words else 0)


@app.command()
def seal(
    everything: Annotated[bool, typer.Option("--all", help="Look at records of all times, not of the last days only")] = False,
    catalog: Catalog = None,
) -> None:
    """Chain and sign the records that no link names yet. The key comes from connection drillyard_sealing_key."""
    from include.connections import from_environment
    from include.evidence import chain

    with plain_errors():
        loaded = loaded_from(catalog)
        stores = stores_of(loaded)
        key = from_environment("drillyard_sealing_key").password or ""
        window = None if everything else chain.WINDOW
        done = chain.seal(
            stores, key, utcnow(), anchors=_ledger(), trusted_keys=loaded.catalog.platform.trusted_keys, window=window
        )
    print(f"sealed {done.entries} records; head {done.head or 'none'}")
    wrong = {**done.failures, **done.left_out}
    for where, why in wrong.items():
        typer.secho(f"  {where}: {why}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1 if wrong else 0)


@app.command()
def repair(catalog: Catalog = None) -> None:
    """Copy to each store the records and links that it lacks and another has. Nothing is overwritten or deleted."""
    from include.evidence.chain import sealed_digests
    from include.evidence.links import Common

    with plain_errors():
        loaded = loaded_from(catalog)
        stores = stores_of(loaded)
        chained = Common(stores.stores, {*loaded.catalog.platform.trusted_keys, *_own_key()})
        done = stores.repair(sealed=sealed_digests(chained.stores[0]) if chained.stores else None)
    for path, store in (*chained.copied, *done.copied):
        print(f"copied to {store}: {path}")
    wrong = {**chained.failures, **done.failures, **done.conflicts}
    for where, why in wrong.items():
        typer.secho(f"  {where}: {why}", err=True, fg=typer.colors.RED)
    print(f"{len(chained.copied) + len(done.copied)} copied, {len(wrong)} could not be mended")
    raise typer.Exit(1 if wrong else 0)


@app.command("export-kit")
def export_kit() -> None:
    """Export the cold kit to every store now: what a restore needs when everything else is gone. Nightly in verify_backups."""
    from include.connections import from_environment
    from include.recovery import kits

    with plain_errors():
        done = kits.export_all(from_environment)
        for problem in done.problems:
            typer.secho(f"  {problem}", err=True, fg=typer.colors.YELLOW)
        print(kits.demand_everywhere(done))


@app.command()
def keygen() -> None:
    """Make a sealing key: the private half for the secrets backend, the public half for platform.yaml."""
    from include.evidence import keys

    private, public = keys.generate()
    print(f"private key, for the password field of connection drillyard_sealing_key, and for nowhere else:\n  {private}")
    print(f"public key, for trusted_keys in platform.yaml:\n  {public}\nkey id: {keys.key_id(public)}")


@app.command()
def rotate(
    public_key: Annotated[str, typer.Argument(help="The new public key (hex)")],
    by: Annotated[str, typer.Option(help="Who rotates: a person of the platform")],
    lost: Annotated[bool, typer.Option(help="The old key is lost: the new key seals this record itself")] = False,
    catalog: Catalog = None,
) -> None:
    """Announce a new sealing key. Seal once with the old key afterwards, then change the connection."""
    from include.evidence import keys
    from include.evidence.links import KEY_ROTATION
    from include.evidence.naming import new_record_id
    from include.evidence.record import NoteRecord

    with plain_errors():
        now = utcnow()
        detail = {"new_public_key": public_key, "new_key_id": keys.key_id(public_key), "lost": lost}
        record = NoteRecord(
            record_id=new_record_id("note", KEY_ROTATION, now),
            written_at=now,
            event=KEY_ROTATION,
            by=by,
            subject="platform",
            detail=detail,
        )
        written = stores_of(loaded_from(catalog)).write_record(record)
    for store, why in written.failures.items():
        typer.secho(f"  {store}: {why}", err=True, fg=typer.colors.RED)
    print(
        f"{written.path}: seal it with the {'new' if lost else 'old'} key, and add {public_key} to trusted_keys in platform.yaml"
    )


@app.command()
def schema(write: Annotated[bool, typer.Option("--write", help="Write the files that are stale")] = False) -> None:
    """Check or write the published JSON Schemas of records, links and the readiness report."""
    from include.evidence import schemas

    names = schemas.write() if write else schemas.stale()
    for name in names:
        print(f"{'wrote' if write else 'stale'} include/evidence/schema/{name}")
    raise typer.Exit(1 if names and not write else 0)


def _ledger() -> Ledger | None:
    from include.ledger import open_ledger_from_environment

    try:
        return open_ledger_from_environment()
    except LookupError:
        typer.secho("no ledger is configured: the head is not anchored; write it down", err=True, fg=typer.colors.YELLOW)
        return None


def _own_key() -> list[str]:
    from include.connections import from_environment
    from include.evidence import keys

    try:
        return [keys.public_of(from_environment("drillyard_sealing_key").password or "")]
    except (LookupError, ValueError):
        return []
