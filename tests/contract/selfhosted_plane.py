"""A self-hosted server for tests: one real PostgreSQL with its archive, base backups of every form, and dumps."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.clouds.selfhosted.settings import BaseBackupCopy, BaseBackups, Datastore, Dumps, RestoreHost
from include.connections import ConnectionInfo
from include.lab import accounts, binaries, interpreter, postgres
from include.lab.postgres import Cluster
from include.recovery.model import Forecast, Lease, PlanItem, Target
from include.recovery.naming import sandbox_name
from include.settings import PROJECT
from include.values import utcnow

SECRET = "a secret for the tests' sandboxes"
PASSWORD = "of-the-superuser"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Plane:
    """One server, ``shop`` its database, with everything that a sandbox is made from below `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.user = accounts.server_user()
        accounts.folder(home, self.user)
        self.bin = binaries.usable_bin(home, self.user)
        self.wal, self.base, self.dumps = (accounts.folder(home / name, self.user) for name in ("wal", "base", "dumps"))
        self.cluster = Cluster(
            name="shop",
            data=home / "server" / "data",
            log=home / "server" / "log",
            port=free_port(),
            bin_dir=self.bin,
            user=self.user,
            password=PASSWORD,
        )

    def start(self) -> None:
        python = interpreter.usable_python(self.home, self.user)
        script = accounts.folder(self.home / "bin", self.user) / "archive_wal.py"
        shutil.copyfile(PROJECT / "include" / "lab" / "archive_wal.py", script)
        script.chmod(0o755)
        command = f"{python} {script} %p %f {self.wal}"
        postgres.initdb(
            self.cluster,
            {
                "archive_mode": "on",
                "archive_command": f"'{command}'",
                "wal_level": "logical",
                "log_timezone": "'UTC'",
                "fsync": "off",
            },
        )
        postgres.start(self.cluster)
        self.run("postgres", "CREATE DATABASE shop", "CREATE ROLE shop_app LOGIN PASSWORD 'production' SUPERUSER")
        self.run("shop", "CREATE TABLE orders (id bigserial PRIMARY KEY, placed_at timestamptz NOT NULL)", *self.orders(5000))

    def orders(self, count: int) -> list[str]:
        return [f"INSERT INTO orders (placed_at) SELECT clock_timestamp() FROM generate_series(1, {count})"]

    def run(self, database: str, *statements: str) -> None:
        postgres.execute(self.cluster, database, *statements)

    def scalar(self, sql: str, database: str = "shop") -> Any:
        return postgres.scalar(self.cluster, database, sql)

    def order(self, count: int) -> None:
        self.run("shop", *self.orders(count))

    def archived(self) -> str:
        """Switch segments and wait until everything written so far is in the archive; gives the newest segment."""
        name = str(self.scalar("SELECT pg_walfile_name(pg_current_wal_lsn())"))
        self.run("postgres", "SELECT pg_logical_emit_message(false, 'test', 'x')", "SELECT pg_switch_wal()")
        deadline = time.monotonic() + 30
        while not (self.wal / f"{name}.gz").exists():
            assert time.monotonic() < deadline, f"{name} was not archived"
            time.sleep(0.05)
        return name

    def back_up(self, name: str) -> Path:
        postgres.base_backup(self.cluster, self.base / name)
        return self.base / name

    def back_up_tar(self, name: str, *options: str) -> Path:
        postgres.run(self.cluster, "pg_basebackup", "-D", self.base / name, "-F", "tar", "-X", "stream", "-c", "fast", *options)
        return self.base / name

    def dump(self, name: str) -> Path:
        postgres.dump(self.cluster, "shop", self.dumps / name)
        return self.dumps / name

    # ---- what the catalog would say

    def clients(self, conn_id: str) -> ConnectionInfo:
        return ConnectionInfo(
            conn_id=conn_id,
            conn_type="postgres",
            host="127.0.0.1",
            port=self.cluster.port,
            login="postgres",
            password=PASSWORD,
            schema_name="postgres",
        )

    def host(self, **changes: Any) -> RestoreHost:
        known = {"sandbox_root": str(self.home / "sandboxes"), "bin_dirs": {"18": str(self.bin)}, "max_ready": "60s"}
        return RestoreHost.model_validate(known | changes)

    def datastore(self, **changes: Any) -> Datastore:
        known: dict[str, Any] = {
            "name": "main",
            "cloud": "selfhosted",
            "region": "dc-north",
            "database": "shop",
            "business_time": "SELECT max(placed_at) FROM orders",
            "connection": "shop_db",
            "backups": BaseBackups(
                kind="base_backup",
                location=str(self.base),
                wal=str(self.wal),
                copies=[BaseBackupCopy(location=str(self.home / "copy"), wal=str(self.wal), failure_domain="dc-south")],
            ),
        }
        return Datastore.model_validate(known | changes)

    def dumped(self) -> Datastore:
        return self.datastore(name="dumped", backups=Dumps(kind="dump", location=str(self.dumps)))


@contextmanager
def plane() -> Iterator[Plane]:
    """A running server in a folder that the server user can reach. Everything is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="dy-plane-"))
    home.chmod(0o755)
    made = Plane(home)
    try:
        made.start()
        yield made
    finally:
        postgres.stop(made.cluster, mode="immediate")
        if not os.environ.get("DRILLYARD_KEEP_PLANE"):
            shutil.rmtree(home, ignore_errors=True)


def plan_item(drill_id: str, target: Target | None = None, datastore: str = "main") -> PlanItem:
    return PlanItem(
        drill_id=drill_id,
        service="shop",
        datastore=datastore,
        cloud="selfhosted",
        region="dc-north",
        tier="tier-1",
        why="a test",
        target=target or Target(),
        forecast=Forecast(duration=timedelta(minutes=1), cost=Decimal(0), cap=Decimal(1), currency="EUR", basis="a test"),
        rpo=timedelta(minutes=5),
        rto=timedelta(minutes=15),
        planned_at=utcnow(),
        catalog_revision="test",
    )


def lease_of(item: PlanItem, now: datetime | None = None, **changes: Any) -> Lease:
    opened = now or utcnow()
    known: dict[str, Any] = {
        "lease_id": item.drill_id,
        "sandbox": sandbox_name(item.drill_id),
        "cloud": item.cloud,
        "region": item.region,
        "service": item.service,
        "datastore": item.datastore,
        "opened_at": opened,
        "expires_at": opened + timedelta(hours=1),
        "requested_by": "test",
    }
    return Lease.model_validate(known | changes)
