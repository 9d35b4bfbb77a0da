"""Google Cloud for the contract suite of power: the lab's double, control plane only, and one of every kind made by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from managed_plane import outage
from power_doubles import door_faults
from power_harness import PowerHarness, Thing

from include.clouds import google as room
from include.clouds.google import rights
from include.clouds.google.clients import Google, from_connection
from include.connections import ConnectionInfo
from include.lab.double import DoubleServer, knock
from include.lab.google import sleepers
from include.lab.google.cloud import google
from include.suspension.model import Batch, Metric

PROJECT, REGION, ZONE = "dev-project", "europe-west1", "europe-west1-b"
LABELS = {"environment": "test"}
VM, SQL = "compute.googleapis.com/instance", "cloudsql.googleapis.com/database"


class Hands:
    """The owner's own calls."""

    def __init__(self, server: DoubleServer, connection: ConnectionInfo) -> None:
        self.url = server.url
        self.api: Google = from_connection(connection)
        self.compute, self.gke = self.api.api("compute"), self.api.api("container").projects().locations().clusters()
        self.parent = f"projects/{PROJECT}/locations/{REGION}"
        self.api.call(self.gke.create(parent=self.parent, body={"cluster": {"name": "k8s"}}))

    def until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def instance(self, name: str) -> str:
        return sleepers.machine(self.api, PROJECT, ZONE, name, "e2-medium", LABELS)

    def listed(self, kind: str, name: str) -> dict[str, Any]:
        told = self.api.call(getattr(self.compute, kind)().aggregatedList(project=PROJECT))["items"]
        return next(one for held in told.values() for one in held[kind] if one["name"] == name.rpartition("/")[2])

    def group(self, name: str) -> str:
        labels = {"properties": {"labels": LABELS}}
        body = {"name": name, "targetSize": 3, "allInstancesConfig": labels, "baseInstanceName": name}
        self.api.call(self.compute.instanceGroupManagers().insert(project=PROJECT, zone=ZONE, body=body))
        policy = {"mode": "ON", "minNumReplicas": 2, "maxNumReplicas": 6}
        body = {"name": f"{name}-scaler", "target": f"zones/{ZONE}/instanceGroupManagers/{name}", "autoscalingPolicy": policy}
        self.api.call(self.compute.autoscalers().insert(project=PROJECT, zone=ZONE, body=body))
        return f"zones/{ZONE}/{name}"

    def group_state(self, name: str) -> Any:
        row = self.listed("instanceGroupManagers", name)
        return row["targetSize"], row["currentActions"], self.listed("autoscalers", f"{name}-scaler")["autoscalingPolicy"]

    def database(self, name: str) -> str:
        settings = {"userLabels": LABELS, "tier": "db-custom-2-7680"}
        self.api.call(
            self.api.sql.instances().insert(project=PROJECT, body={"name": name, "region": REGION, "settings": settings})
        )
        self.until(lambda: self.database_state(name)[0] == "RUNNABLE")
        self.until(lambda: all(one["status"] == "DONE" for one in self._operations(name)))
        return name

    def _operations(self, name: str) -> list[dict[str, Any]]:
        return list(self.api.call(self.api.sql.operations().list(project=PROJECT, instance=name))["items"])

    def database_state(self, name: str) -> Any:
        row = self.api.call(self.api.sql.instances().get(project=PROJECT, instance=name))
        return row["state"], row["settings"]

    def drop_database(self, name: str) -> None:
        self.api.call(self.api.sql.instances().delete(project=PROJECT, instance=name))
        self.until(lambda: all(one["status"] == "DONE" for one in self._operations(name)))

    def pool(self, name: str) -> str:
        body = {
            "name": name,
            "initialNodeCount": 2,
            "locations": [ZONE, f"{REGION}-c"],
            "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 5},
            "config": {"machineType": "e2-standard-4", "resourceLabels": LABELS},
        }
        self.api.call(self.gke.nodePools().create(parent=f"{self.parent}/clusters/k8s", body={"nodePool": body}))
        # A cluster does one thing at a time.
        self.until(self._idle)
        return f"{REGION}/k8s/{name}"

    def _idle(self) -> bool:
        clusters = self.api.call(self.gke.list(parent=f"projects/{PROJECT}/locations/-"))["clusters"]
        return not knock(self.url, "busy_clusters")["busy"] and bool(clusters)

    def pool_state(self, name: str) -> Any:
        cluster = self.api.call(self.gke.list(parent=f"projects/{PROJECT}/locations/-"))["clusters"][0]
        pool = next(one for one in cluster["nodePools"] if one["name"] == name.rpartition("/")[2])
        told = self.api.call(self.compute.instanceGroupManagers().aggregatedList(project=PROJECT))["items"]
        rows = [one for held in told.values() for one in held["instanceGroupManagers"]]
        sizes = [one["targetSize"] for one in rows if one["selfLink"] in pool["instanceGroupUrls"]]
        return pool["status"], pool["autoscaling"], sizes

    def drop_pool(self, name: str) -> None:
        self.api.call(self.gke.nodePools().delete(name=f"{self.parent}/clusters/k8s/nodePools/{name.rpartition('/')[2]}"))
        self.until(self._idle)

    def measure(
        self, types: Sequence[str], labels: Callable[[str], dict[str, Any]], factor: float = 1.0
    ) -> Callable[[str, datetime, Sequence[float], timedelta], None]:
        """A way to measure: each value belongs to the period that ends with its point, split evenly over the types."""

        def put(name: str, start: datetime, values: Sequence[float], period: timedelta) -> None:
            for kind in types:
                points = [
                    ((start + (number + 1) * period).isoformat(), value * factor / len(types))
                    for number, value in enumerate(values)
                ]
                knock(self.url, "measure", {"project": PROJECT, "type": kind, "points": points, **labels(name)})

        return put


