"""The overlay over moto's ECS and EKS: tasks and nodes come and go in their time, and an update under way refuses the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.lab.aws.power import Power


def install(power: Power) -> None:
    """Replace moto's methods for this process."""
    from moto.ecs.models import EC2ContainerServiceBackend
    from moto.eks.models import EKSBackend

    ecs: Any = EC2ContainerServiceBackend
    eks: Any = EKSBackend
    update_service, update_nodegroup = ecs.update_service, eks.update_nodegroup_config
    create_service = ecs.create_service
    ecs.create_service = lambda self, *given, **more: _created(create_service(self, *given, **more))
    ecs.update_service = lambda self, given: _update_service(power, update_service, self, given)
    eks.update_nodegroup_config = lambda self, **given: _update_nodegroup(power, update_nodegroup, self, given)


def _created(service: Any) -> Any:
    """A service of the lab runs its tasks from the start; moto lets them wait for ever."""
    service.running_count, service.pending_count = service.desired_count, 0
    return service


def _update_service(power: Power, original: Callable[..., Any], backend: Any, given: dict[str, Any]) -> Any:
    """UpdateService: the tasks follow the new count later. A DAEMON service has no count (API_UpdateService)."""
    from moto.ecs.exceptions import ECSException, InvalidParameterException

    cluster, name = str(given.get("cluster", "default")), str(given["service"])
    old = backend._get_service(cluster, name.rsplit("/", maxsplit=1)[-1])
    if old.status != "ACTIVE":
        raise ECSException("ServiceNotActiveException", "Service was not ACTIVE.")
    if given.get("desired_count") is not None and old.scheduling_strategy == "DAEMON":
        raise InvalidParameterException("The daemon scheduling strategy does not support a desired count for services.")
    running = old.running_count
    service = original(backend, given)
    service.running_count = running
    service.pending_count = max(0, service.desired_count - running)

    def done() -> None:
        service.running_count, service.pending_count = service.desired_count, 0

    power.begin(("ecs", backend.account_id, backend.region_name, str(service.arn)), "ecs-scaling", done)
    return service


def _update_nodegroup(power: Power, original: Callable[..., Any], backend: Any, given: dict[str, Any]) -> Any:
    """UpdateNodegroupConfig: ``UPDATING`` for a while, and refused meanwhile (EKS, API_UpdateNodegroupConfig).

    Sizes follow API_NodegroupScalingConfig: minSize from 0, maxSize from 1, desiredSize between the two.
    """
    from moto.eks.exceptions import InvalidParameterException, ResourceInUseException

    cluster, name = given["cluster_name"], given["nodegroup_name"]
    told = {"clusterName": cluster, "nodegroupName": name, "fargateProfileName": None, "addonName": None}
    group = backend.clusters[cluster].nodegroups.get(name) if cluster in backend.clusters else None
    sizes = given.get("scaling_config")
    if group is not None and group.status != "ACTIVE":
        raise ResourceInUseException(**told, message=f"Nodegroup {name} cannot be updated as it is currently not in Active State")
    if group is not None and sizes:
        # moto's node groups without sizes of their own share one dict of defaults.
        group.scaling_config = dict(group.scaling_config)
        new = group.scaling_config | sizes
        if not (0 <= new["minSize"] <= new["desiredSize"] <= new["maxSize"] and new["maxSize"] >= 1):
            raise InvalidParameterException(**told, message=f"Minimum capacity {new} can't be reached: check the sizes")
    update = original(backend, **given)
    if group is not None:
        group.status = "UPDATING"
        update["status"] = "InProgress"

        def done() -> None:
            group.status = "ACTIVE"

        power.begin(("eks", backend.account_id, backend.region_name, f"{cluster}/{name}"), "eks-updating", done)
    return update
