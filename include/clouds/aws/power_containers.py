"""ECS services and EKS node groups: scaled to nothing and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.power import Called, judge, tags
from include.clouds.power import each, known, place, scaled, stays
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

_MANY = 10
"""Services in one DescribeServices, the most that ECS takes."""
_SERVICE = {"ACTIVE": Power.ON, "DRAINING": Power.LEAVING}
_NODES = {
    "ACTIVE": Power.ON,
    "CREATING": Power.BUSY,
    "UPDATING": Power.BUSY,
    "DELETING": Power.LEAVING,
    "CREATE_FAILED": Power.BROKEN,
    "DELETE_FAILED": Power.BROKEN,
    "DEGRADED": Power.BROKEN,
}
"""API_Service and API_Nodegroup, status."""


class EcsServices:
    """``ecs-service``; its id is ``CLUSTER/SERVICE``."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        ecs = Called(self._clients, batch, "ecs")
        wanted: dict[str, list[str]] = defaultdict(list)
        for one in only or ():
            cluster, _, service = one.partition("/")
            wanted[cluster].append(service)
        if only is None:
            for cluster in ecs.pages("list_clusters", "clusterArns", 100):
                name = cluster.rpartition("/")[2]
                wanted[name] = list(ecs.pages("list_services", "serviceArns", 100, cluster=name))
        found = []
        for cluster, services in wanted.items():
            for many in _tens(services):
                told = ecs("describe_services", cluster=cluster, services=many, include=["TAGS"])
                found += [_service(batch, cluster, one) for one in told["services"] if one["status"] != "INACTIVE"]
        return found

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        ecs = Called(self._clients, batch, "ecs")
        return each(resources, lambda one: _resize(ecs, one, 0), judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        ecs = Called(self._clients, batch, "ecs")

        def wake_up(wake: Wake) -> None:
            stays(wake)
            _resize(ecs, wake.resource, int(wake.size["desired"]))

        return each(wakes, wake_up, judge)


def _tens(services: Sequence[str]) -> list[list[str]]:
    return [list(services[start : start + _MANY]) for start in range(0, len(services), _MANY)]


def _resize(ecs: Called, service: Resource, count: int) -> None:
    cluster, _, name = service.id.partition("/")
    ecs("update_service", cluster=cluster, service=name, desiredCount=count)


def _service(batch: Batch, cluster: str, row: dict[str, Any]) -> Resource:
    desired, running = int(row["desiredCount"]), int(row["runningCount"])
    daemon = row.get("schedulingStrategy") == "DAEMON"
    return Resource(
        id=f"{cluster}/{row['serviceName']}",
        name=row["serviceName"],
        **place(batch),
        kind="ecs-service",
        family=Family.SERVICE,
        power=scaled(known(_SERVICE, row["status"], row["serviceName"]), desired, running),
        word=f"{row['status']}, {running} of {desired} run",
        tags=tags(row.get("tags", ()), "key", "value"),
        size={"desired": desired},
        count=running,
        launched_at=row.get("createdAt"),
        refuses="a daemon service runs once on every machine and has no count" if daemon else None,
        billed_tag=("aws:ecs:serviceName", row["serviceName"]),
    )


class EksNodegroups:
    """``eks-nodegroup``; its id is ``CLUSTER/GROUP``. EKS describes one in a call, and has no other way."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        eks = Called(self._clients, batch, "eks")
        wanted = sorted(only or ())
        if only is None:
            for cluster in eks.pages("list_clusters", "clusters", 100):
                wanted += [f"{cluster}/{one}" for one in eks.pages("list_nodegroups", "nodegroups", 100, clusterName=cluster)]
        found = []
        for one in wanted:
            cluster, _, group = one.partition("/")
            try:
                told = eks("describe_nodegroup", clusterName=cluster, nodegroupName=group)
            except OSError as error:
                # Deleted since it was listed: not there, and no reason to hide the others.
                if judge(error).outcome != "gone":
                    raise
            else:
                found.append(_nodes(batch, told["nodegroup"]))
        return found

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        eks = Called(self._clients, batch, "eks")
        # EKS takes no maximum below one.
        return each(resources, lambda one: _rescale(eks, one, {"min": 0, "max": 1, "desired": 0}), judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        eks = Called(self._clients, batch, "eks")

        def wake_up(wake: Wake) -> None:
            stays(wake)
            _rescale(eks, wake.resource, wake.size)

        return each(wakes, wake_up, judge)


def _rescale(eks: Called, nodes: Resource, size: Mapping[str, Any]) -> None:
    cluster, _, group = nodes.id.partition("/")
    sizes = {"minSize": size["min"], "maxSize": size["max"], "desiredSize": size["desired"]}
    eks("update_nodegroup_config", clusterName=cluster, nodegroupName=group, scalingConfig=sizes)


def _nodes(batch: Batch, row: dict[str, Any]) -> Resource:
    sizes, name = row["scalingConfig"], f"{row['clusterName']}/{row['nodegroupName']}"
    desired, kinds = int(sizes["desiredSize"]), row.get("instanceTypes") or [None]
    return Resource(
        id=name,
        name=name,
        **place(batch),
        kind="eks-nodegroup",
        family=Family.NODE_POOL,
        # EKS does not count nodes; an update under way is told by the status.
        power=scaled(known(_NODES, row["status"], name), desired, desired),
        word=row["status"],
        tags=dict(row.get("tags", {})),
        size={
            "min": int(sizes["minSize"]),
            "max": int(sizes["maxSize"]),
            "desired": desired,
            "groups": [one["name"] for one in row.get("resources", {}).get("autoScalingGroups", ())],
        },
        instance_type=kinds[0] if len(kinds) == 1 else None,
        count=desired,
        launched_at=row.get("createdAt"),
        billed_tag=("eks:nodegroup-name", row["nodegroupName"]),
    )
