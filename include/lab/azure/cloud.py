"""The lab's Azure, put together: ``python -m include.lab.azure.cloud FOLDER PORT`` runs it in a process of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.lab.azure.arm import ArmPlane
from include.lab.azure.backups import Backups
from include.lab.azure.flexible import GROUP, FlexibleServers
from include.lab.double import DoubleServer
from include.lab.managed import ManagedPlane, behind

NETWORK = 72
"""Servers are at 127.72.x.y."""
SDKS = ("azure.mgmt.postgresqlflexibleservers",)
"""Virtual machines, AKS, Traffic Manager and Monitor join here with their SDK's package, and a provider that joins its calls."""


def azure(folder: Path | None, *, pace: float = 0.3) -> ArmPlane:
    """Azure's resource manager. `folder` None: no servers behind it. `pace`: seconds that an operation takes at least."""
    data = ManagedPlane(folder, network=NETWORK, group=GROUP) if folder else None
    plane = ArmPlane(*SDKS, pace=pace)
    plane.data = data
    servers = FlexibleServers(plane, data)
    backups = Backups(servers)
    for provider in (servers, backups):
        plane.join(provider.calls())

    def stall(given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "on"}``: operations of that server never finish, or go on."""
        change = plane.stalled.add if given.get("on", True) else plane.stalled.discard
        change(str(given["server"]))
        return {"stalled": sorted(plane.stalled)}

    plane.commands |= {"backup": backups.back_up, "backdate": backups.backdate, "seed": backups.seed, "stall": stall}
    plane.commands |= behind(data)
    return plane


def main(folder: str, port: str) -> None:
    """Serve until the process ends; its servers end with the command ``stop`` of the door."""
    with DoubleServer(azure(Path(folder)), int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:3])
