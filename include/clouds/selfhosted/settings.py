"""What a self-hosted PostgreSQL database says of itself in the catalog, and what its restore host needs. No SDK."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from include.catalog import model
from include.catalog.entry import Entry, Name


class BaseBackupCopy(Entry):
    """A second place where the same base backups and the same WAL are kept."""

    location: str
    wal: str
    failure_domain: Name


class BaseBackups(Entry):
    """Physical backups: one folder each below `location`, as `pg_basebackup` writes them (plain, or tar with or
    without gzip), with their `backup_manifest`; and the WAL archive that follows them."""

    kind: Literal["base_backup"]
    location: str
    """A folder (or an fsspec URL of one) with one folder for each base backup."""
    wal: str
    """The folder that `archive_command` fills; segments plain or with .gz."""
    copies: list[BaseBackupCopy] = Field(default_factory=list)
    digests: bool = True
    """Look for `NAME.digests.json`, signed when the backup was made, beside each backup's folder."""


class DumpCopy(Entry):
    """A second place where the same dumps are kept."""

    location: str
    failure_domain: Name


class Dumps(Entry):
    """Logical backups: `pg_dump` archives (custom format, one file each; or directory format, one folder each)."""

    kind: Literal["dump"]
    location: str
    pattern: str = "*.dump"
    timezone: str = "UTC"
    """Zone of the host that runs pg_dump: a dump's header holds that host's local time without its zone."""
    copies: list[DumpCopy] = Field(default_factory=list)
    digests: bool = True


class Datastore(model.Datastore):
    """A database on a PostgreSQL server of our own."""

    cloud: Literal["selfhosted"]
    connection: str
    """Airflow connection (type postgres) of the running server. Asked for its version and its databases only;
    SQL from the catalog never runs there."""
    backups: Annotated[BaseBackups | Dumps, Field(discriminator="kind")]
    superuser: str = "postgres"
    """A superuser role that exists inside the restored cluster; its password is rotated before the first connection."""


class RestoreHost(Entry):
    """platform.yaml, clouds.selfhosted.settings: the machine that self-hosted databases are restored on."""

    sandbox_root: str
    """Folder for sandboxes; needs the space of the largest restore."""
    bin_dirs: dict[str, str]
    """PostgreSQL binaries by major version: ``{"18": "/usr/lib/postgresql/18/bin"}``.
    A backup of another major version is refused."""
    run_as: str | None = None
    """User that runs the restored servers when Drillyard itself runs as root (PostgreSQL refuses root). Default: nobody."""
    isolation: Literal["namespace", "configuration"] = "namespace"
    """`namespace`: the server runs in a network namespace of its own with no interface, and falls back to configuration,
    shown as a check, where the kernel does not allow it. Always: no TCP, a Unix socket in a private folder."""
    max_ready: str = "30m"
    """How long a restored server may take to accept connections before the drill fails."""
    failure_domains: dict[str, str] = Field(default_factory=dict)
    """Failure domain by region, as in platform.yaml's regions. A region that is not named here is its own."""


SETTINGS = RestoreHost
