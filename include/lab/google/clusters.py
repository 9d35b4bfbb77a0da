"""GKE: clusters with node pools, whose nodes are managed instance groups of the lab's Compute Engine.

State rules, and where they come from: one operation at a time a cluster (error ``FAILED_PRECONDITION``, GKE "Operations");
``setSize`` counts nodes in each of the pool's zones (``SetNodePoolSizeRequest``); a pool is RECONCILING meanwhile (schema).
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from include.lab.google.compute import ROOT, Compute
from include.lab.google.operations import stamp
from include.lab.google.plane import Refused, Request, Serve

Cluster = dict[str, Any]


class Clusters:
    """All clusters, by ``projects/P/locations/L/clusters/C``."""

    def __init__(self, compute: Compute) -> None:
        self.compute, self.pace = compute, compute.pace
        self.lock = threading.RLock()
        self.clusters: dict[str, Cluster] = {}
        self.operations: dict[str, dict[str, Any]] = {}

    def methods(self) -> dict[str, Serve]:
        under = "container.projects.locations.clusters"
        return {
            f"{under}.list": self.list,
            f"{under}.create": self.create,
            f"{under}.nodePools.create": self.create_pool,
            f"{under}.nodePools.delete": self.delete_pool,
            f"{under}.nodePools.setSize": self.set_size,
            f"{under}.nodePools.setAutoscaling": self.set_autoscaling,
            "container.projects.locations.operations.get": lambda request: dict(self.operations[request.variables["name"]]),
        }

    def busy(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """The door's ``busy_clusters``: whether an operation is under way."""
        with self.lock:
            return {"busy": any(one["status"] != "DONE" for one in self.operations.values())}

    def list(self, request: Request) -> dict[str, Any]:
        """All of a location, or with ``-`` of all."""
        parent = request.variables["parent"].removesuffix("/-")
        with self.lock:
            return {"clusters": [copy.deepcopy(one) for name, one in self.clusters.items() if name.startswith(parent + "/")]}

    def create(self, request: Request) -> dict[str, Any]:
        body, parent = request.body["cluster"], request.variables["parent"]
        name = f"{parent}/clusters/{body['name']}"
        with self.lock:
            self.clusters[name] = {**body, "location": parent.rpartition("/")[2], "status": "RUNNING", "nodePools": []}
        return self._begin(name, "CREATE_CLUSTER", lambda: None)

    def create_pool(self, request: Request) -> dict[str, Any]:
        parent, pool = request.variables["parent"], copy.deepcopy(request.body["nodePool"])
        project, cluster = parent.split("/")[1], self.clusters[parent]
        zones = pool.setdefault("locations", [f"{cluster['location']}-b"])
        pool |= {"status": "RUNNING", "instanceGroupUrls": []}
        for zone in zones:
            name = f"gke-{cluster['name']}-{pool['name']}-grp"
            link = f"{ROOT}/projects/{project}/zones/{zone}/instanceGroupManagers/{name}"
            count = pool["initialNodeCount"]
            self.compute.things["instanceGroupManagers"][project, f"zones/{zone}", name] = {
                "name": name, "selfLink": link, "targetSize": count, "currentActions": {"none": count},
                "status": {"isStable": True}, "zone": f"{ROOT}/projects/{project}/zones/{zone}",
            }  # fmt: skip
            pool["instanceGroupUrls"].append(link)
        cluster["nodePools"].append(pool)
        return self._begin(parent, "CREATE_NODE_POOL", lambda: None)

    def delete_pool(self, request: Request) -> dict[str, Any]:
        cluster, pool = self._pool(request)
        self.clusters[cluster]["nodePools"].remove(pool)
        return self._begin(cluster, "DELETE_NODE_POOL", lambda: None)

    def set_size(self, request: Request) -> dict[str, Any]:
        cluster, pool = self._pool(request)
        return self._work(cluster, pool, "SET_NODE_POOL_SIZE", lambda: self._resize(pool, int(request.body["nodeCount"])))

    def set_autoscaling(self, request: Request) -> dict[str, Any]:
        cluster, pool = self._pool(request)
        given = request.body["autoscaling"]

        def work() -> None:
            # Turned off, it forgets its limits.
            pool["autoscaling"] = dict(given) if given.get("enabled") else {}

        return self._work(cluster, pool, "SET_NODE_POOL_SIZE", work)

    def _resize(self, pool: dict[str, Any], count: int) -> None:
        with self.compute.lock:
            for manager in self.compute.things["instanceGroupManagers"].values():
                if manager["selfLink"] in pool["instanceGroupUrls"]:
                    manager |= {"targetSize": count, "currentActions": {"none": count}}

    def _pool(self, request: Request) -> tuple[str, dict[str, Any]]:
        cluster, _, name = request.variables["name"].partition("/nodePools/")
        pools = self.clusters.get(cluster, {}).get("nodePools", [])
        found = next((pool for pool in pools if pool["name"] == name), None)
        if found is None:
            raise Refused(404, f"Not found: {request.variables['name']}.", "notFound")
        return cluster, found

    def _work(self, cluster: str, pool: dict[str, Any], kind: str, work: Callable[[], None]) -> dict[str, Any]:
        with self.lock:
            busy = [one for one in self.operations.values() if one["status"] != "DONE" and one["targetLink"] == cluster]
            if busy:
                text = f"Cluster is running incompatible operation {busy[0]['name']}."
                raise Refused(400, text, "failedPrecondition")
            pool["status"] = "RECONCILING"

        def done() -> None:
            work()
            pool["status"] = "RUNNING"

        return self._begin(cluster, kind, done)

    def _begin(self, cluster: str, kind: str, work: Callable[[], None]) -> dict[str, Any]:
        name = f"operation-{uuid.uuid4()}"
        told = {"name": name, "operationType": kind, "status": "RUNNING", "startTime": stamp(), "targetLink": cluster}
        self.operations[f"{cluster.partition('/clusters/')[0]}/operations/{name}"] = told

        def run() -> None:
            time.sleep(self.pace)
            with self.lock:
                work()
                told["status"] = "DONE"

        threading.Thread(target=run, daemon=True).start()
        return dict(told)
