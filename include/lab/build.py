"""Making one lab server: cluster, roles, databases, business data, and then the settings of production."""

from __future__ import annotations

import secrets
import shutil

from include.lab import backups, business, postgres
from include.lab.fleet import COMMON, SEEDING, Server
from include.lab.state import LabState

ARCHIVE_TIMEOUT_S = 10


def archive_command(state: LabState, server: Server) -> str:
    """The shell command of ``archive_command``: both failure domains at once, each file whole or not at all."""
    folders = " ".join(f'"{backups.wal_folder(state, server, copy=copy)}"' for copy in (False, True))
    return f'{state.python} "{state.home / "bin" / "archive_wal.py"}" "%p" %f {folders}'


def production_settings(state: LabState, server: Server) -> dict[str, str]:
    """What the server runs with once its data is there."""
    settings = {**COMMON, **server.settings}
    if server.physical:
        settings |= {
            "archive_mode": "on",
            "archive_command": f"'{archive_command(state, server)}'",
            "archive_timeout": f"'{ARCHIVE_TIMEOUT_S}s'",
        }
    return settings


def build(state: LabState, server: Server) -> None:
    """Make the server from nothing and leave it running with production's settings. What a try before left is removed."""
    cluster = state.cluster(server.name)
    postgres.stop(cluster, mode="immediate")
    for left in (cluster.data.parent, *backups.owned_folders(state, server)):
        shutil.rmtree(left, ignore_errors=True)
    postgres.initdb(cluster, production_settings(state, server), wal_segment_mb=server.wal_segment_mb)
    postgres.start(cluster, SEEDING)
    make_roles(state, server)
    for database in server.databases:
        postgres.execute(cluster, "postgres", f'CREATE DATABASE "{database.name}"')
        with postgres.connect(cluster, database.name) as connection:
            business.seed(connection, database.business, state.rows, state.born)
        own_database(state, server, database.name)
    postgres.stop(cluster)
    backups.make_folders(state, server)
    postgres.start(cluster)


def make_roles(state: LabState, server: Server) -> None:
    """The observer, which Drillyard's connections use on running servers, and the roles of the databases' owners."""
    statements = [
        f"CREATE ROLE drillyard_observer LOGIN PASSWORD '{state.passwords['observer']}' IN ROLE pg_monitor",
        "ALTER ROLE drillyard_observer SET default_transaction_read_only = on",
    ]
    names = {database.name for database in server.databases}
    if "airflow" in names:
        statements.append(f"CREATE ROLE airflow LOGIN PASSWORD '{state.passwords['airflow']}'")
    if "drillyard_ledger" in names:
        statements += [
            f"CREATE ROLE drillyard_ledger LOGIN PASSWORD '{state.passwords['ledger']}'",
            f"CREATE ROLE drillyard_ledger_read LOGIN PASSWORD '{state.passwords['ledger_read']}'",
        ]
    postgres.execute(state.cluster(server.name), "postgres", *statements)


def own_database(state: LabState, server: Server, database: str) -> None:
    """Give Airflow's and the ledger's database to the role that migrates it; the ledger's reader sees what it makes."""
    if database not in ("airflow", "drillyard_ledger"):
        return
    cluster = state.cluster(server.name)
    postgres.execute(
        cluster, database, f'ALTER DATABASE "{database}" OWNER TO {database}', f"GRANT ALL ON SCHEMA public TO {database}"
    )
    if database == "drillyard_ledger":
        postgres.execute(
            cluster,
            database,
            "GRANT USAGE ON SCHEMA public TO drillyard_ledger_read",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO drillyard_ledger_read",
            "ALTER DEFAULT PRIVILEGES FOR ROLE drillyard_ledger GRANT SELECT ON TABLES TO drillyard_ledger_read",
            "ALTER DEFAULT PRIVILEGES FOR ROLE drillyard_ledger GRANT USAGE ON SCHEMAS TO drillyard_ledger_read",
            "ALTER ROLE drillyard_ledger_read SET default_transaction_read_only = on",
        )


def new_password() -> str:
    """48 random characters."""
    return secrets.token_hex(24)
