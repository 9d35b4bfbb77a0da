"""What an RDS database says of itself in the catalog, and where its sandboxes are made. No SDK."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from include.catalog import model
from include.catalog.entry import Entry, Name
from include.values import Duration


class BackupCopy(Entry):
    """Where second copies of an instance's backups are kept."""

    region: Name
    connection: str | None = None
    """Airflow connection of the account that keeps them. Default: the datastore's own."""
    kind: Literal["snapshot", "automated_backup"] = "snapshot"
    """`snapshot`: copied snapshots (CopyDBSnapshot, or a copy action of AWS Backup). `automated_backup`: automated backups
    replicated to the region (StartDBInstanceAutomatedBackupsReplication)."""


class Datastore(model.Datastore):
    """A database on an RDS for PostgreSQL instance."""

    cloud: Literal["aws"]
    connection: str
    """Airflow connection (type aws) that reads the account's backups; see include/clouds/aws/iam/*.reader.json."""
    instance: str = Field(pattern=r"^[a-z](?:-?[a-z0-9])*$", max_length=63)
    """DBInstanceIdentifier."""
    copies: list[BackupCopy] = Field(default_factory=list)
    vault: str | None = None
    """The AWS Backup vault that keeps this instance's recovery points, if one does. It must be locked."""
    kms_key: str | None = None
    """ARN of the key that its backups must be encrypted with. None: any."""
    digests: str | None = None
    """A folder (any fsspec URL) with ``SNAPSHOT.digests.json``, signed when the backup was made; ``:`` in a snapshot's name is
    written ``-``."""


class SandboxNetwork(Entry):
    """Where the sandboxes of one region live. Everything here is mandatory: a restore without it is refused."""

    subnet_group: str = Field(min_length=1)
    """DB subnet group of subnets without a route to the internet or to production."""
    security_groups: list[str] = Field(min_length=1)
    """Security groups that let in Drillyard's workers only, and nothing out."""
    parameter_groups: dict[str, str] = Field(min_length=1)
    """DB parameter group by PostgreSQL major version, with the settings of `HARMLESS`."""
    instance_class: str = "db.t4g.medium"


class Sandboxes(Entry):
    """platform.yaml, clouds.aws.settings: the recovery account."""

    connection: str
    """Airflow connection (type aws) that creates and deletes sandboxes; see include/clouds/aws/iam/*.recovery.json."""
    networks: dict[Name, SandboxNetwork] = Field(min_length=1)
    """By region. A point that lies in another region cannot be restored."""
    ready_within: Duration = timedelta(hours=2)
    """How long a restore may take until its instance is available. One that takes longer has failed."""
    deleted_within: Duration = timedelta(minutes=30)
    """How long RDS may take to delete a sandbox. One that is `deleting` for longer is a leftover."""
    failure_domains: dict[str, str] = Field(default_factory=dict)
    """By region; filled from platform.yaml's regions."""


HARMLESS = {
    "max_logical_replication_workers": ("0",),
    "rds.logical_replication": ("0",),
    "shared_preload_libraries": ("", "rdsutils"),
}
"""What a sandbox's parameter group must set, and to which of these values: no subscription runs, nothing of production's is
preloaded (pg_cron, pglogical). ``rdsutils`` is RDS's own."""

SETTINGS = Sandboxes
