"""Azure for the contract suite of power: the lab's double, control plane only, and one of every kind made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from managed_plane import outage
from power_doubles import door_faults
from power_harness import PowerHarness, Thing

from include.clouds import azure as room
from include.clouds.azure import rights
from include.clouds.azure.clients import Azure, from_connection
from include.connections import ConnectionInfo
from include.lab.azure import sleepers
from include.lab.azure.cloud import azure
from include.lab.double import DoubleServer, knock
from include.suspension.model import Batch, Metric

SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-000000000009"
GROUP, REGION = "dev-group", "westeurope"
TAGS = {"environment": "test"}


class Hands:
    """The owner's own calls."""

    def __init__(self, server: DoubleServer, connection: ConnectionInfo) -> None:
        self.url = server.url
        self.api: Azure = from_connection(connection, SUBSCRIPTION)
        self.machines, self.sets = self.api.compute.virtual_machines, self.api.compute.virtual_machine_scale_sets
        self.servers, self.clusters = self.api.postgres.servers, self.api.clusters.managed_clusters

    def machine(self, name: str) -> str:
        return sleepers.machine(self.api, GROUP, REGION, name, "Standard_D2s_v5", TAGS)

    def machine_state(self, identifier: str) -> Any:
        rows = [one.as_dict() for kind in (None, "true") for one in self.machines.list_all(status_only=kind)]
        return [one["properties"] for one in rows if one["id"] == identifier]

    def scale_set(self, name: str) -> str:
        body = {"location": REGION, "tags": TAGS, "sku": {"name": "Standard_D2s_v5", "capacity": 3}, "properties": {}}
        return str(self.sets.begin_create_or_update(GROUP, name, body, polling=False).result().id)

    def server(self, name: str) -> str:
        body = {
            "location": REGION,
            "tags": TAGS,
            "properties": {"administratorLogin": "platform", "administratorLoginPassword": "a-password", "version": "18"},
        }
        return str(self.servers.begin_create_or_update(GROUP, name, body).result().id)

    def cluster(self, name: str) -> str:
        pools = [{"name": "system", "count": 2, "mode": "System"}, {"name": "apps", "count": 3, "mode": "User"}]
        body = {"location": REGION, "tags": TAGS, "properties": {"agentPoolProfiles": pools}}
        return str(self.clusters.begin_create_or_update(GROUP, name, body, polling=False).result().id)

    def measure(
        self, namespace: str, names: Sequence[str], factor: float = 1.0
    ) -> Callable[[str, datetime, Sequence[float], timedelta], None]:
        """A way to measure: the value is split evenly over the metrics of these names."""

        def put(identifier: str, start: datetime, values: Sequence[float], period: timedelta) -> None:
            for name in names:
                points = [
                    ((start + number * period).isoformat(), value * factor / len(names)) for number, value in enumerate(values)
                ]
                given = {"resource": identifier.upper(), "region": REGION, "namespace": namespace, "metric": name}
                knock(self.url, "measure", {**given, "points": points})

        return put


def name_of(identifier: str) -> str:
    return identifier.rpartition("/")[2]


def things(hands: Hands) -> dict[str, Thing]:
    """One of every kind."""
    vm, group = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
    postgres, aks = "Microsoft.DBforPostgreSQL/flexibleServers", "Microsoft.ContainerService/managedClusters"
    total = ("Network In Total", "Network Out Total")

    def flow(namespace: str) -> dict[Metric, Any]:
        return {
            Metric.CPU: hands.measure(namespace, ["Percentage CPU"]),
            Metric.NETWORK: hands.measure(namespace, total, 300),
        }

    def deleted(api: Any) -> Callable[[str], None]:
        return lambda identifier: api.begin_delete(GROUP, name_of(identifier), polling=False)

    def listed(list_all: Callable[[], Any]) -> Callable[[str], Any]:
        return lambda identifier: next(one.as_dict() for one in list_all() if one.id == identifier)

    found = [
        Thing(
            "virtual-machine",
            hands.machine,
            deleted(hands.machines),
            hands.machine_state,
            flow(vm),
            many=False,
            fallback="Standard_D2as_v5",
        ),
        Thing("scale-set", hands.scale_set, deleted(hands.sets), listed(hands.sets.list_all), flow(group), many=False),
        Thing(
            "flexible-server",
            hands.server,
            deleted(hands.servers),
            listed(hands.servers.list_by_subscription),
            {
                Metric.CPU: hands.measure(postgres, ["cpu_percent"]),
                Metric.NETWORK: hands.measure(postgres, ["network_bytes_ingress", "network_bytes_egress"], 300),
                Metric.CONNECTIONS: hands.measure(postgres, ["active_connections"]),
            },
            many=False,
            capacity_at_start=False,
        ),
        Thing(
            "aks-cluster",
            hands.cluster,
            deleted(hands.clusters),
            listed(hands.clusters.list),
            {Metric.CPU: hands.measure(aks, ["node_cpu_usage_percentage"])},
            many=False,
            capacity_at_start=False,
        ),
    ]
    return {one.kind: one for one in found}


@contextmanager
def short(url: str) -> Iterator[None]:
    knock(url, "no_capacity", {"location": REGION})
    try:
        yield
    finally:
        knock(url, "no_capacity", {"location": REGION, "on": False})


@contextmanager
def azure_power() -> Iterator[PowerHarness]:
    """The harness of Azure."""
    with DoubleServer(azure(None, pace=0.1)) as server:

        def connection(conn_id: str) -> ConnectionInfo:
            return ConnectionInfo(conn_id=conn_id, conn_type="azure", extra={"endpoint": server.url})

        hands, url = Hands(server, connection("owner")), server.url
        yield PowerHarness(
            switch=room.power_switch(connection),
            activity=room.activity_reader(connection),
            batch=Batch(cloud="azure", account=SUBSCRIPTION, region=REGION, connection="azure_power"),
            things=things(hands),
            throttled=lambda: door_faults(url, "throttle"),
            lost=lambda: door_faults(url, "lost"),
            outage=lambda: outage(server),
            no_capacity=lambda: short(url),
            fault=lambda kind, at: door_faults(url, kind, at, 1),
            calls=lambda: knock(url, "calls", {"reset": True})["total"],
            used=lambda: set(knock(url, "calls")["by_operation"]),
            allowed=frozenset(rights.SUSPEND),
            endpoint=url,
        )
