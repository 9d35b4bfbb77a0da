"""The lab's Google Cloud, put together: ``python -m include.lab.google.cloud FOLDER PORT`` runs it in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.lab.google.backups import BackupRuns
from include.lab.google.clusters import Clusters
from include.lab.google.compute import Compute
from include.lab.google.inside import Inside
from include.lab.google.monitoring import Monitoring
from include.lab.google.operations import Operations
from include.lab.google.plane import GooglePlane
from include.lab.google.sql import GROUP, CloudSql
from include.lab.managed import ManagedPlane, behind, serve_until_told

NETWORK = 71
"""Servers are at 127.71.x.y."""
APIS = (("sqladmin", "v1"), ("sqladmin", "v1beta4"), ("compute", "v1"), ("container", "v1"), ("monitoring", "v3"))
"""DNS and others join here, with a service that `join`s its methods."""


def google(folder: Path | None, *, pace: float = 0.3) -> GooglePlane:
    """Google's control plane. `folder` None: no servers behind it. `pace`: seconds of an operation's each state."""
    data = ManagedPlane(folder, network=NETWORK, group=GROUP) if folder else None
    sql = CloudSql(data, Operations(pace))
    runs = BackupRuns(sql)
    plane = GooglePlane(*APIS)
    plane.data = data
    compute, monitoring = Compute(pace), Monitoring()
    clusters = Clusters(compute)
    for service in (sql, runs, Inside(sql), compute, clusters, monitoring):
        plane.join(service.methods())

    def stall(given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"instance", "on"}``: operations of that instance never finish, or go on."""
        change = sql.operations.stalled.add if given.get("on", True) else sql.operations.stalled.discard
        change(str(given["instance"]))
        return {"stalled": sorted(sql.operations.stalled)}

    plane.commands |= {
        "backup": runs.back_up,
        "backdate": runs.backdate,
        "damage": runs.damage,
        "seed": runs.seed,
        "lose": sql.lose,
        "stall": stall,
        "busy_clusters": clusters.busy,
        "exhaust": compute.exhaust,
        "machines": compute.seed,
        "started": compute.started,
        "measure": monitoring.measure,
    }
    plane.commands |= behind(data)
    return plane


def main(folder: str, port: str) -> None:
    """Serve until the process is told to end, which ends its servers too."""
    plane = google(Path(folder))
    serve_until_told(plane, port, plane.data)


if __name__ == "__main__":
    main(*sys.argv[1:3])
