"""What a cloud brings to the contract suite: its adapters over something real enough to restore from.

A new cloud joins with one factory in `HARNESSES`: a context manager that gives a `Harness`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aws_plane import aws_harness
from azure_plane import azure_harness
from google_plane import google_harness
from selfhosted_plane import Plane, plane

from include import clouds
from include.catalog.model import Datastore
from include.clouds.selfhosted.settings import BaseBackups
from include.recovery.contracts import BackupSource, DatabaseRestore
from include.recovery.model import RecoveryPoint


@dataclass
class Harness:
    """One cloud under test. The database has the table ``orders (id, placed_at)`` and one login of production's own."""

    cloud: str
    source: BackupSource
    restore: DatabaseRestore
    datastore: Datastore
    unreadable: Datastore
    """Catalogued like the good one, but its backups cannot be read."""
    order: Callable[[int], None]
    """Place so many orders in production."""
    count: Callable[[], int]
    """Orders in production now."""
    settle: Callable[[], None]
    """Return when everything ordered so far can be restored."""
    back_up: Callable[[], None]
    """Make one more recovery point."""
    uncatalogued: str
    """A database that is on production's server and in no entry."""
    look_alike: Callable[[str], AbstractContextManager[Callable[[], bool]]]
    """Something with a sandbox's name and without our mark; gives whether it is still untouched."""
    unreachable: Callable[[], AbstractContextManager[None]]
    """Meanwhile the control plane does not answer."""
    silent: Callable[[], AbstractContextManager[None]] | None = None
    """Meanwhile production's server tells nobody its databases. None: that is `unreachable`."""
    patience: float = 60.0
    """Seconds that a sandbox may take here."""
    other_version: Callable[[RecoveryPoint], RecoveryPoint] = field(
        default=lambda point: point.model_copy(update={"engine_version": "9"})
    )


@contextmanager
def selfhosted() -> Iterator[Harness]:
    """Self-hosted PostgreSQL: a real server with base backups and an archive in folders."""
    with plane() as made:
        made.run("postgres", "CREATE DATABASE forgotten")
        made.back_up("20261101T010000Z")
        made.order(100)
        made.archived()
        room, host = clouds.room("selfhosted"), made.host()
        yield Harness(
            cloud="selfhosted",
            source=room.backup_source(made.clients, host),
            restore=room.database_restore(made.clients, host),
            datastore=made.datastore(),
            unreadable=made.datastore(
                name="lost",
                backups=BaseBackups(kind="base_backup", location=str(made.home / "nowhere"), wal=str(made.wal)),
            ),
            order=made.order,
            count=lambda: int(made.scalar("SELECT count(*) FROM orders")),
            settle=lambda: settle(made),
            back_up=lambda: back_up(made),
            uncatalogued="forgotten",
            look_alike=lambda name: look_alike(made, name),
            unreachable=lambda: unreachable(made),
            silent=lambda: silent(made),
        )


@contextmanager
def silent(made: Plane) -> Iterator[None]:
    there = made.cluster
    made.cluster = there.model_copy(update={"port": 1})
    try:
        yield
    finally:
        made.cluster = there


def settle(made: Plane) -> None:
    # One more commit, so that recovery sees that the time before it is over.
    made.run("shop", "CREATE TABLE IF NOT EXISTS beats (at timestamptz)", "INSERT INTO beats VALUES (now())")
    made.archived()


def back_up(made: Plane) -> None:
    made.back_up(f"later-{len(list(made.base.iterdir()))}")


@contextmanager
def look_alike(made: Plane, name: str) -> Iterator[Callable[[], bool]]:
    folder = made.home / "sandboxes" / name
    folder.mkdir(parents=True)
    (folder / "precious.txt").write_text("somebody's work")
    try:
        yield lambda: (folder / "precious.txt").read_text() == "somebody's work" and len(list(folder.iterdir())) == 1
    finally:
        shutil.rmtree(folder)


@contextmanager
def unreachable(made: Plane) -> Iterator[None]:
    root, aside = made.home / "sandboxes", made.home / "aside"
    root.mkdir(exist_ok=True)
    root.rename(aside)
    Path(root).write_text("not a folder")
    try:
        yield
    finally:
        root.unlink()
        aside.rename(root)


HARNESSES: dict[str, Callable[[], AbstractContextManager[Harness]]] = {
    "aws": aws_harness,
    "azure": azure_harness,
    "google": google_harness,
    "selfhosted": selfhosted,
}
"""By cloud. The suite runs once for each."""
