"""The least that `suspend_environments` must be allowed on Azure, by the calls that the adapters make.

The contract suite holds it against the calls that the double saw, in both directions; docs/suspension-clouds.md shows it.
"""

from __future__ import annotations

_VM, _SET = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
_SERVER, _AKS = "Microsoft.DBforPostgreSQL/flexibleServers", "Microsoft.ContainerService/managedClusters"

SUSPEND: dict[str, str] = {
    "virtual_machines_list_all": f"{_VM}/read",
    "virtual_machines_deallocate": f"{_VM}/deallocate/action",
    "virtual_machines_start": f"{_VM}/start/action",
    "virtual_machines_update": f"{_VM}/write",
    "virtual_machine_scale_sets_list_all": f"{_SET}/read",
    "virtual_machine_scale_sets_update": f"{_SET}/write",
    "servers_list_by_subscription": f"{_SERVER}/read",
    "servers_stop": f"{_SERVER}/stop/action",
    "servers_start": f"{_SERVER}/start/action",
    "managed_clusters_list": f"{_AKS}/read",
    "managed_clusters_stop": f"{_AKS}/stop/action",
    "managed_clusters_start": f"{_AKS}/start/action",
    "list_at_subscription_scope": "Microsoft.Insights/Metrics/Read",
}
"""Actions by the SDK's name of the call."""
