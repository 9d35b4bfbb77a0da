"""Flexible Server for the contract suite: the lab's double with one production server and one that nobody catalogued."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from managed_plane import Shop, lab_folder, outage, served

from include.clouds import azure as room
from include.clouds.azure.clients import Azure, from_connection
from include.clouds.azure.settings import Datastore, Sandboxes
from include.connections import ConnectionInfo
from include.lab.azure.cloud import azure
from include.lab.double import DoubleServer, knock

SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-000000000001"
GROUP, SANDBOXES = "shop-production", "shop-sandboxes"


def network(group: str, region: str) -> dict[str, str]:
    """A private network of one resource group."""
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network"
    return {
        "subnet": f"{base}/virtualNetworks/{group}-{region}/subnets/databases",
        "dns_zone": f"{base}/privateDnsZones/{group}.private.postgres.database.azure.com",
    }


class FlexibleShop(Shop):
    """A production server behind a double, with the calls that its owner makes."""

    def __init__(self, server: DoubleServer, data: Any) -> None:
        super().__init__(data, "shop")
        self.server = server
        self.api = from_connection(self.connection("azure"), SUBSCRIPTION)

    def connection(self, conn_id: str) -> ConnectionInfo:
        return ConnectionInfo(conn_id=conn_id, conn_type="azure", extra={"endpoint": self.server.url})

    def client(self) -> Azure:
        return from_connection(self.connection("azure"), SUBSCRIPTION)

    def body(self, group: str, **more: Any) -> dict[str, Any]:
        place = network(group, "westeurope")
        properties = {
            "administratorLogin": "platform",
            "administratorLoginPassword": "production",
            "version": "18",
            "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Enabled"},
            "network": {"delegatedSubnetResourceId": place["subnet"], "privateDnsZoneArmResourceId": place["dns_zone"]},
        }
        return {"location": "westeurope", "properties": properties, **more}

    def open(self) -> None:
        api = self.api.postgres
        for name, database in (("shop", "shop"), ("forgotten", "forgotten")):
            api.servers.begin_create_or_update(GROUP, name, self.body(GROUP)).result()
            api.databases.begin_create(GROUP, name, database, {}).result()
        super().open()
        self.back_up()

    def back_up(self) -> None:
        knock(self.server.url, "backup", {"server": "shop"})

    def settings(self, **changes: Any) -> Sandboxes:
        known = {
            "subscription": SUBSCRIPTION,
            "resource_group": SANDBOXES,
            "networks": {region: network(SANDBOXES, region) for region in ("westeurope", "northeurope")},
            "paired_regions": {"westeurope": "northeurope"},
            "port": self.data.port,
            "patience": "30s",
        }
        return Sandboxes.model_validate(known | changes)

    def datastore(self, **changes: Any) -> Datastore:
        known = {
            "name": "main",
            "cloud": "azure",
            "region": "westeurope",
            "resource_group": GROUP,
            "server": "shop",
            "database": "shop",
            "business_time": "SELECT max(placed_at) FROM orders",
        }
        return Datastore.model_validate(known | changes)

    @contextmanager
    def look_alike(self, name: str) -> Iterator[Callable[[], bool]]:
        """Somebody else's server with a sandbox's name, in the sandboxes' resource group."""
        servers = self.api.postgres.servers
        servers.begin_create_or_update(SANDBOXES, name, self.body(SANDBOXES)).result()
        before = servers.get(SANDBOXES, name).as_dict()
        yield lambda: bool(servers.get(SANDBOXES, name).as_dict() == before)
        servers.begin_delete(SANDBOXES, name).result()


@contextmanager
def flexible_server(pace: float = 0.05) -> Iterator[FlexibleShop]:
    """A double with production in it."""
    with lab_folder() as folder:
        plane = azure(folder, pace=pace)
        assert plane.data is not None
        with served(plane, plane.data) as server:
            shop = FlexibleShop(server, plane.data)
            shop.open()
            yield shop


@contextmanager
def azure_harness() -> Iterator[Any]:
    """The harness of Flexible Server."""
    from harness import Harness

    with flexible_server() as shop:
        yield Harness(
            cloud="azure",
            source=room.backup_source(shop.connection, shop.settings()),
            restore=room.database_restore(shop.connection, shop.settings()),
            datastore=shop.datastore(),
            unreadable=shop.datastore(name="lost", server="never-made"),
            order=shop.order,
            count=shop.count,
            settle=shop.settle,
            back_up=shop.back_up,
            uncatalogued="forgotten",
            look_alike=shop.look_alike,
            unreachable=lambda: outage(shop.server),
        )
