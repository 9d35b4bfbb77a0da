"""Restores by hand, with nothing of Drillyard's restore room: what any administrator would do with a base backup."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2

from include.lab import accounts, backups, fleet, postgres
from include.lab.lab import free_ports
from include.lab.postgres import Cluster
from include.lab.state import LabState

FETCH = """
import sys, zlib
folder, name, target = sys.argv[1:]
try:
    data = zlib.decompress(open(f"{folder}/{name}.gz", "rb").read(), 31)
except FileNotFoundError:
    sys.exit(1)
open(target, "wb").write(data)
"""
QUIET = {
    "archive_mode": "off",
    "max_logical_replication_workers": "0",
    "event_triggers": "off",
    "shared_preload_libraries": "''",
    "hot_standby": "off",
}


@contextmanager
def copied(lab: LabState, server: str, *, roll_forward: bool) -> Iterator[Cluster]:
    """A copy of a server's newest base backup, not started; with `roll_forward` it will read the WAL archive."""
    folder = lab.home / f"by-hand-{secrets.token_hex(4)}"
    accounts.folder(folder, lab.user, 0o700)
    original = lab.cluster(server)
    copy = original.model_copy(
        update={"name": f"copy of {server}", "data": folder / "data", "log": folder / "log", "port": free_ports(1)[0]}
    )
    shutil.copytree(backups.newest(backups.base_folder(lab, fleet.server(server))), copy.data, symlinks=True)
    if roll_forward:
        script = folder / "fetch.py"
        script.write_text(FETCH)
        command = f'{lab.python} "{script}" "{backups.wal_folder(lab, fleet.server(server))}" %f "%p"'
        postgres.configure(copy, {"restore_command": f"'{command}'"})
        (copy.data / "recovery.signal").touch()
    for path in (folder, *folder.rglob("*")):
        accounts.give(path, lab.user)
    try:
        yield copy
    finally:
        postgres.stop(copy, mode="immediate")
        shutil.rmtree(folder)


@contextmanager
def restored(lab: LabState, server: str, settings: Mapping[str, str] = QUIET, *, roll_forward: bool = True) -> Iterator[Cluster]:
    """The same, started and accepting connections. Raises CommandFailed when it never does."""
    with copied(lab, server, roll_forward=roll_forward) as copy:
        postgres.start(copy, {"hot_standby": "off", **settings})
        wait_ready(copy)
        yield copy


def wait_ready(copy: Cluster) -> None:
    """Until it accepts connections, which is when recovery has ended. Raises CommandFailed with its log when it ends first."""
    while postgres.running(copy):
        with contextlib.suppress(psycopg2.OperationalError):
            assert postgres.scalar(copy, "postgres", "SELECT pg_is_in_recovery()") is False
            return
        time.sleep(0.1)
    raise postgres.CommandFailed(copy.log.read_text())
