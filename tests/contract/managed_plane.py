"""What the harnesses of managed clouds share: a folder for real servers, production's orders, and an outage."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.lab import postgres
from include.lab.double import ControlPlane, DoubleServer, knock
from include.lab.managed import ManagedPlane

ORDERS = "INSERT INTO orders (placed_at) SELECT clock_timestamp() FROM generate_series(1, %d)"
SHOP = (
    "CREATE ROLE shop_app LOGIN PASSWORD 'production'",
    "CREATE TABLE orders (id bigserial PRIMARY KEY, placed_at timestamptz NOT NULL)",
    "GRANT ALL ON orders, orders_id_seq TO shop_app",
    ORDERS % 5000,
)


@contextmanager
def lab_folder() -> Iterator[Path]:
    """A folder that the server user can reach. Everything is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dy-managed-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Shop:
    """Production's database on one server of a plane."""

    def __init__(self, data: ManagedPlane, key: str) -> None:
        self.data, self.key = data, key

    def open(self) -> None:
        self.data.sql(self.key, "shop", *SHOP)

    def order(self, count: int) -> None:
        self.data.sql(self.key, "shop", ORDERS % count)

    def count(self) -> int:
        return int(str(postgres.scalar(self.data.servers[self.key].cluster, "shop", "SELECT count(*) FROM orders")))

    def settle(self) -> None:
        self.data.upload(self.key)


@contextmanager
def outage(server: DoubleServer) -> Iterator[None]:
    knock(server.url, "outage", {"on": True})
    try:
        yield
    finally:
        knock(server.url, "outage", {"on": False})


@contextmanager
def served(plane: ControlPlane, data: ManagedPlane) -> Iterator[DoubleServer]:
    with DoubleServer(plane) as server:
        try:
            yield server
        finally:
            data.stop_all()
