"""``drillyard catalog``: check a catalog, publish its JSON Schemas, find databases that it does not name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from include.catalog.errors import CatalogError, Problem
from include.settings import platform_dir

app = typer.Typer(no_args_is_help=True, help=__doc__)

Directory = Annotated[Path | None, typer.Argument(help="The catalog's directory. Default: DRILLYARD_PLATFORM, or the example.")]


def show(problem: Problem) -> None:
    """One problem on one line, in colour on a terminal."""
    colour = typer.colors.RED if problem.severity == "error" else typer.colors.YELLOW
    place, _, rest = str(problem).partition(": ")
    typer.echo(f"{typer.style(place, bold=True)}: {typer.style(rest, fg=colour)}")


def count(number: int, noun: str) -> str:
    """``1 service``, ``2 services``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@app.command()
def check(directory: Directory = None) -> None:
    """Check every file; print every problem with its file, line and field. Exit code 1 when there is an error."""
    from include.catalog.load import load

    chosen = directory or platform_dir()
    try:
        loaded = load(chosen)
    except CatalogError as error:
        for problem in error.problems:
            show(problem)
        typer.echo(f"{chosen}: {count(len(error.problems), 'error')}; nothing of this catalog can be used")
        raise typer.Exit(1) from None
    for problem in sorted({*loaded.errors, *loaded.warnings}):
        show(problem)
    services = loaded.catalog.services
    parts = [
        count(len(services), "service"),
        count(len(loaded.catalog.datastores()), "datastore"),
        count(len(loaded.catalog.platform.tiers), "tier"),
    ]
    if loaded.warnings:
        parts.append(count(len(loaded.warnings), "warning"))
    if loaded.errors:
        unusable = f"; unusable: {', '.join(sorted(loaded.broken))}" if loaded.broken else ""
        typer.echo(f"{chosen}: {count(len(loaded.errors), 'error')}, {', '.join(parts)} usable{unusable}")
        raise typer.Exit(1)
    typer.echo(f"{chosen}: fine, {', '.join(parts)}, revision {loaded.revision[:12]}")


@app.command()
def schema(write: Annotated[bool, typer.Option("--write", help="Write the files that editors use.")] = False) -> None:
    """Print the JSON Schemas of all kinds of files, or write them to include/catalog/schema/."""
    from include.catalog.schema import rendered, schemas

    if not write:
        typer.echo(json.dumps(schemas(), indent=2, ensure_ascii=False))
        return
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}")


@app.command()
def discover(directory: Directory = None) -> None:
    """Ask every cloud for its databases; print a draft of those that the catalog does not name.

    Exit code 1 when there are any, or when a cloud or one of its servers could not be asked: a database that nobody drills is a
    red finding, and so is not knowing.
    """
    from include.catalog.discover import discover as ask
    from include.catalog.discover import render
    from include.catalog.load import load

    try:
        loaded = load(directory or platform_dir())
    except CatalogError as error:
        for problem in error.problems:
            show(problem)
        raise typer.Exit(1) from None
    for name, reason in sorted(loaded.broken.items()):
        typer.echo(f"note: service {name} cannot be read, so its databases count as not catalogued ({reason})", err=True)
    found = ask(loaded)
    for cloud, reason in sorted(found.failed.items()):
        typer.secho(f"{cloud}: could not be asked: {reason}", fg=typer.colors.RED, err=True)
    drafts = sum(len(items) for items in found.drafts.values())
    if drafts:
        typer.echo(render(found))
    typer.echo(f"{count(drafts, 'database')} not in the catalog, {count(len(found.asked), 'cloud')} asked", err=True)
    if drafts or found.failed:
        raise typer.Exit(1)
