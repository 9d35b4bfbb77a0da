"""`drillyard gate`: may this service be released? Exit code 0 yes, 1 no, 2 nobody can tell."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.values import canonical_json, format_duration, parse_duration, utcnow

if TYPE_CHECKING:
    from include.evidence.gate import Gate


class Format(StrEnum):
    """How to say it."""

    text = "text"
    json = "json"


def gate_command(
    service: Annotated[str, typer.Argument(help="A service of the catalog.")],
    restore_within: Annotated[str | None, typer.Option(help="A drill must have passed within this time, such as 7d.")] = None,
    verify_within: Annotated[str | None, typer.Option(help="Its backups must have been verified within this time.")] = None,
    dependencies: Annotated[bool, typer.Option("--dependencies", help="Look at everything that it depends on, too.")] = False,
    require_trusted: Annotated[bool, typer.Option("--require-trusted", help="The chain must be by a trusted key.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Close whatever the tier's blocks_release says.")] = False,
    format: Annotated[Format, typer.Option("--format", help="text or json (schema: gate.schema.json)")] = Format.text,
    source: Annotated[str | None, typer.Option("--from", help="An evidence store to read instead of the ledger.")] = None,
    catalog: Annotated[
        Path | None, typer.Option("--catalog", help="The platform's directory; default: DRILLYARD_PLATFORM")
    ] = None,
) -> None:
    """Whether a service is proven enough to be released, with every reason.

    Exit code: 0 open; 1 closed; 2 nobody can tell (an unknown service, an unreadable catalog, ledger or store): treat it as 1.
    """
    from include.catalog.errors import CatalogError
    from include.evidence import publish
    from include.evidence.gate import gate

    try:
        restore, verify = _duration("--restore-within", restore_within), _duration("--verify-within", verify_within)
        report = publish.current_from_store(source, catalog) if source else publish.current(directory=catalog)
        answer = gate(
            report,
            service,
            utcnow(),
            restore_within=restore,
            verify_within=verify,
            with_dependencies=dependencies,
            require_trusted=require_trusted,
            strict=strict,
        )
    except (CatalogError, LookupError, ValueError, OSError, RuntimeError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.secho(f"error: {text}", err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from None
    typer.echo(canonical_json(answer).decode() if format is Format.json else text_of(answer))
    raise typer.Exit(1 if answer.decision == "closed" else 0)


def text_of(answer: Gate) -> str:
    """One line with the decision, and one a reason."""
    besides = f", with {len(answer.dependencies)} services that it needs" if answer.dependencies else ""
    head = f"{answer.service} ({answer.tier or 'unreadable'}{besides}): {answer.decision}"
    if answer.decision == "open" and not answer.proven:
        head += f", although it is not proven: {answer.tier} does not block releases"
    asked = [
        f"{what} within {format_duration(timedelta(seconds=seconds))}"
        for what, seconds in (("restored", answer.restore_within_seconds), ("verified", answer.verify_within_seconds))
        if seconds is not None
    ]
    lines = [head, *(f"  {one.subject}: {one.text}" for one in answer.reasons)]
    lines += [
        f"  asked for: proven; {', '.join(asked)}" if asked else "  asked for: proven",
        f"  seal: {answer.seal or 'not looked at'}",
    ]
    return "\n".join(lines)


def _duration(option: str, text: str | None) -> timedelta | None:
    try:
        return parse_duration(text) if text is not None else None
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