def last(name: str) -> str:
    return name.rpartition("/")[2]


def things(hands: Hands) -> dict[str, Thing]:
    """One of every kind."""
    compute = hands.compute

    def machine(name: str) -> dict[str, Any]:
        return {"labels": {"zone": ZONE, "instance_id": "1"}, "metric_labels": {"instance_name": last(name)}}

    def group(name: str) -> dict[str, Any]:
        return machine("one-of-it") | {"system_labels": {"instance_group": last(name)}}

    def pool(name: str) -> dict[str, Any]:
        return group(f"gke-k8s-{last(name)}-grp")

    def database(name: str) -> dict[str, Any]:
        return {"labels": {"region": REGION, "database_id": f"{PROJECT}:{name}"}, "resource": "cloudsql_database"}

    def vm(labels: Callable[[str], dict[str, Any]]) -> dict[Metric, Any]:
        flow = [f"{VM}/network/received_bytes_count", f"{VM}/network/sent_bytes_count"]
        return {
            Metric.CPU: hands.measure([f"{VM}/cpu/utilization"], labels, 0.01),
            Metric.NETWORK: hands.measure(flow, labels, 300),
        }

    flow = [f"{SQL}/network/received_bytes_count", f"{SQL}/network/sent_bytes_count"]
    found = [
        Thing(
            "compute-instance",
            hands.instance,
            lambda name: hands.api.call(compute.instances().delete(project=PROJECT, zone=ZONE, instance=last(name))),
            lambda name: [hands.listed("instances", name)[word] for word in ("status", "machineType", "labels")],
            vm(machine),
            fallback="e2-standard-2",
        ),
        Thing(
            "managed-instance-group",
            hands.group,
            lambda name: hands.api.call(
                compute.instanceGroupManagers().delete(project=PROJECT, zone=ZONE, instanceGroupManager=last(name))
            ),
            hands.group_state,
            vm(group),
            many=False,
            capacity_at_start=False,
        ),
        Thing(
            "cloud-sql",
            hands.database,
            hands.drop_database,
            hands.database_state,
            {
                Metric.CPU: hands.measure([f"{SQL}/cpu/utilization"], database, 0.01),
                Metric.NETWORK: hands.measure(flow, database, 300),
                Metric.CONNECTIONS: hands.measure([f"{SQL}/postgresql/num_backends"], database),
            },
            many=False,
            capacity_at_start=False,
        ),
        Thing(
            "gke-node-pool",
            hands.pool,
            hands.drop_pool,
            hands.pool_state,
            vm(pool),
            many=False,
            capacity_at_start=False,
            one_at_a_time=True,
        ),
    ]
    return {one.kind: one for one in found}


@contextmanager
def exhausted(url: str) -> Iterator[None]:
    knock(url, "exhaust", {"zone": ZONE})
    try:
        yield
    finally:
        knock(url, "exhaust", {"zone": ZONE, "on": False})


@contextmanager
def google_power() -> Iterator[PowerHarness]:
    """The harness of Google Cloud."""
    with DoubleServer(google(None, pace=0.1)) as server:

        def connection(conn_id: str) -> ConnectionInfo:
            extra = {"is_anonymous": True, "endpoint": server.url}
            return ConnectionInfo(conn_id=conn_id, conn_type="google_cloud_platform", extra=extra)

        hands, url = Hands(server, connection("owner")), server.url
        yield PowerHarness(
            switch=room.power_switch(connection),
            activity=room.activity_reader(connection),
            batch=Batch(cloud="google", account=PROJECT, region=REGION, connection="google_power"),
            things=things(hands),
            throttled=lambda: door_faults(url, "throttle"),
            lost=lambda: door_faults(url, "lost"),
            outage=lambda: outage(server),
            no_capacity=lambda: exhausted(url),
            fault=lambda kind, at: door_faults(url, kind, at, 1),
            calls=lambda: knock(url, "calls", {"reset": True})["total"],
            used=lambda: set(knock(url, "calls")["by_operation"]),
            allowed=frozenset(rights.SUSPEND),
            endpoint=url,
        )
