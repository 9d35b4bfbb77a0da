"""The least that `suspend_environments` must be allowed on Google Cloud, by the calls that the adapters make.

The contract suite holds it against the calls that the double saw, in both directions; docs/suspension-clouds.md shows it.
"""

from __future__ import annotations

SUSPEND: dict[str, tuple[str, ...]] = {
    "compute.instances.aggregatedList": ("compute.instances.list",),
    "compute.instances.setMachineType": ("compute.instances.setMachineType",),
    "compute.instanceGroupManagers.aggregatedList": ("compute.instanceGroupManagers.list",),
    "compute.instanceGroupManagers.resize": ("compute.instanceGroupManagers.update",),
    "compute.autoscalers.aggregatedList": ("compute.autoscalers.list",),
    "compute.autoscalers.patch": ("compute.autoscalers.update",),
    "batch": ("compute.instances.stop", "compute.instances.start", "compute.zoneOperations.get"),
    "sql.instances.list": ("cloudsql.instances.list",),
    "sql.instances.patch": ("cloudsql.instances.update",),
    "container.projects.locations.clusters.list": ("container.clusters.list",),
    "container.projects.locations.clusters.nodePools.setSize": ("container.clusters.update",),
    "container.projects.locations.clusters.nodePools.setAutoscaling": ("container.clusters.update",),
    "container.projects.locations.operations.get": ("container.operations.get",),
    "monitoring.projects.timeSeries.list": ("monitoring.timeSeries.list",),
}
"""Permissions by Google's name of the call. Regional groups need the same as zonal ones."""
