"""Azure: Database for PostgreSQL, Flexible Server. Its backups, restored into a resource group of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.catalog.model import Datastore
    from include.clouds.azure.clients import Clients
    from include.clouds.azure.settings import Sandboxes
    from include.recovery.contracts import BackupSource, DatabaseRestore
    from include.suspension.contracts import Activity, PowerSwitch

CONNECTION_TYPE = "azure"


def backup_source(clients: Clients, settings: Sandboxes) -> BackupSource:
    """The reader of backups. `clients`: connections by id, or what gives `clients.Azure` by id."""
    from include.clouds.azure.clients import opened
    from include.clouds.azure.source import FlexibleServerBackups

    return FlexibleServerBackups(opened(clients, settings), settings)


def database_restore(clients: Clients, settings: Sandboxes) -> DatabaseRestore:
    """The maker of sandbox servers."""
    from include.clouds.azure.clients import opened
    from include.clouds.azure.restore import FlexibleServerRestore

    return FlexibleServerRestore(opened(clients, settings), settings)


def elsewhere(datastore: Datastore, region: str, domain: str) -> Datastore:
    """The geo-redundant copy names its region itself: it is asked for by the server that it was made of."""
    del region, domain
    return datastore


def places(datastore: Datastore, domain: str) -> Mapping[str, Sequence[str]]:
    """None: the cloud keeps the backups and is asked over the network."""
    del datastore, domain
    return {}


def power_switch(clients: Clients, settings: object = None) -> PowerSwitch:
    """The switch of virtual machines, scale sets, Flexible Server and AKS; batches name connection and subscription."""
    from include.clouds.azure.power import switch

    return switch(clients)


def activity_reader(clients: Clients, settings: object = None) -> Activity:
    """The reader of Azure Monitor."""
    from include.clouds.azure.activity import AzureMonitor

    return AzureMonitor(clients)
