"""RDS instances: stopped for at most seven days, and not in every role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.power import Called, judge, tags
from include.clouds.aws.words import INSTANCE
from include.clouds.power import each, known, place, stays
from include.recovery.model import Status
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

_OF_STATUS = {Status.RUNNING: Power.BUSY, Status.FAILED: Power.BROKEN, Status.SUCCEEDED: Power.BUSY}
_STATES: dict[str, Power] = {
    **{word: _OF_STATUS[status] for word, status in INSTANCE.items()},
    "available": Power.ON,
    "starting": Power.STARTING,
    "stopping": Power.STOPPING,
    "stopped": Power.OFF,
    "deleting": Power.LEAVING,
    "delete-precheck": Power.LEAVING,
}
"""The words of include/clouds/aws/words.py. Only ``available`` can be stopped, so ``storage-optimization`` waits."""


class RdsInstances:
    """``rds-instance``."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        rds = Called(self._clients, batch, "rds")
        return [_database(batch, one) for one in rds.pages("describe_db_instances", "DBInstances", 100)]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        rds = Called(self._clients, batch, "rds")
        return each(resources, lambda one: rds("stop_db_instance", DBInstanceIdentifier=one.id), judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        rds = Called(self._clients, batch, "rds")

        def wake_up(wake: Wake) -> None:
            stays(wake)
            rds("start_db_instance", DBInstanceIdentifier=wake.resource.id)

        return each(wakes, wake_up, judge)


def refuses(row: dict[str, Any]) -> str | None:
    """Why RDS never stops it. Source: RDS User Guide, *Stopping an Amazon RDS DB instance temporarily*, limitations."""
    if row.get("DBClusterIdentifier"):
        return f"a member of the cluster {row['DBClusterIdentifier']}, which only stops as a whole"
    if row.get("ReadReplicaSourceDBInstanceIdentifier"):
        return f"a read replica of {row['ReadReplicaSourceDBInstanceIdentifier']}"
    if row.get("ReadReplicaDBInstanceIdentifiers"):
        return f"has read replicas: {', '.join(row['ReadReplicaDBInstanceIdentifiers'])}"
    if row.get("MultiAZ") and str(row.get("Engine", "")).startswith("sqlserver"):
        return "SQL Server in more than one zone"
    return None


def _database(batch: Batch, row: dict[str, Any]) -> Resource:
    name, word = row["DBInstanceIdentifier"], str(row["DBInstanceStatus"])
    power = known(_STATES, word, name)
    return Resource(
        id=name,
        name=name,
        **place(batch),
        kind="rds-instance",
        family=Family.DATABASE,
        power=power,
        word=word,
        tags=tags(row.get("TagList", ())),
        instance_type=row.get("DBInstanceClass"),
        count=0 if power is Power.OFF else 1,
        storage_gb=Decimal(row.get("AllocatedStorage") or 0),
        zone=row.get("AvailabilityZone"),
        launched_at=row.get("InstanceCreateTime"),
        refuses=refuses(row),
        restarts_at=row.get("AutomaticRestartTime"),
        billed_as=row["DBInstanceArn"],
    )
