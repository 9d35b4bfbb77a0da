"""Google Cloud: Cloud SQL for PostgreSQL. Backup runs and point-in-time recovery, restored into a project of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.catalog.model import Datastore
    from include.clouds.google.clients import Clients
    from include.clouds.google.settings import Sandboxes
    from include.recovery.contracts import BackupSource, DatabaseRestore
    from include.suspension.contracts import Activity, PowerSwitch

CONNECTION_TYPE = "google_cloud_platform"


def backup_source(clients: Clients, settings: Sandboxes) -> BackupSource:
    """The reader of backup runs. `clients`: connections by id, or what gives `clients.Google` by id."""
    from include.clouds.google.clients import opened
    from include.clouds.google.source import CloudSqlBackups

    return CloudSqlBackups(opened(clients, settings.connection), settings)


def database_restore(clients: Clients, settings: Sandboxes) -> DatabaseRestore:
    """The maker of sandbox instances."""
    from include.clouds.google.clients import opened
    from include.clouds.google.restore import CloudSqlRestore

    return CloudSqlRestore(opened(clients, settings.connection), settings)


def elsewhere(datastore: Datastore, region: str, domain: str) -> Datastore:
    """A backup run that is kept in several regions is restored into a new instance in any of them."""
    del domain
    return datastore.model_copy(update={"region": region})


def places(datastore: Datastore, domain: str) -> Mapping[str, Sequence[str]]:
    """None: the cloud keeps the backups and is asked over the network."""
    del datastore, domain
    return {}


def power_switch(clients: Clients, settings: object = None) -> PowerSwitch:
    """The switch of Compute Engine, instance groups, Cloud SQL and GKE. A project is opened by its batch's connection."""
    from include.clouds.google.power import switch

    return switch(clients)


def activity_reader(clients: Clients, settings: object = None) -> Activity:
    """The reader of Cloud Monitoring."""
    from include.clouds.google.activity import Monitoring

    return Monitoring(clients)
