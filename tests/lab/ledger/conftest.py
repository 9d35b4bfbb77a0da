"""A PostgreSQL server for the ledger alone, and migrated ledgers on it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.lab import accounts, binaries
from include.ledger import open_ledger
from include.ledger.ledger import Ledger
from include.ledger.migrations import migrate
from tests.lab.ledger.databases import database


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL of these tests' own; gives the URL of its superuser without a database."""
    home = Path(tempfile.mkdtemp(prefix="dy-ledger-"))
    home.chmod(0o755)
    user = accounts.server_user()
    programs = binaries.usable_bin(home, user)
    data = accounts.folder(home / "data", user, 0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str | Path) -> None:
        environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        command = [programs / program, "-D", data, *arguments]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, env=environment, **accounts.dropped(user))

    run("initdb", "-U", "drillyard", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c timezone=Asia/Tokyo"
    run("pg_ctl", "start", "-w", "-s", "-l", data / "log", "-o", options)
    try:
        yield f"postgresql+psycopg2://drillyard@127.0.0.1:{port}/"
    finally:
        run("pg_ctl", "stop", "-m", "immediate", "-s")
        shutil.rmtree(home)


@pytest.fixture
def ledger(server: str) -> Iterator[Ledger]:
    url = database(server, "ledger")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def second(server: str) -> Iterator[Ledger]:
    url = database(server, "second")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()
