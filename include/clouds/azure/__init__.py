"""Azure: Database for PostgreSQL, Flexible Server. Its backups, restored into a resource group of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.clouds.azure.clients import Clients
    from include.clouds.azure.settings import Sandboxes
    from include.recovery.contracts import BackupSource, DatabaseRestore

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
