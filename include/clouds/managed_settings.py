"""What the settings of managed clouds have in common. No SDK."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from include.catalog import model
from include.catalog.entry import Entry
from include.values import Duration, parse_duration


class ManagedDatastore(model.Datastore):
    """A database that a cloud backs up."""

    digests: str | None = None
    """A folder (or an fsspec URL of one) with ``BACKUP-ID.digests.json``, signed when that backup was made."""
    customer_key: bool = False
    """It and its backups must be encrypted with a key of ours."""


class ManagedSandboxes(Entry):
    """Where a cloud's restored databases are made."""

    port: Annotated[int, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\$\{.+\}$"}]})] = 5432
    """A number, or where the environment has it: the lab's servers listen on a port that is free."""
    digests_options: dict[str, str] = Field(default_factory=dict)
    """fsspec options for the stores of digests."""
    failure_domains: dict[str, str] = Field(default_factory=dict)
    """By region. Taken from the regions of platform.yaml."""
    patience: Duration = Field(default=parse_duration("15m"), validate_default=True)
    """The longest to wait for a deletion or a change of a password."""
