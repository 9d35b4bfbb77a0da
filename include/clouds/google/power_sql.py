"""Cloud SQL: stopped by its activation policy. Its state stays RUNNABLE; the policy tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.clouds.google.clients import Clients
from include.clouds.google.power import Project, judge
from include.clouds.power import each, known, place, stays
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

_STATES = {
    "RUNNABLE": Power.ON,
    "STOPPED": Power.OFF,
    "SUSPENDED": Power.BROKEN,
    "FAILED": Power.BROKEN,
    "UNKNOWN_STATE": Power.BROKEN,
    "SQL_INSTANCE_STATE_UNSPECIFIED": Power.BROKEN,
    "PENDING_CREATE": Power.BUSY,
    "MAINTENANCE": Power.BUSY,
    "ONLINE_MAINTENANCE": Power.BUSY,
    "REPAIRING": Power.BUSY,
    "PENDING_DELETE": Power.LEAVING,
}
"""The enum of ``DatabaseInstance.state``."""


class SqlInstances:
    """``cloud-sql``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        project = Project(self._clients, batch)
        rows = project.google.pages(project.google.sql.instances(), project=project.name)
        return [_instance(batch, one) for one in rows if one.get("region") == batch.region]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)
        return each(resources, lambda one: _set(project, one, "NEVER"), judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)

        def wake_up(wake: Wake) -> None:
            stays(wake)
            _set(project, wake.resource, wake.size["policy"])

        return each(wakes, wake_up, judge)


def _set(project: Project, instance: Resource, policy: str) -> None:
    body = {"settings": {"activationPolicy": policy}}
    project.google.call(project.google.sql.instances().patch(project=project.name, instance=instance.id, body=body))


def _instance(batch: Batch, row: dict[str, Any]) -> Resource:
    settings = row["settings"]
    policy = settings.get("activationPolicy", "ALWAYS")
    power = known(_STATES, row["state"], row["name"])
    if power is Power.ON and policy == "NEVER":
        power = Power.OFF
    replicas = ", ".join(row.get("replicaNames", ()))
    replica = row.get("instanceType") == "READ_REPLICA_INSTANCE"
    return Resource(
        id=row["name"],
        name=row["name"],
        **place(batch),
        kind="cloud-sql",
        family=Family.DATABASE,
        power=power,
        word=f"{row['state']}, {policy}",
        tags=dict(settings.get("userLabels", {})),
        size={"policy": policy},
        instance_type=settings.get("tier"),
        count=0 if power is Power.OFF else 1,
        storage_gb=Decimal(settings.get("dataDiskSizeGb", 0)),
        zone=row.get("gceZone"),
        launched_at=row.get("createTime"),
        refuses="a read replica" if replica else f"has read replicas: {replicas}" if replicas else None,
        billed_as=f"projects/{row['project']}/instances/{row['name']}",
    )
