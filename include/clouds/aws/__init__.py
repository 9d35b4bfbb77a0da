"""Amazon RDS for PostgreSQL: automated backups, snapshots and their copies, restored into sandboxes of a recovery account."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.catalog.model import Datastore
    from include.clouds.aws.clients import AwsClients
    from include.clouds.aws.settings import Sandboxes
    from include.connections import Connections
    from include.recovery.contracts import BackupSource, DatabaseRestore
    from include.suspension.contracts import Activity, PowerSwitch

CONNECTION_TYPE = "aws"


def backup_source(clients: AwsClients | Connections, settings: Sandboxes) -> BackupSource:
    """The reader of RDS backups. `clients`: SDK clients from Airflow's hooks, or plain connections."""
    from include.clouds.aws.clients import handed
    from include.clouds.aws.source import RdsBackups

    return RdsBackups(handed(clients), settings)


def database_restore(clients: AwsClients | Connections, settings: Sandboxes) -> DatabaseRestore:
    """The maker of sandboxes in the recovery account."""
    from include.clouds.aws.clients import handed
    from include.clouds.aws.restore import RdsRestore

    return RdsRestore(handed(clients), settings)


def elsewhere(datastore: Datastore, region: str, domain: str) -> Datastore:
    """The instance as its copies in another region know it. Raises Unsupported when the catalog names no copy there."""
    from include.recovery.contracts import Unsupported

    copy = next((one for one in getattr(datastore, "copies", ()) if one.region == region), None)
    if copy is None:
        raise Unsupported(f"the catalog names no copy of {datastore.name}'s backups in {region} ({domain})")
    keeps = {"connection": copy.connection} if copy.connection else {}
    return datastore.model_copy(update={"region": region, "copies": [], **keeps})


def places(datastore: Datastore, domain: str) -> Mapping[str, Sequence[str]]:
    """None: the cloud keeps the backups and is asked over the network."""
    del datastore, domain
    return {}


def power_switch(clients: AwsClients | Connections, settings: object = None) -> PowerSwitch:
    """The switch of EC2, Auto Scaling, RDS, ECS and EKS. An account is opened by its batch's connection."""
    from include.clouds.aws.clients import handed
    from include.clouds.aws.power import switch

    return switch(handed(clients))


def activity_reader(clients: AwsClients | Connections, settings: object = None) -> Activity:
    """The reader of CloudWatch."""
    from include.clouds.aws.activity import CloudWatch
    from include.clouds.aws.clients import handed

    return CloudWatch(handed(clients))
