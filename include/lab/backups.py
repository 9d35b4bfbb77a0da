"""The lab's backup job: base backups or dumps, digests signed at the same time, and a copy in the other failure domain."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from include.catalog.model import Question
from include.lab import accounts, fleet, home, postgres
from include.lab.fleet import Database, Server
from include.lab.state import LabState
from include.recovery import digests
from include.settings import PROJECT
from include.values import utcnow

EXAMPLE = PROJECT / "include" / "platforms" / "example"
AS_OF_BEFORE_START = timedelta(seconds=5)
"""Digests cover what was committed this long before the backup began; the writer's transactions are far shorter."""


def stamp(at: datetime) -> str:
    """A backup's name from its start: ``20261123T140000Z``."""
    return at.strftime("%Y%m%dT%H%M%SZ")


def base_folder(state: LabState, server: Server, *, copy: bool = False) -> Path:
    """Where a server's base backups lie, or their copies."""
    return home.backups(state.home, server.copies_in if copy else server.domain, server.name) / "base"


def wal_folder(state: LabState, server: Server, *, copy: bool = False) -> Path:
    """Where a server's WAL archive lies, or its copy."""
    return home.backups(state.home, server.copies_in if copy else server.domain, server.name) / "wal"


def dump_folder(state: LabState, server: Server, database: Database, *, copy: bool = False) -> Path:
    """Where a service's dumps lie, or their copies."""
    return home.backups(state.home, server.copies_in if copy else server.domain, database.service) / "dumps"


def make_folders(state: LabState, server: Server) -> None:
    """The backup folders of a server in both failure domains, owned by the server user."""
    for path in owned_folders(state, server):
        accounts.folder(path, state.user)


def owned_folders(state: LabState, server: Server) -> list[Path]:
    """Every folder that a server's backups and copies go to."""
    found: list[Path] = []
    for copy in (False, True):
        if server.physical:
            found += [base_folder(state, server, copy=copy), wal_folder(state, server, copy=copy)]
        else:
            found += [dump_folder(state, server, database, copy=copy) for database in server.databases]
    return found


def questions(database: Database) -> list[Question]:
    """The business questions that the example platform asks of a database."""
    text = (EXAMPLE / "services" / f"{database.service}.yaml").read_text()
    for datastore in yaml.safe_load(text)["datastores"]:
        if datastore["name"] == database.datastore:
            return [Question.model_validate(question) for question in datastore["validation"]["questions"]]
    raise LookupError(f"services/{database.service}.yaml has no datastore {database.datastore!r}")


def write_digests(state: LabState, server: Server, databases: Iterable[Database], as_of: datetime, target: Path) -> None:
    """Ask the running server its digest questions and write the signed answers."""
    taken = {}
    for database in databases:
        with postgres.connect(state.cluster(server.name), database.name) as connection:
            taken[database.datastore_id] = digests.take(connection, questions(database), as_of)
    document = digests.sign(digests.merge(taken), state.digest_key)
    target.write_text(json.dumps(document, indent=1) + "\n")


def back_up_server(state: LabState, server: Server) -> Path:
    """One base backup of a server, its digests, and both again in the other failure domain."""
    began, target = _new(base_folder(state, server), "")
    notes = target.with_name(f"{target.name}{digests.SUFFIX}")
    write_digests(state, server, server.databases, began - AS_OF_BEFORE_START, notes)
    postgres.base_backup(state.cluster(server.name), target)
    if not copies_stopped(state, server.name):
        copy_backup(target, base_folder(state, server, copy=True), state.user)
    return target


def back_up_database(state: LabState, server: Server, database: Database) -> Path:
    """One dump of a database, its digests, and both again in the other failure domain."""
    began, target = _new(dump_folder(state, server, database), ".dump")
    notes = target.with_name(f"{target.name}{digests.SUFFIX}")
    write_digests(state, server, [database], began - AS_OF_BEFORE_START, notes)
    postgres.dump(state.cluster(server.name), database.name, target)
    if not copies_stopped(state, database.service):
        copy_backup(target, dump_folder(state, server, database, copy=True), state.user)
    return target


def _new(folder: Path, ending: str) -> tuple[datetime, Path]:
    """A start and a name that no backup has yet: names are of whole seconds."""
    while (target := folder / f"{stamp(began := utcnow())}{ending}").exists():
        time.sleep(0.2)
    return began, target


def back_up(state: LabState, service: str | None = None) -> list[Path]:
    """Back up one service's database or everything; gives the new backups. A physical backup covers its whole server."""
    wanted = [fleet.find(service)] if service else [(s, d) for s in fleet.SERVERS for d in s.databases]
    made: dict[str, Path] = {}
    for server, database in wanted:
        if not server.physical:
            made[database.service] = back_up_database(state, server, database)
        elif server.name not in made:
            made[server.name] = back_up_server(state, server)
    return list(made.values())


def copy_backup(source: Path, folder: Path, user: str | None) -> None:
    """Copy a base backup or a dump, with its digests, into another folder for the user; whole or not at all."""
    part = folder / f".{source.name}.part"
    if source.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part, symlinks=True)
    else:
        shutil.copy2(source, part)
    for path in (part, *part.rglob("*")):
        accounts.give(path, user)
    part.rename(folder / source.name)
    notes = f"{source.name}{digests.SUFFIX}"
    shutil.copy2(source.with_name(notes), folder / notes)


def newest(folder: Path) -> Path:
    """The newest base backup or dump in a folder, by name. Raises FileNotFoundError when there is none."""
    found = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not p.name.endswith(digests.SUFFIX))
    if not found:
        raise FileNotFoundError(f"there is no backup in {folder}: run `drillyard lab backup`")
    return found[-1]


def discard(backup: Path) -> None:
    """Remove one base backup or dump with its digests. Harmless when it is not there."""
    if backup.is_dir():
        shutil.rmtree(backup)
    else:
        backup.unlink(missing_ok=True)
    backup.with_name(f"{backup.name}{digests.SUFFIX}").unlink(missing_ok=True)


def copies_stopped(state: LabState, owner: str) -> bool:
    """Whether the copy job of a server or service was switched off (fault no-copy)."""
    return (state.home / f"copies-stopped.{owner}").exists()
