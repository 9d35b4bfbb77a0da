"""The order generator: one process that keeps the business going, so that what a restore loses is real.

``python -m include.lab.writer HOME``: once a second, one small transaction in every database. A server that is down is
tried again at the next beat; the others go on.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812  the class is lower case

from include.lab import business, fleet, processes, state
from include.lab.fleet import Database, Server
from include.lab.postgres import HOST
from include.lab.processes import Process

BEAT_S = 1.0


class Feed:
    """One database's connection and what is written there at each beat."""

    def __init__(self, home: Path, server: Server, database: Database) -> None:
        self._home, self._server, self._database = home, server, database
        self._sql = business.sections(database.business)["beat"]
        self._connection: Connection | None = None
        self._failing = False

    def beat(self) -> None:
        """Write once. An error is told once, when it begins, and once when it ends."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._open()
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(self._sql)
            if self._failing:
                print(f"{self._database.service}: writing again", flush=True)
            self._failing = False
        except psycopg2.Error as error:
            if not self._failing:
                print(f"{self._database.service}: {str(error).strip()}", flush=True)
            self._failing = True
            self.close()

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
        self._connection = None

    def _open(self) -> Connection:
        cluster = state.load(self._home).cluster(self._server.name)
        return psycopg2.connect(
            host=HOST,
            port=cluster.port,
            dbname=self._database.name,
            user="postgres",
            password=cluster.password,
            connect_timeout=3,
            application_name="drillyard-lab-writer",
            options="-c statement_timeout=5000 -c synchronous_commit=on",
        )


def main(home: Path) -> None:
    """Write until SIGTERM."""
    stopping: list[int] = []

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    feeds = [Feed(home, server, database) for server in fleet.SERVERS for database in server.databases]
    while not stopping:
        due = time.monotonic() + BEAT_S
        for feed in feeds:
            if not stopping:
                feed.beat()
        time.sleep(max(0.0, due - time.monotonic()))
    for feed in feeds:
        feed.close()


def launch(home: Path) -> Process:
    """Start the writer as a process of its own that outlives this command; its output goes to ``writer.log``."""
    process = processes.start_module("include.lab.writer", home, home / "writer.log")
    known = processes.identify(process.pid)
    if known is None:
        raise RuntimeError(f"the order generator ended at once; see {home / 'writer.log'}")
    return known


if __name__ == "__main__":
    main(Path(sys.argv[1]))
