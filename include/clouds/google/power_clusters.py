"""GKE node pools: autoscaling is turned off, and the pool resized to nothing; and back. Ids are ``LOCATION/CLUSTER/POOL``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from include.clouds.google.clients import Clients
from include.clouds.google.power import Project, judge, last
from include.clouds.managed import wait_for
from include.clouds.power import each, known, place, scaled, stays
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

SETTLES = timedelta(seconds=30)
"""A cluster does one thing at a time: how long a change of the autoscaler may take before the size is left for later."""
_STATES = {
    "RUNNING": Power.ON,
    "RUNNING_WITH_ERROR": Power.BROKEN,
    "ERROR": Power.BROKEN,
    "STATUS_UNSPECIFIED": Power.BROKEN,
    "PROVISIONING": Power.BUSY,
    "RECONCILING": Power.BUSY,
    "STOPPING": Power.LEAVING,
}
"""The enum of ``NodePool.status``."""


class NodePools:
    """``gke-node-pool``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        project = Project(self._clients, batch)
        api = project.google.api("container").projects().locations().clusters()
        clusters = project.google.call(api.list(parent=f"projects/{project.name}/locations/-")).get("clusters", ())
        here = [one for one in clusters if batch.region in (one["location"], one["location"].rpartition("-")[0])]
        if not here:
            return []
        # GKE tells a pool's first size and not its size now: that is its groups'.
        sizes = {one["selfLink"]: int(one["targetSize"]) for one in project.aggregated("instanceGroupManagers")}
        return [_pool(batch, one, pool, sizes) for one in here for pool in one.get("nodePools", ())]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)

        def rest(pool: Resource) -> None:
            if pool.size["autoscaling"].get("enabled"):
                _change(project, pool, "setAutoscaling", {"autoscaling": {"enabled": False}}, waits=True)
            _change(project, pool, "setSize", {"nodeCount": 0})

        return each(resources, rest, judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)

        def wake_up(wake: Wake) -> None:
            stays(wake)
            # The autoscaler first: were only the size set, the pool would look awake and have no autoscaler.
            if wake.size["autoscaling"].get("enabled"):
                _change(project, wake.resource, "setAutoscaling", {"autoscaling": wake.size["autoscaling"]}, waits=True)
            _change(project, wake.resource, "setSize", {"nodeCount": int(wake.size["nodes_each_zone"])})

        return each(wakes, wake_up, judge)


def _change(project: Project, pool: Resource, method: str, body: dict[str, Any], *, waits: bool = False) -> None:
    location, cluster, name = pool.id.split("/")
    locations = project.google.api("container").projects().locations()
    target = f"projects/{project.name}/locations/{location}/clusters/{cluster}/nodePools/{name}"
    begun = project.google.call(getattr(locations.clusters().nodePools(), method)(name=target, body=body))
    if waits:
        operation = f"projects/{project.name}/locations/{location}/operations/{begun['name']}"

        def done() -> bool | None:
            return project.google.call(locations.operations().get(name=operation))["status"] == "DONE" or None

        wait_for(done, SETTLES, f"{method} of {pool.id}")


def _pool(batch: Batch, cluster: dict[str, Any], row: dict[str, Any], sizes: Mapping[str, int]) -> Resource:
    groups = [link.replace("/instanceGroups/", "/instanceGroupManagers/") for link in row.get("instanceGroupUrls", ())]
    counts = [sizes.get(link, 0) for link in groups]
    config = row.get("config", {})
    return Resource(
        id=f"{cluster['location']}/{cluster['name']}/{row['name']}",
        name=f"{cluster['name']}/{row['name']}",
        **place(batch),
        kind="gke-node-pool",
        family=Family.NODE_POOL,
        power=scaled(known(_STATES, row["status"], row["name"]), sum(counts), sum(counts)),
        word=row["status"],
        tags={**cluster.get("resourceLabels", {}), **config.get("resourceLabels", {})},
        size={
            "nodes_each_zone": max(counts, default=0),
            "autoscaling": dict(row.get("autoscaling", {})),
            "groups": sorted({last(link) for link in groups}),
        },
        instance_type=config.get("machineType"),
        count=sum(counts),
        refuses="Autopilot decides on its nodes itself" if cluster.get("autopilot", {}).get("enabled") else None,
        billed_tag=("goog-k8s-node-pool-name", row["name"]),
    )
