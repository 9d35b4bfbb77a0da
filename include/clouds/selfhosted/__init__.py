"""Self-hosted PostgreSQL: backups that lie in folders, restored into sandboxes on a machine of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.catalog.model import Datastore
    from include.clouds.selfhosted.settings import RestoreHost
    from include.connections import Connections
    from include.recovery.contracts import BackupSource, DatabaseRestore

CONNECTION_TYPE = "postgres"


def backup_source(clients: Connections, settings: RestoreHost) -> BackupSource:
    """The reader of base backups, WAL archives and dumps. `clients` gives the running servers' connections by id."""
    from include.clouds.selfhosted.source import SelfHostedBackups

    return SelfHostedBackups(clients, settings)


def database_restore(clients: Connections, settings: RestoreHost) -> DatabaseRestore:
    """The maker of sandboxes on the restore host. No connection is needed: a restore never talks to the running server."""
    from include.clouds.selfhosted.restore import SelfHostedRestore

    del clients
    return SelfHostedRestore(settings)


def elsewhere(datastore: Datastore, region: str, domain: str) -> Datastore:
    """The datastore with the copy of its backups in `domain` in their place."""
    from include.clouds.selfhosted import survivors

    return survivors.elsewhere(datastore, region, domain)


def places(datastore: Datastore, domain: str) -> Mapping[str, Sequence[str]]:
    """The folders of its backups, by failure domain."""
    from include.clouds.selfhosted import survivors

    return survivors.folders(datastore, domain)
