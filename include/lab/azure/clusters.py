"""AKS: clusters that stop and start as a whole and keep their pools (AKS, "Stop and start a cluster"), and their metrics' double.

While it is Stopping, Starting or Updating a cluster refuses another change (``OperationNotAllowed``).
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.mgmt.containerservice import models

from include.lab.azure.arm import ArmPlane, Refused, Request, Serve
from include.lab.azure.contract import check
from include.lab.azure.flexible import page
from include.lab.double import Answer

PROVIDER = "Microsoft.ContainerService"


class ManagedClusters:
    """Every cluster, by lower-case id."""

    def __init__(self, arm: ArmPlane) -> None:
        self.arm = arm
        self.lock = threading.RLock()
        self.clusters: dict[str, dict[str, Any]] = {}

    def calls(self) -> dict[str, Serve]:
        return {
            "managed_clusters_create_or_update": self.put,
            "managed_clusters_delete": self.delete,
            "managed_clusters_list": self.list,
            "managed_clusters_stop": lambda request: self.turn(request, "Stopping", "Stopped"),
            "managed_clusters_start": lambda request: self.turn(request, "Starting", "Running"),
        }

    def path(self, request: Request) -> str:
        known = request.variables
        group = f"/subscriptions/{known['subscriptionId']}/resourceGroups/{known['resourceGroupName']}"
        return f"{group}/providers/{PROVIDER}/managedClusters/{known['resourceName']}"

    def found(self, request: Request) -> dict[str, Any]:
        """Raises Refused 404."""
        name = self.path(request).lower()
        if name not in self.clusters:
            raise Refused(404, f"The Resource '{PROVIDER}/managedClusters/{request.variables['resourceName']}' was not found.")
        return self.clusters[name]

    def put(self, request: Request) -> Answer:
        check(models.ManagedCluster, request.body, "create")
        row = copy.deepcopy(request.body)
        row |= {"id": self.path(request), "name": request.variables["resourceName"], "type": f"{PROVIDER}/managedClusters"}
        row["properties"] |= {"provisioningState": "Succeeded", "powerState": {"code": "Running"}}
        self.clusters[row["id"].lower()] = row
        return Answer(201, row)

    def delete(self, request: Request) -> Answer:
        row = self.found(request)
        self.clusters.pop(row["id"].lower())
        return self.arm.begin(request, (PROVIDER, row["location"], row["name"]), lambda: None)

    def list(self, request: Request) -> Answer:
        prefix = f"/subscriptions/{request.variables['subscriptionId']}/".lower()
        rows = [copy.deepcopy(one) for name, one in sorted(self.clusters.items()) if name.startswith(prefix)]
        return page(rows, models.ManagedCluster, request)

    def turn(self, request: Request, word: str, final: str) -> Answer:
        row = self.found(request)
        properties = row["properties"]
        with self.lock:
            if properties["provisioningState"] != "Succeeded":
                raise Refused(409, f"{row['name']} is {properties['provisioningState']}.", "OperationNotAllowed")
            properties["provisioningState"] = word

        def work() -> None:
            properties["powerState"] = {"code": final}
            properties["provisioningState"] = "Succeeded"

        return self.arm.begin(request, (PROVIDER, row["location"], row["name"]), work)


class Metrics:
    """Azure Monitor: ``metrics.list_at_subscription_scope``, readings of a whole region and namespace, split by resource id."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def calls(self) -> dict[str, Serve]:
        return {"list_at_subscription_scope": self.list}

    def measure(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The door: ``{"resource", "region", "namespace", "metric", "points": [[ISO time, value], …]}``."""
        self.rows.append({**given, "points": [(datetime.fromisoformat(at), float(value)) for at, value in given["points"]]})
        return {"series": len(self.rows)}

    def list(self, request: Request) -> Answer:
        ask = request.call.one
        if ask("$filter") != "Microsoft.ResourceId eq '*'":
            raise Refused(400, f"the lab's metrics are split by resource and by nothing else: {ask('$filter')}")
        start, end = (datetime.fromisoformat(one) for one in ask("timespan").split("/"))
        period = timedelta(minutes=int(ask("interval").removeprefix("PT").removesuffix("M")))
        aggregation = ask("aggregation").lower()
        subscription = request.variables["subscriptionId"].lower()
        values = []
        for name in ask("metricnames").split(","):
            mine = [
                one for one in self.rows
                if one["region"] == ask("region") and one["metric"] == name
                and one["namespace"].lower() == ask("metricnamespace").lower()
                and f"/subscriptions/{subscription}/" in one["resource"].lower()
            ]  # fmt: skip
            series = [_series(one, start, end, period, aggregation) for one in mine]
            told = {"value": name, "localizedValue": name}
            values.append({"id": name, "type": "Microsoft.Insights/metrics", "name": told, "unit": "Count", "timeseries": series})
        return Answer(200, {"timespan": ask("timespan"), "interval": ask("interval"), "value": values})


_SHAPES: dict[str, Callable[[list[float]], float]] = {
    "average": lambda many: sum(many) / len(many),
    "maximum": max,
    "total": sum,
}


def _series(one: Mapping[str, Any], start: datetime, end: datetime, period: timedelta, aggregation: str) -> dict[str, Any]:
    held: dict[datetime, list[float]] = defaultdict(list)
    for at, value in one["points"]:
        if start <= at < end:
            held[start + int((at - start) / period) * period].append(value)
    data = []
    at = start
    while at < end:
        # A period without readings is told, without a value.
        data.append({"timeStamp": at.isoformat(), **({aggregation: _SHAPES[aggregation](held[at])} if at in held else {})})
        at += period
    label = {"name": {"value": "Microsoft.ResourceId", "localizedValue": "Microsoft.ResourceId"}, "value": one["resource"]}
    return {"metadatavalues": [label], "data": data}
