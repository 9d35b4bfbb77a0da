"""What commands about evidence open: the catalog, its stores, and the ledger's anchor where there is a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.evidence.stores import Stores
    from include.ledger.model import Anchor


def loaded_from(directory: Path | None) -> Loaded:
    """The catalog of a folder, or of DRILLYARD_PLATFORM. Raises CatalogError."""
    from include.catalog.load import load
    from include.settings import platform_dir

    return load(directory or platform_dir())


def stores_of(loaded: Loaded | None) -> Stores:
    """The platform's stores. Raises LookupError when none can be opened, naming the connections."""
    from include.evidence.stores import open_stores

    return open_stores(loaded.catalog.platform.evidence if loaded else [])


def anchor_of_ledger() -> Anchor | None:
    """What the ledger knows, or None with a word: evidence must be provable with the ledger gone."""
    from include.ledger import open_ledger_from_environment
    from include.ledger.model import LedgerError

    try:
        return open_ledger_from_environment().anchor()
    except (LookupError, LedgerError) as error:
        typer.secho(f"no anchor from the ledger: {error}", err=True, fg=typer.colors.YELLOW)
        return None
