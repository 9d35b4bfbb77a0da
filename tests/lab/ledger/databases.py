"""A PostgreSQL server and databases for the ledger's tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.lab import accounts, binaries


@contextmanager
def postgres_server() -> Iterator[str]:
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


def database(server: str, name: str) -> str:
    """An empty database of that name; its URL."""
    from sqlalchemy import create_engine, text

    engine = create_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server + name
