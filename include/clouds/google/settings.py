"""What a Cloud SQL database says of itself in the catalog, and where its sandboxes are made. No SDK."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.catalog import model
from include.catalog.model import Entry
from include.values import Duration, parse_duration


class Datastore(model.Datastore):
    """A database on a Cloud SQL for PostgreSQL instance."""

    cloud: Literal["google"]
    project: str
    instance: str
    digests: str | None = None
    """A folder (or an fsspec URL of one) with ``BACKUP-RUN-ID.digests.json``, signed when that backup run was made."""
    customer_key: bool = False
    """Its backups must be encrypted with a key of ours (CMEK)."""


class Sandboxes(Entry):
    """platform.yaml, clouds.google.settings: how Google Cloud is reached and where restored instances are made."""

    connection: str = "google_cloud_default"
    project: str
    """The project of the sandboxes. No catalogued instance may be in it."""
    network: str = Field(pattern=r"^projects/[^/]+/global/networks/[^/]+$")
    """The VPC network of the sandboxes, with private services access and no route to production."""
    tier: str | None = None
    """Machine type of instances that are restored from a backup run. Default: the original's."""
    port: int = 5432
    digests_options: dict[str, str] = Field(default_factory=dict)
    """fsspec options for the stores of digests."""
    failure_domains: dict[str, str] = Field(default_factory=dict)
    """By region. Taken from the regions of platform.yaml."""
    patience: Duration = Field(default=parse_duration("15m"), validate_default=True)
    """The longest to wait for a deletion or a change of a user."""


SETTINGS = Sandboxes
