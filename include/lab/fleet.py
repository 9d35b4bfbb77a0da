"""Which servers the lab runs, and whose databases lie on them. The catalog side of this is include/platforms/example."""

from __future__ import annotations

from pydantic import Field

from include.values import Frozen

FIRST_PORT = 28431
"""Ports below the kernel's ephemeral range; a taken one is replaced by a free one."""

COMMON = {
    "max_connections": "40",
    "shared_buffers": "'24MB'",
    "fsync": "off",
    "wal_level": "replica",
    "max_wal_senders": "6",
    "max_replication_slots": "4",
    "max_slot_wal_keep_size": "'256MB'",
    "min_wal_size": "'8MB'",
    "max_wal_size": "'256MB'",
    "autovacuum_naptime": "'5min'",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "log_checkpoints": "off",
    "log_line_prefix": "'%m [%p] %q%u@%d/%a '",
}
"""Small and quick; fsync is off because the lab's sources are rebuilt, not recovered."""

SEEDING = {
    "wal_level": "minimal",
    "archive_mode": "off",
    "max_wal_senders": "0",
    "full_page_writes": "off",
    "autovacuum": "off",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
}
"""While the business data is made: nothing of it passes through the WAL or the archive."""


class Database(Frozen):
    """A database of one service."""

    service: str
    datastore: str
    name: str
    business: str
    """The file in ``business/`` that makes and feeds it."""

    @property
    def datastore_id(self) -> str:
        return f"{self.service}/{self.datastore}"


class Server(Frozen):
    """One PostgreSQL server of the lab."""

    name: str
    domain: str
    """Its region, which is its failure domain."""
    databases: tuple[Database, ...]
    physical: bool = True
    """Base backups and WAL archiving; otherwise one `pg_dump` archive a database."""
    wal_segment_mb: int = 1
    settings: dict[str, str] = Field(default_factory=dict)

    @property
    def copies_in(self) -> str:
        """The other failure domain, where its backups are copied."""
        return "dc-south" if self.domain == "dc-north" else "dc-north"


def _own(service: str, datastore: str, name: str) -> Database:
    return Database(service=service, datastore=datastore, name=name, business=service)


def _beating(service: str, datastore: str, name: str) -> Database:
    return Database(service=service, datastore=datastore, name=name, business="heartbeat")


SERVERS: tuple[Server, ...] = (
    Server(
        name="orders-db",
        domain="dc-north",
        databases=(_own("order-intake", "orders", "orders"),),
        wal_segment_mb=4,
        # Inventory subscribes to its order events; the log tells who connects for that (include/lab/dangers.py).
        settings={"wal_level": "logical", "log_replication_commands": "on"},
    ),
    Server(
        name="stock-db",
        domain="dc-north",
        databases=(_own("inventory", "stock", "stock"),),
        settings={"wal_retrieve_retry_interval": "'1s'"},
    ),
    Server(name="identity-db", domain="dc-north", databases=(_own("identity", "accounts", "accounts"),)),
    Server(name="erp-db", domain="dc-north", databases=(_own("erp-connector", "postings", "postings"),)),
    Server(
        name="control-db",
        domain="dc-north",
        databases=(
            _beating("airflow-metadata", "metadata", "airflow"),
            _beating("drillyard-ledger", "ledger", "drillyard_ledger"),
        ),
        wal_segment_mb=4,
        settings={"max_connections": "150", "shared_buffers": "'64MB'"},
    ),
    Server(name="warehouse-db", domain="dc-south", databases=(_own("warehouse-events", "scans", "scans"),)),
    Server(name="billing-db", domain="dc-south", databases=(_own("invoicing", "invoices", "invoices"),)),
    Server(name="pricing-db", domain="dc-south", databases=(_own("pricing", "prices", "prices"),)),
    Server(name="shipping-db", domain="dc-south", databases=(_own("shipping", "parcels", "parcels"),)),
    Server(
        name="shared-db",
        domain="dc-south",
        physical=False,
        databases=(
            _own("partner-exchange", "messages", "partner_messages"),
            _own("customer-portal", "portal", "portal"),
            _own("returns", "returns", "returns"),
            _own("product-content", "content", "content"),
            _own("notifications", "notices", "notices"),
            _own("analytics", "figures", "figures"),
        ),
    ),
)


def server(name: str) -> Server:
    """The server of that name. Raises KeyError naming the known ones."""
    for one in SERVERS:
        if one.name == name:
            return one
    raise KeyError(f"no server named {name!r} in the lab; known: {', '.join(s.name for s in SERVERS)}")


def find(service: str) -> tuple[Server, Database]:
    """Where a service's database lies. Raises KeyError naming the known services."""
    for one in SERVERS:
        for database in one.databases:
            if database.service == service:
                return one, database
    known = ", ".join(d.service for s in SERVERS for d in s.databases)
    raise KeyError(f"no service named {service!r} in the lab; known: {known}")
