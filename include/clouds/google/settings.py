"""What a Cloud SQL database says of itself in the catalog, and where its sandboxes are made. No SDK."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.clouds.managed_settings import ManagedDatastore, ManagedSandboxes


class Datastore(ManagedDatastore):
    """A database on a Cloud SQL for PostgreSQL instance."""

    cloud: Literal["google"]
    project: str
    instance: str


class Sandboxes(ManagedSandboxes):
    """platform.yaml, clouds.google.settings: how Google Cloud is reached and where restored instances are made."""

    connection: str = "google_cloud_default"
    project: str
    """The project of the sandboxes. No catalogued instance may be in it."""
    network: str = Field(pattern=r"^projects/[^/]+/global/networks/[^/]+$")
    """The VPC network of the sandboxes, with private services access and no route to production."""
    tier: str | None = None
    """Machine type of instances that are restored from a backup run. Default: the original's."""
    recovery_regions: dict[str, str] = Field(default_factory=dict)
    """By where a backup is kept (``eu``): the region in which it is restored when the database's own is lost."""

    def region_for(self, kept: str) -> str:
        """Where a new instance is made of a backup that is kept there."""
        return self.recovery_regions.get(kept, kept)


SETTINGS = Sandboxes
