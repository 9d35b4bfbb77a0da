"""RDS for tests: the lab's double with a real production server ``shop``, and what the contract suite needs of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.clouds import aws as room
from include.clouds.aws.settings import Datastore, Sandboxes
from include.connections import ConnectionInfo, parse
from include.lab.aws import control, estate
from include.lab.aws.control import AwsLab


class RdsShop:
    """The account of a shop with one catalogued instance, and one that nobody catalogued."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.rds = lab.client("rds")

    def open(self) -> None:
        self.network = estate.network(self.lab, estate.HOME_REGION)
        for name in ("shop", "forgotten"):
            self.rds.create_db_instance(
                DBInstanceIdentifier=name,
                DBInstanceClass="db.m6g.large",
                Engine="postgres",
                EngineVersion=estate.ENGINE_VERSION,
                AllocatedStorage=20,
                MasterUsername=estate.MASTER,
                DBName=name,
                BackupRetentionPeriod=7,
                **({"MasterUserPassword": estate.MASTER_PASSWORD} if name == "shop" else {}),
            )
        estate.available(self.lab, "shop")
        self.run(
            "CREATE TABLE orders (id bigserial PRIMARY KEY, placed_at timestamptz NOT NULL)",
            "CREATE ROLE shop_app LOGIN PASSWORD 'production'",
        )
        self.order(100)
        self.back_up()

    def run(self, *statements: str) -> Any:
        with estate.opened(self.lab, "shop", "shop") as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def order(self, count: int) -> None:
        self.run(f"INSERT INTO orders (placed_at) SELECT clock_timestamp() FROM generate_series(1, {count})")

    def count(self) -> int:
        return int(self.run("SELECT count(*) FROM orders"))

    def back_up(self) -> None:
        self.lab.automated_backup(region=estate.HOME_REGION, instance="shop")
        self.lab.upload()

    def connection(self, conn_id: str) -> ConnectionInfo:
        return parse(conn_id, self.lab.connection(role=conn_id))

    def settings(self) -> Sandboxes:
        networks = {self.network.region: self.network}
        return Sandboxes.model_validate(estate.settings_of(networks, "aws_recovery"))

    def datastore(self, **changes: Any) -> Datastore:
        known = {
            "name": "main",
            "cloud": "aws",
            "region": estate.HOME_REGION,
            "connection": "aws_backups",
            "instance": "shop",
            "database": "shop",
            "business_time": "SELECT max(placed_at) FROM orders",
        }
        return Datastore.model_validate(known | changes)

    @contextmanager
    def look_alike(self, name: str) -> Iterator[Callable[[], bool]]:
        """Somebody else's instance with a sandbox's name."""
        self.rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.m6g.large",
            Engine="postgres",
            EngineVersion=estate.ENGINE_VERSION,
            AllocatedStorage=20,
            MasterUsername=estate.MASTER,
            BackupRetentionPeriod=0,
            Tags=[{"Key": "owner", "Value": "somebody"}],
        )
        before = estate.available(self.lab, name)
        yield lambda: estate.available(self.lab, name) == before
        self.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        deadline = time.monotonic() + 30
        while any(one["DBInstanceIdentifier"] == name for one in self.rds.describe_db_instances()["DBInstances"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.lab.down()
        try:
            yield
        finally:
            self.lab.down(down=False)


@contextmanager
def aws_harness() -> Iterator[Any]:
    """The harness of RDS."""
    from harness import Harness

    home = Path(tempfile.mkdtemp(prefix="dy-rds-"))
    home.chmod(0o755)
    lab = control.launch(home / "aws")
    try:
        shop = RdsShop(lab)
        shop.open()
        yield Harness(
            cloud="aws",
            source=room.backup_source(shop.connection, shop.settings()),
            restore=room.database_restore(shop.connection, shop.settings()),
            datastore=shop.datastore(),
            unreadable=shop.datastore(name="lost", instance="never-made"),
            order=shop.order,
            count=shop.count,
            settle=lab.upload,
            back_up=shop.back_up,
            uncatalogued="forgotten",
            look_alike=shop.look_alike,
            unreachable=shop.outage,
        )
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)
