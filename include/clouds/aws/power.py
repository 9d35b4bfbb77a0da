"""The AWS switch: its kinds, and what Amazon's errors are as answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.words import translated
from include.clouds.power import Kind, Switch, judged
from include.suspension.model import Answer, Batch

_BUSY = (
    *("IncorrectInstanceState", "InvalidDBInstanceState", "ResourceInUse", "ScalingActivityInProgress", "ResourceContention"),
    *("IncorrectSpotInstanceRequestState",),
)
_CAPACITY = (
    *("InsufficientInstanceCapacity", "InsufficientDBInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity"),
    *("InsufficientReservedInstanceCapacity", "Unsupported)"),
)
"""``Unsupported``: the type is not offered in the zone. Source: EC2 API reference, *Error codes*; API_StartDBInstance."""
_GONE = (
    *("InvalidInstanceID.NotFound", "DBInstanceNotFound", "ServiceNotFoundException", "ClusterNotFoundException"),
    *("ServiceNotActiveException", "ResourceNotFoundException", "name not found"),
)


def judge(error: Exception) -> Answer:
    """What one of Amazon's errors means for the resource that was asked for."""
    return judged(error, _BUSY, _CAPACITY, _GONE)


def switch(clients: AwsClients) -> Switch:
    """Every kind that AWS has."""
    from include.clouds.aws.power_containers import EcsServices, EksNodegroups
    from include.clouds.aws.power_machines import Ec2Instances, ScalingGroups
    from include.clouds.aws.power_rds import RdsInstances

    kinds: dict[str, Kind] = {
        "ec2-instance": Ec2Instances(clients),
        "auto-scaling-group": ScalingGroups(clients),
        "rds-instance": RdsInstances(clients),
        "ecs-service": EcsServices(clients),
        "eks-nodegroup": EksNodegroups(clients),
    }
    return Switch(kinds)


class Called:
    """One service of one batch, its errors translated."""

    def __init__(self, clients: AwsClients, batch: Batch, service: str) -> None:
        self.api: Any = clients.client(batch.connection, service, batch.region)
        self._where = f"{service} in {batch.label}"

    def __call__(self, operation: str, **given: Any) -> Any:
        with translated(f"{operation}, {self._where}"):
            return getattr(self.api, operation)(**given)

    def pages(self, operation: str, part: str, size: int | None = None, **given: Any) -> Iterator[Any]:
        """Every item of a listing."""
        with translated(f"{operation}, {self._where}"):
            for page in self.api.get_paginator(operation).paginate(PaginationConfig={"PageSize": size} if size else {}, **given):
                yield from page[part]


def tags(rows: Sequence[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Amazon's list of pairs as a dict; services spell the fields differently."""
    return {str(row[key]): str(row[value]) for row in rows or ()}
