"""The ledger dropped and rebuilt from 10,000 records of one store. Beside it: reading and checking these records, no more.

It must answer the same to the byte as the ledger that saw every record when it was written.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from include.evidence.naming import record_path
from include.evidence.store import LocalStore
from include.lab import accounts, binaries, postgres
from include.lab.lab import free_ports
from include.lab.postgres import Cluster
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.values import canonical_json
from tests.unit.evidence_samples import a_year

RECORDS = 10_000
BAR_MINUTES = 2.0
SERVICES, DAYS = 20, 360


def year() -> list[Any]:
    """A year of twenty services, cut to the number; the newest are kept."""
    records = a_year(SERVICES, DAYS)
    assert len(records) >= RECORDS, f"{len(records)} records are too few"
    return records[-RECORDS:]


def server(home: Path) -> Cluster:
    """A PostgreSQL of its own."""
    home.chmod(0o755)
    user = accounts.server_user()
    cluster = Cluster(
        name="ledger", data=home / "server" / "data", log=home / "server" / "log", port=free_ports(1)[0],
        bin_dir=binaries.usable_bin(home, user), user=user, password="bench",
    )  # fmt: skip
    postgres.initdb(cluster, {"fsync": "off"})
    postgres.start(cluster)
    return cluster


def fresh(cluster: Cluster, name: str) -> Any:
    """An empty, migrated ledger."""
    postgres.execute(cluster, "postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    url = f"postgresql+psycopg2://postgres:{cluster.password}@{postgres.HOST}:{cluster.port}/{name}"
    migrate(url)
    return open_ledger(url)


def run() -> list[dict[str, Any]]:
    home = Path(tempfile.mkdtemp(prefix="dy-bench-ledger-"))
    cluster = server(home)
    try:
        store, records = LocalStore("store", home / "store"), year()
        first = fresh(cluster, "first")
        for record in records:
            path = store.root / record_path(record.record_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(canonical_json(record))
            first.project(record)
        wanted = first.answers()
        began = time.monotonic()
        count = sum(1 for _ in store.records())
        floor = time.monotonic() - began
        began = time.monotonic()
        second = fresh(cluster, "second")
        rebuilt = second.rebuild(store.records())
        seconds = time.monotonic() - began
        same = second.answers() == wanted and rebuilt == count == RECORDS
        first.close()
        second.close()
    finally:
        postgres.stop(cluster, mode="immediate")
        shutil.rmtree(home)
    return [
        {
            "name": "ledger_rebuild",
            "value": round(seconds / 60, 3),
            "unit": "min",
            "peer": f"reading {RECORDS:,} records",
            "peer_value": round(floor / 60, 3),
            "ratio": round(seconds / floor, 2),
            "bar": f"value <= {BAR_MINUTES:g} min and equal to the byte",
            "holds": same and seconds <= BAR_MINUTES * 60,
        }
    ]
