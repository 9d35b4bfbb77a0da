"""The running servers, asked for their databases only: read-only, briefly, and never on the way of a survey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from include.clouds.selfhosted.settings import Datastore
from include.connections import ConnectionInfo, Connections
from include.recovery.model import Discovery
from include.values import Frozen

ANSWERS = "answers"
_PATIENCE = 3
"""Seconds for a connection and for the one statement."""
_DATABASES = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname"


class Live(Frozen):
    """What the running servers say of themselves."""

    databases: dict[str, tuple[str, ...]]
    """By connection id: databases that no entry names."""
    neighbours: dict[str, str]
    """By connection id: a datastore on the same server."""
    notes: dict[str, str]
    """By datastore id: ``answers``, or why its server could not be asked."""

    @property
    def uncatalogued(self) -> tuple[str, ...]:
        return tuple(f"{connection}/{name}" for connection, names in self.databases.items() for name in names)


def look(clients: Connections, datastores: Mapping[str, Datastore]) -> Live:
    """Ask each server once, however many connections and datastores lead to it."""
    by_server: dict[tuple[str, int], list[str]] = defaultdict(list)
    known: dict[tuple[str, int], ConnectionInfo] = {}
    notes: dict[str, str] = {}
    for name, datastore in datastores.items():
        try:
            info = clients(datastore.connection)
        except (LookupError, ValueError) as unknown:
            notes[name] = str(unknown)
            continue
        server = (info.host or "localhost", info.port or 5432)
        known.setdefault(server, info)
        by_server[server].append(name)
    databases: dict[str, tuple[str, ...]] = {}
    neighbours: dict[str, str] = {}
    for server, names in by_server.items():
        try:
            there = database_names(known[server])
        except ConnectionError as silent:
            notes |= dict.fromkeys(names, str(silent))
            continue
        notes |= dict.fromkeys(names, ANSWERS)
        catalogued = {datastores[name].database for name in names}
        neighbours[known[server].conn_id] = names[0]
        databases[known[server].conn_id] = tuple(one for one in there if one not in catalogued)
    return Live(databases=databases, neighbours=neighbours, notes=notes)


def database_names(info: ConnectionInfo) -> list[str]:
    """The databases of a server, templates and `postgres` left out. Raises ConnectionError, naming the connection."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=info.host,
            port=info.port or 5432,
            user=info.login,
            password=info.password,
            dbname=info.schema_name or "postgres",
            connect_timeout=_PATIENCE,
            options=f"-c default_transaction_read_only=on -c statement_timeout={_PATIENCE}s",
            application_name="drillyard discover",
        )
    except psycopg2.Error as refused:
        raise ConnectionError(f"connection {info.conn_id}: {str(refused).strip()}") from refused
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_DATABASES)
            return [row[0] for row in cursor.fetchall()]
    except psycopg2.Error as refused:
        raise ConnectionError(f"connection {info.conn_id}: {str(refused).strip()}") from refused
    finally:
        connection.close()


def drafts(clients: Connections, datastores: Mapping[str, Datastore]) -> Discovery:
    """A draft entry for each uncatalogued database, with what its neighbours on the same server tell.

    A base backup holds every database of its server, so the neighbour's backups are proposed; a dump holds one, so its
    folder is not. `business_time` is left empty: only the owner knows it. A silent server is told by its connection.
    """
    live = look(clients, datastores)
    made: list[dict[str, Any]] = []
    for connection, names in live.databases.items():
        neighbour = datastores[live.neighbours[connection]]
        for name in names:
            entry: dict[str, Any] = {
                "name": name.lower().replace("_", "-"),
                "cloud": neighbour.cloud,
                "region": neighbour.region,
                "database": name,
                "connection": connection,
                "superuser": neighbour.superuser,
                "business_time": "",
            }
            if neighbour.backups.kind == "base_backup":
                entry["backups"] = neighbour.backups.model_dump(mode="json", exclude_defaults=True)
            made.append(entry)
    silent = {f"connection {datastores[name].connection}": why for name, why in live.notes.items() if why != ANSWERS}
    return Discovery(drafts=tuple(made), unreadable=silent)
