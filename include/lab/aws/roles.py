"""Inside the lab's servers: the roles that RDS gives every PostgreSQL instance, and what its agent does as superuser.

RDS's own superuser is called ``rdsadmin``; here it is ``postgres``, so ``postgres`` is no master user in the lab.
"""

from __future__ import annotations

from include.lab import postgres
from include.lab.postgres import Cluster

_RDS_SUPERUSER = (
    "CREATE ROLE rds_superuser NOLOGIN",
    "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_maintain, pg_read_all_data, pg_write_all_data,"
    " pg_create_subscription TO rds_superuser WITH ADMIN OPTION",
    "CREATE SCHEMA rdsadmin",
    "CREATE TABLE rdsadmin.rds_heartbeat2 (id integer PRIMARY KEY, value bigint)",
)
_AMCHECK = (
    # RDS lets rds_superuser create the extensions of its list and use them. Without its hook they are made beforehand.
    "CREATE EXTENSION IF NOT EXISTS amcheck",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO rds_superuser",
)


def make_rds_roles(cluster: Cluster) -> None:
    """What is in a new instance before its master user."""
    postgres.execute(cluster, "postgres", *_RDS_SUPERUSER)
    for database in ("template1", "postgres"):
        postgres.execute(cluster, database, *_AMCHECK)


def make_master(cluster: Cluster, master: str, password: str, database: str | None) -> None:
    """The master user (no superuser, a member of rds_superuser) and the database that was asked for."""
    postgres.execute(
        cluster,
        "postgres",
        f"CREATE ROLE \"{master}\" LOGIN CREATEROLE CREATEDB PASSWORD '{password}'",
        f'GRANT rds_superuser TO "{master}"',
        *([f'CREATE DATABASE "{database}" OWNER "{master}"'] if database else []),
    )


def set_password(cluster: Cluster, role: str, password: str) -> None:
    """ALTER ROLE as the agent does it. Raises psycopg2.Error."""
    from psycopg2 import sql

    with postgres.connect(cluster) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))


def heartbeat(cluster: Cluster) -> str:
    """Commit a heartbeat and close the log's segment; gives that segment's file name."""
    with postgres.connect(cluster, name="rdsadmin") as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rdsadmin.rds_heartbeat2 VALUES (1, extract(epoch FROM clock_timestamp())::bigint)"
            " ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value"
        )
        cursor.execute("SELECT pg_walfile_name(pg_switch_wal())")
        row = cursor.fetchone()
        return str(row[0]) if row else ""
