"""How old the oldest running transaction of a database is, asked of the database itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from include.catalog.schedules import Transactions
from include.connections import ConnectionInfo, Connections
from include.suspension.model import Resource

OLDEST = """
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""
"""Prepared transactions hold no backend and survive a stop, so they are not asked for."""


def oldest(resources: Iterable[Resource], rule: Transactions, connections: Connections) -> dict[str, float | str]:
    """Seconds, or why nobody can tell, by resource key; of databases that have a connection in the catalog."""
    found: dict[str, float | str] = {}
    for resource in resources:
        conn_id = rule.connections.get(resource.name) or rule.connections.get(resource.id)
        if conn_id is not None:
            found[resource.key] = _ask(conn_id, connections)
    return found


def _ask(conn_id: str, connections: Connections) -> float | str:
    import psycopg2

    try:
        with psycopg2.connect(**_arguments(connections(conn_id))) as connection, connection.cursor() as cursor:
            cursor.execute(OLDEST)
            return float(cursor.fetchone()[0])
    except (LookupError, psycopg2.Error) as error:
        return f"connection {conn_id}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"


def _arguments(info: ConnectionInfo) -> dict[str, Any]:
    given = {"host": info.host, "port": info.port, "user": info.login, "password": info.password, "dbname": info.schema_name}
    extra = {key: info.extra[key] for key in ("sslmode", "sslrootcert") if key in info.extra}
    return {key: value for key, value in given.items() if value} | extra | {"connect_timeout": 5}
