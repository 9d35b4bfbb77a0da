"""Cloud SQL for the contract suite: the lab's double with one production instance and one that nobody catalogued."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from managed_plane import Shop, lab_folder, outage, served

from include.clouds import google as room
from include.clouds.google.clients import Google, from_connection
from include.clouds.google.settings import Datastore, Sandboxes
from include.connections import ConnectionInfo
from include.lab.double import DoubleServer, knock
from include.lab.google.cloud import google

PROJECT, SANDBOXES = "shop-production", "shop-sandboxes"
NETWORK = f"projects/{SANDBOXES}/global/networks/sandboxes"
PRODUCTION: dict[str, Any] = {
    "region": "europe-west1",
    "databaseVersion": "POSTGRES_18",
    "settings": {
        "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": f"projects/{PROJECT}/global/networks/production"},
        "deletionProtectionEnabled": True,
        "userLabels": {"environment": "production"},
        "backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True, "transactionLogRetentionDays": 7},
    },
}


class CloudSqlShop(Shop):
    """A production instance behind a double, with the calls that its owner makes."""

    def __init__(self, server: DoubleServer, data: Any, pace: float = 0.05) -> None:
        super().__init__(data, f"{PROJECT}-shop")
        self.server, self.pace = server, pace
        self.api = self.client()

    def connection(self, conn_id: str) -> ConnectionInfo:
        return ConnectionInfo(
            conn_id=conn_id, conn_type="google_cloud_platform", extra={"is_anonymous": True, "endpoint": self.server.url}
        )

    def client(self) -> Google:
        return from_connection(self.connection("google"))

    def do(self, request: Any, project: str = PROJECT) -> None:
        operation = self.api.call(request)
        while operation["status"] != "DONE":
            time.sleep(0.02)
            operation = self.api.call(self.api.sql.operations().get(project=project, operation=operation["name"]))
        assert "error" not in operation, operation

    def open(self) -> None:
        instances, databases = self.api.sql.instances(), self.api.sql.databases()
        for name, database in (("shop", "shop"), ("forgotten", "forgotten")):
            self.do(instances.insert(project=PROJECT, body={"name": name, **PRODUCTION}))
            self.do(databases.insert(project=PROJECT, instance=name, body={"name": database}))
        super().open()
        self.back_up()

    def back_up(self) -> None:
        knock(self.server.url, "backup", {"project": PROJECT, "instance": "shop"})

    def settings(self, **changes: Any) -> Sandboxes:
        known = {"project": SANDBOXES, "network": NETWORK, "port": self.data.port, "patience": "30s"}
        return Sandboxes.model_validate(known | changes)

    def datastore(self, **changes: Any) -> Datastore:
        known = {
            "name": "main",
            "cloud": "google",
            "region": "europe-west1",
            "project": PROJECT,
            "instance": "shop",
            "database": "shop",
            "business_time": "SELECT max(placed_at) FROM orders",
        }
        return Datastore.model_validate(known | changes)

    @contextmanager
    def look_alike(self, name: str) -> Iterator[Callable[[], bool]]:
        """Somebody else's instance with a sandbox's name."""
        instances = self.api.sql.instances()
        network = {"ipv4Enabled": False, "privateNetwork": NETWORK}
        self.do(instances.insert(project=SANDBOXES, body={"name": name, "settings": {"ipConfiguration": network}}), SANDBOXES)
        before = self.api.call(instances.get(project=SANDBOXES, instance=name))
        yield lambda: self.api.call(instances.get(project=SANDBOXES, instance=name)) == before
        self.do(instances.delete(project=SANDBOXES, instance=name), SANDBOXES)


@contextmanager
def cloud_sql(pace: float = 0.05) -> Iterator[CloudSqlShop]:
    """A double with production in it."""
    with lab_folder() as folder:
        plane = google(folder, pace=pace)
        assert plane.data is not None
        with served(plane, plane.data) as server:
            shop = CloudSqlShop(server, plane.data, pace)
            shop.open()
            yield shop


@contextmanager
def google_harness() -> Iterator[Any]:
    """The harness of Cloud SQL."""
    from harness import Harness

    with cloud_sql() as shop:
        yield Harness(
            cloud="google",
            source=room.backup_source(shop.connection, shop.settings()),
            restore=room.database_restore(shop.connection, shop.settings()),
            datastore=shop.datastore(),
            unreadable=shop.datastore(name="lost", instance="never-made"),
            order=shop.order,
            count=shop.count,
            settle=shop.settle,
            back_up=shop.back_up,
            uncatalogued="forgotten",
            look_alike=shop.look_alike,
            unreachable=lambda: outage(shop.server),
        )
