"""What makes a restored copy of inventory dangerous, planted in production on purpose, and whether production was touched.

The inventory server ``stock-db`` is healthy. Its backups carry: an `archive_command` into production's archive (in
``postgresql.auto.conf``, so that a replaced ``postgresql.conf`` is not enough), preloaded libraries, an enabled logical
subscription to ``orders-db`` with a slot, and a foreign server on ``billing-db`` that a trigger on login writes to.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from include.lab import backups, fleet, postgres
from include.lab.postgres import HOST, Cluster
from include.lab.state import LabState

SUBSCRIPTION = "stock_feed"
SOURCE, VICTIM, TELLER = "orders-db", "stock-db", "billing-db"


def _source_conninfo(state: LabState) -> str:
    port = state.cluster(SOURCE).port
    secret = state.passwords["stock_feed"]
    return f"host={HOST} port={port} dbname=orders user=stock_feed password={secret} application_name={SUBSCRIPTION}"


def plant(state: LabState) -> None:
    """Plant everything, with a restart of ``stock-db``. Run once, when the servers were just built."""
    postgres.execute(
        state.cluster(SOURCE),
        "orders",
        f"CREATE ROLE stock_feed LOGIN REPLICATION PASSWORD '{state.passwords['stock_feed']}'",
        "GRANT SELECT ON order_events TO stock_feed",
        f"CREATE PUBLICATION {SUBSCRIPTION} FOR TABLE order_events",
    )
    postgres.execute(
        state.cluster(TELLER),
        "postgres",
        "CREATE TABLE touches (at timestamptz NOT NULL DEFAULT now(), data_directory text NOT NULL)",
        f"CREATE ROLE stock_teller LOGIN PASSWORD '{state.passwords['stock_teller']}'",
        "GRANT INSERT ON touches TO stock_teller",
    )
    victim = state.cluster(VICTIM)
    postgres.execute(victim, "stock", *_foreign_server(state))
    command = str(postgres.scalar(victim, "postgres", "SHOW archive_command")).replace("'", "''")
    postgres.execute(
        victim,
        "postgres",
        f"ALTER SYSTEM SET archive_command = '{command}'",
        "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
        "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'",
    )
    postgres.stop(victim)
    postgres.start(victim)
    postgres.execute(
        victim,
        "stock",
        f"CREATE SUBSCRIPTION {SUBSCRIPTION} CONNECTION '{_source_conninfo(state)}' PUBLICATION {SUBSCRIPTION}"
        " WITH (copy_data = false)",
    )


def _foreign_server(state: LabState) -> list[str]:
    return [
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER billing_production FOREIGN DATA WRAPPER postgres_fdw OPTIONS "
        f"(host '{HOST}', port '{state.cluster(TELLER).port}', dbname 'postgres', connect_timeout '2')",
        "CREATE USER MAPPING FOR postgres SERVER billing_production OPTIONS "
        f"(user 'stock_teller', password '{state.passwords['stock_teller']}')",
        "CREATE FOREIGN TABLE billing_touches (data_directory text NOT NULL) SERVER billing_production "
        "OPTIONS (schema_name 'public', table_name 'touches')",
        """CREATE FUNCTION tell_billing() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
           BEGIN
             INSERT INTO billing_touches (data_directory) VALUES (current_setting('data_directory'));
           EXCEPTION WHEN OTHERS THEN NULL; -- a login never fails for it
           END $$""",
        "CREATE EVENT TRIGGER tell_billing ON login EXECUTE FUNCTION tell_billing()",
        "ALTER EVENT TRIGGER tell_billing ENABLE ALWAYS",
    ]


def repoint(state: LabState) -> None:
    """After a server got another port: let the subscription and the foreign server follow. Restarts ``stock-db``."""
    postgres.execute(
        state.cluster(VICTIM),
        "stock",
        f"ALTER SUBSCRIPTION {SUBSCRIPTION} CONNECTION '{_source_conninfo(state)}'",
        f"ALTER SERVER billing_production OPTIONS (SET port '{state.cluster(TELLER).port}')",
    )
    # A worker that hangs on whatever listens at the old port now would not look at its new connection.
    postgres.stop(state.cluster(VICTIM))
    postgres.start(state.cluster(VICTIM))


def _baseline_file(state: LabState) -> Path:
    return state.home / "dangers.json"


def note_baseline(state: LabState) -> None:
    """From here on `touched` counts: call it when production is as it should be. Waits until inventory follows its orders.

    Raises TimeoutError when it does not within half a minute.
    """
    followed = f"SELECT active FROM pg_replication_slots WHERE slot_name = '{SUBSCRIPTION}'"
    deadline = time.monotonic() + 30
    while not postgres.scalar(state.cluster(SOURCE), "postgres", followed):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{VICTIM} does not follow {SOURCE}: see {state.cluster(VICTIM).log}")
        time.sleep(0.2)
    baseline = {"log_bytes": state.cluster(SOURCE).log.stat().st_size, "worker": _production_worker(state)}
    _baseline_file(state).write_text(json.dumps(baseline))


def _production_worker(state: LabState) -> int | None:
    worker = postgres.scalar(
        state.cluster(VICTIM),
        "stock",
        f"SELECT pid FROM pg_stat_subscription WHERE subname = '{SUBSCRIPTION}' AND pid IS NOT NULL",
    )
    return int(str(worker)) if worker is not None else None


def touched(state: LabState) -> list[str]:
    """Every sign that a copy of inventory reached production since `note_baseline`; empty when none did.

    Production's own subscription worker must not have restarted in between: then it is told, because its own new
    connection cannot be told from a copy's.
    """
    return [*_foreign_rows(state), *_replication(state), *_archive(state)]


def _foreign_rows(state: LabState) -> list[str]:
    own = state.cluster(VICTIM).data
    with postgres.connect(state.cluster(TELLER)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT data_directory, count(*), max(at) FROM touches WHERE data_directory <> %s GROUP BY 1", (str(own),))
        rows = cursor.fetchall()
    return [f"foreign server: {n} rows on {TELLER} came from the copy in {where}, last at {at}" for where, n, at in rows]


def _replication(state: LabState) -> list[str]:
    baseline = json.loads(_baseline_file(state).read_text())
    found = []
    source = state.cluster(SOURCE)
    others = postgres.scalar(source, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'stock_feed'")
    if int(str(others)) > 1:
        found.append(f"subscription: {others} sessions of stock_feed on {SOURCE}, production has one")
    with source.log.open("rb") as log:
        log.seek(baseline["log_bytes"])
        lines = [line for line in log.read().decode(errors="replace").splitlines() if "stock_feed@" in line]
    starts = sum(1 for line in lines if "START_REPLICATION" in line)
    if starts:
        worker = _production_worker(state)
        why = "" if worker == baseline["worker"] else " (production's own worker restarted too: note the baseline again)"
        found.append(f"subscription: {starts} more START_REPLICATION for slot {SUBSCRIPTION} on {SOURCE}{why}")
    return found


def _archive(state: LabState) -> list[str]:
    victim = state.cluster(VICTIM)
    current = str(postgres.scalar(victim, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())"))
    found = []
    for copy in (False, True):
        folder = backups.wal_folder(state, fleet.server(VICTIM), copy=copy)
        for path in sorted(folder.iterdir()):
            name = re.match(r"([0-9A-F]{8})([0-9A-F]{16})?", path.name)
            if name is None or name[1] != current[:8]:
                found.append(f"archive: {path} is of another timeline than production's {current[:8]}")
            elif name[2] and name[1] + name[2] > current:
                found.append(f"archive: {path} is ahead of production, which writes {current}")
    return found


def where(state: LabState) -> Cluster:
    """The server whose backups carry the dangers."""
    return state.cluster(VICTIM)
