"""How the commands of evidence and ledger end when something is wrong: one line that says what, and exit code 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the errors that a user can act on into one line. Anything else keeps its traceback: it is a defect."""
    try:
        yield
    except (LookupError, ValueError, OSError, RuntimeError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.secho(f"error: {text}", err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from error
