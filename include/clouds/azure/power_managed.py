"""PostgreSQL Flexible Servers and AKS clusters: services that stop and start as a whole and keep what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.clouds.azure.clients import Clients
from include.clouds.azure.power import Subscription, place_of
from include.clouds.power import known, place, stays
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

_SERVER = {
    "Ready": Power.ON,
    "Stopped": Power.OFF,
    "Starting": Power.STARTING,
    "Stopping": Power.STOPPING,
    "Dropping": Power.LEAVING,
    "Updating": Power.BUSY,
    "Provisioning": Power.BUSY,
    "Restarting": Power.BUSY,
    "Disabled": Power.BROKEN,
    "Inaccessible": Power.BROKEN,
}
"""The SDK's ``PostgreSqlServerState``."""
_CLUSTER = {
    "Starting": Power.STARTING,
    "Stopping": Power.STOPPING,
    "Deleting": Power.LEAVING,
    "Failed": Power.BROKEN,
    "Canceled": Power.BROKEN,
    "Creating": Power.BUSY,
    "Updating": Power.BUSY,
    "Upgrading": Power.BUSY,
    "Scaling": Power.BUSY,
}
_POWERED = {"Running": Power.ON, "Stopped": Power.OFF}
"""AKS: ``provisioningState``, and ``powerState`` once it has succeeded."""


class _Whole:
    """Something with ``begin_stop`` and ``begin_start``."""

    def __init__(
        self,
        clients: Clients,
        group: Callable[[Subscription], Any],
        listing: str,
        shown: Callable[[Batch, dict[str, Any]], Resource],
    ) -> None:
        self._clients, self._group, self._listing, self._shown = clients, group, listing, shown

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        mine = Subscription(self._clients, batch)
        return [self._shown(batch, one) for one in mine.here(getattr(self._group(mine), self._listing))]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)
        return mine.begin(resources, lambda one: self._group(mine).begin_stop(*place_of(one.id), polling=False))

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)

        def wake_up(wake: Wake) -> None:
            stays(wake)
            self._group(mine).begin_start(*place_of(wake.resource.id), polling=False)

        return mine.begin(wakes, wake_up)


class FlexibleServers(_Whole):
    """``flexible-server``. Azure starts one again seven days after it was stopped, and does not tell when that was."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(clients, lambda mine: mine.azure.postgres.servers, "list_by_subscription", _server)


def _server(batch: Batch, row: dict[str, Any]) -> Resource:
    properties = row["properties"]
    power = known(_SERVER, properties["state"], row["name"])
    role = properties.get("replicationRole", "Primary")
    return Resource(
        id=row["id"],
        name=row["name"],
        **place(batch),
        kind="flexible-server",
        family=Family.DATABASE,
        power=power,
        word=properties["state"],
        tags=dict(row.get("tags", {})),
        instance_type=row.get("sku", {}).get("name"),
        count=0 if power is Power.OFF else 1,
        storage_gb=Decimal(properties.get("storage", {}).get("storageSizeGB", 0)),
        zone=properties.get("availabilityZone"),
        refuses=f"a read replica ({role})" if role.endswith("AsyncReplica") else None,
        billed_as=row["id"].lower(),
    )


class Clusters(_Whole):
    """``aks-cluster``: its pools keep their counts and autoscalers while it is stopped."""

    def __init__(self, clients: Clients) -> None:
        super().__init__(clients, lambda mine: mine.azure.clusters.managed_clusters, "list", _cluster)


def _cluster(batch: Batch, row: dict[str, Any]) -> Resource:
    properties = row["properties"]
    word, code = properties["provisioningState"], properties["powerState"]["code"]
    power = known(_POWERED, code, row["name"]) if word == "Succeeded" else known(_CLUSTER, word, row["name"])
    pools = properties.get("agentPoolProfiles", ())
    return Resource(
        id=row["id"],
        name=row["name"],
        **place(batch),
        kind="aks-cluster",
        family=Family.NODE_POOL,
        power=power,
        word=f"{word}, {code}",
        tags=dict(row.get("tags", {})),
        size={"pools": {one["name"]: int(one["count"]) for one in pools}},
        count=0 if power is Power.OFF else sum(int(one["count"]) for one in pools),
        billed_as=row["id"].lower(),
    )
