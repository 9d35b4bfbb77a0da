"""The lab's Azure, put together: ``python -m include.lab.azure.cloud FOLDER PORT`` runs it in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.lab.azure.arm import ArmPlane
from include.lab.azure.backups import Backups
from include.lab.azure.clusters import ManagedClusters, Metrics
from include.lab.azure.flexible import GROUP, FlexibleServers
from include.lab.azure.machines import Machines
from include.lab.managed import ManagedPlane, behind, serve_until_told

NETWORK = 72
"""Servers are at 127.72.x.y."""
SDKS = (
    *("azure.mgmt.postgresqlflexibleservers", "azure.mgmt.compute", "azure.mgmt.containerservice"),
    "azure.mgmt.monitor.operations._metrics_operations",
)
"""Traffic Manager and others join here with their SDK's package, and a provider that joins its calls."""


def azure(folder: Path | None, *, pace: float = 0.3) -> ArmPlane:
    """Azure's resource manager. `folder` None: no servers behind it. `pace`: seconds that an operation takes at least."""
    data = ManagedPlane(folder, network=NETWORK, group=GROUP) if folder else None
    plane = ArmPlane(*SDKS, pace=pace)
    plane.data = data
    servers = FlexibleServers(plane, data)
    backups = Backups(servers)
    machines, metrics = Machines(plane), Metrics()
    for provider in (servers, backups, machines, ManagedClusters(plane), metrics):
        plane.join(provider.calls())

    def stall(given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "on"}``: operations of that server never finish, or go on."""
        change = plane.stalled.add if given.get("on", True) else plane.stalled.discard
        change(str(given["server"]))
        return {"stalled": sorted(plane.stalled)}

    plane.commands |= {
        "backup": backups.back_up,
        "backdate": backups.backdate,
        "geo": backups.geo,
        "damage": backups.damage,
        "seed": backups.seed,
        "lose": servers.lose,
        "stall": stall,
        "no_capacity": machines.no_capacity,
        "machines": machines.seed,
        "measure": metrics.measure,
    }
    plane.commands |= behind(data)
    return plane


def main(folder: str, port: str) -> None:
    """Serve until the process is told to end, which ends its servers too."""
    plane = azure(Path(folder))
    serve_until_told(plane, port, plane.data)


if __name__ == "__main__":
    main(*sys.argv[1:3])
