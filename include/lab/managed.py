"""The data plane behind Cloud SQL and Flexible Server: the RDS lab's, with an address instead of a port for each server.

Both APIs give a server's address and no port, so every server listens on a loopback address of its own
(``127.71.0.5``), all on one port.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from include.lab import postgres
from include.lab.aws.plane import Plane, Server, free_port
from include.lab.double import ControlPlane, DoubleServer
from include.lab.postgres import CommandFailed

BEAT_EVERY_S = 10.0
_INTERNAL = ("postgres", "rdsadmin")
"""Roles of the lab itself, as hidden from customers as the vendors' own agents are."""


class ManagedPlane(Plane):
    """Servers of one vendor, by key. `group` is the vendor's role for administrators, such as ``cloudsqlsuperuser``."""

    def __init__(self, folder: Path, *, network: int, group: str, port: int = 0) -> None:
        self.network, self.group = network, group
        self.port = port or free_port()
        self.beats: dict[str, tuple[str, str]] = {}
        """By server: the database and the statement that its application runs every few seconds."""
        self._hosts: dict[str, str] = {}
        self._hosts_lock = threading.Lock()
        super().__init__(folder)

    def host(self, key: str) -> str:
        """The loopback address of a server; the same for as long as this plane lives."""
        with self._hosts_lock:
            number = len(self._hosts) + 1
            return self._hosts.setdefault(key, f"127.{self.network}.{number // 250}.{number % 250 + 1}")

    def make(
        self, key: str, settings: Mapping[str, str], *, master: str, password: str, database: str | None, archive: bool
    ) -> None:
        """An empty server with its administrator and its first database."""
        super().make(key, settings, master=master, password=password, database=database, archive=archive)
        self.sql(key, "postgres", f"ALTER ROLE rds_superuser RENAME TO {self.group}")

    def roll(self, key: str, base: Path, source: str, to: datetime | None, settings: Mapping[str, str], *, archive: bool) -> None:
        """A server rolled forward; to the log's end when the log ends before the instant."""
        self.upload(source)
        own = {**settings, "listen_addresses": f"'{self.host(key)}'"}
        try:
            super().roll(key, base, source, to, own, archive=archive)
        except CommandFailed as failed:
            if to is None or "before configured recovery target was reached" not in str(failed):
                raise
            self.remove(key)
            super().roll(key, base, source, None, own, archive=archive)

    def sql(self, key: str, database: str, *statements: str) -> None:
        """Run statements as the vendor's agent. Raises psycopg2.Error."""
        postgres.execute(self.servers[key].cluster, database, *statements)

    def users(self, key: str) -> list[str]:
        """Roles that may log in, without the lab's own."""
        return self._names(key, "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> ALL (%s) ORDER BY 1")

    def databases(self, key: str) -> list[str]:
        return self._names(key, "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> ALL (%s) ORDER BY 1")

    def add_user(self, key: str, name: str, password: str) -> None:
        """An administrator like those that the vendor's API makes: member of the group, and able to alter every role."""
        cluster = self.servers[key].cluster
        if name not in self.users(key):
            postgres.execute(cluster, "postgres", f'CREATE ROLE "{name}" LOGIN CREATEROLE CREATEDB IN ROLE {self.group}')
        self.set_password(key, name, password)
        self.adopt(key, name)

    def adopt(self, key: str, administrator: str) -> None:
        """What the vendors do when roles are made through their administrators: these may alter them (PostgreSQL 16 and
        later ask for the admin option), and own what lies in the databases."""
        for role in self._names(key, "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND oid >= 16384 AND rolname <> ALL (%s)"):
            if role not in (administrator, self.group):
                self.sql(key, "postgres", f'GRANT "{role}" TO "{administrator}" WITH ADMIN OPTION, INHERIT FALSE, SET FALSE')

    def _names(self, key: str, sql: str) -> list[str]:
        with postgres.connect(self.servers[key].cluster) as connection, connection.cursor() as cursor:
            cursor.execute(sql, [list(_INTERNAL)])
            return [str(row[0]) for row in cursor.fetchall()]

    def _server(self, key: str) -> Server:
        server = super()._server(key)
        server.cluster = server.cluster.model_copy(update={"host": self.host(key), "port": self.port})
        return server

    def _configure(self, server: Server, settings: Mapping[str, str], *, archive: bool) -> None:
        super()._configure(server, {**settings, "listen_addresses": f"'{server.cluster.host}'"}, archive=archive)

    def beat_all(self) -> None:
        """One round: applications write, and then every server that keeps its log uploads it."""
        for key in list(self.servers):
            with contextlib.suppress(Exception):  # it is being stopped or deleted: the next round sees what is left
                if key in self.beats and self.running(key):
                    self.sql(key, *self.beats[key])
                self.upload(key)


def serve_until_told(plane: ControlPlane, port: str, data: ManagedPlane | None) -> None:
    """Serve, with business going on, until SIGTERM or SIGINT; then end the servers behind it as well."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with DoubleServer(plane, int(port)):
        while not told.wait(BEAT_EVERY_S):
            if data is not None and data.beats:
                data.beat_all()
    if data is not None:
        data.stop_all()


def damage(backup: Path) -> None:
    """Spoil a backup's bytes so that no server starts from them: its control file is gone."""
    (backup / "global" / "pg_control").unlink()


def behind(data: ManagedPlane | None) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """The door's commands that reach the servers themselves."""

    def run_sql(given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "database", "statements"}``: run as superuser, to seed and to plant faults."""
        assert data is not None
        data.sql(str(given["server"]), str(given["database"]), *given["statements"])
        return {}

    def beat(given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "database", "sql"}``: the server's application runs this every few seconds from now on."""
        assert data is not None
        data.beats[str(given["server"])] = (str(given["database"]), str(given["sql"]))
        return {}

    def stop(_: Mapping[str, Any]) -> dict[str, Any]:
        if data is not None:
            data.stop_all()
        return {}

    return {
        "sql": run_sql,
        "beat": beat,
        "stop": stop,
        "port": lambda _: {"port": data.port if data else 5432},
        "servers": lambda _: {"servers": sorted(data.servers) if data else []},
    }
