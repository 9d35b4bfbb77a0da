"""The shelves that backups lie on: read once a survey, however many databases share them."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from include.clouds.selfhosted import points, programs, reach, wal
from include.clouds.selfhosted.encryption import store_encryption
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.settings import BaseBackupCopy, BaseBackups, Datastore, DumpCopy, Dumps, RestoreHost
from include.recovery.digests import SUFFIX
from include.recovery.model import Copy, RecoveryPoint

_Made = TypeVar("_Made")


class Physical:
    """Base backups and the archive that follows them, with their copies."""

    def __init__(self, backups: BaseBackups, settings: RestoreHost) -> None:
        self._backups, self._settings = backups, settings
        self._sets, self.faults = read_sets(Store(backups.location))
        self._copies = [(copy, read_sets_quietly(copy)) for copy in backups.copies] if self._sets else []
        self._store = Store(backups.wal)
        self._size = wal.segment_size(self._store)
        self._archive = wal.read(self._store, self._size)
        self._readers: dict[Path, reach.Reader] = {}

    def points(self, datastore: Datastore) -> list[RecoveryPoint]:
        """A recovery point for each set, as one database's."""
        newest = max((one.taken_at for one in self._sets), default=None)
        made = []
        for one in self._sets:
            tools = programs.bin_dir(self._settings, one.major if one.major in self._settings.bin_dirs else None)
            reader = self._readers.setdefault(tools, reach.Reader(self._store, tools, self._size))
            facts, until = log_facts(one, self._store, self._archive, reader, self._size)
            facts |= {"wal": self._backups.wal, **digests_of(self._backups, one.id)}
            copies = copies_of(one, self._copies, is_newest=one.taken_at == newest)
            made.append(point_of(datastore, one, self._settings, restorable_until=until, copies=copies, facts=facts))
        return made


class Logical:
    """Dumps, with their copies."""

    def __init__(self, backups: Dumps, settings: RestoreHost) -> None:
        tools = programs.bin_dir(settings, None)
        self._backups, self._settings = backups, settings
        self._dumps, self.faults = read_dumps(Store(backups.location), backups, tools)
        self._copies = [(copy, read_dumps_quietly(copy, backups, tools)) for copy in backups.copies] if self._dumps else []

    def points(self, datastore: Datastore) -> list[RecoveryPoint]:
        """A recovery point for each dump."""
        newest = max((one.taken_at for one in self._dumps), default=None)
        made = []
        for one in self._dumps:
            facts = {"dbname": one.database, "folder": one.folder, "compressed": True, **digests_of(self._backups, one.id)}
            copies = copies_of(one, self._copies, is_newest=one.taken_at == newest)
            made.append(point_of(datastore, one, self._settings, restorable_until=one.taken_at, copies=copies, facts=facts))
        return made


def shelf_of(backups: BaseBackups | Dumps, settings: RestoreHost) -> Physical | Logical:
    """Read a shelf. Raises OSError, naming the place, when it or its archive cannot be read."""
    return Physical(backups, settings) if isinstance(backups, BaseBackups) else Logical(backups, settings)


def point_of(
    datastore: Datastore,
    one: points.BaseBackup | points.Dump,
    settings: RestoreHost,
    *,
    restorable_until: datetime,
    copies: tuple[Copy, ...],
    facts: dict[str, Any],
) -> RecoveryPoint:
    """What was read of a set or a dump, as a recovery point of one datastore. A region not in `failure_domains` is its own."""
    return RecoveryPoint(
        id=one.id,
        kind="dump" if isinstance(one, points.Dump) else "base_backup",
        taken_at=one.taken_at,
        restorable_until=restorable_until,
        region=datastore.region,
        failure_domain=settings.failure_domains.get(datastore.region, datastore.region),
        location=one.location,
        size_bytes=one.size_bytes,
        engine_version=one.major,
        encrypted=store_encryption(one.location),
        copies=copies,
        facts=facts,
    )


def gather(names: Sequence[str], read: Callable[[str], _Made | None]) -> tuple[list[_Made], list[str]]:
    """Read many things so that an unreadable one is noted and does not hide the others."""
    found: list[_Made] = []
    faults: list[str] = []
    for name in names:
        try:
            one = read(name)
        except points.Unreadable as broken:
            faults.append(str(broken))
            continue
        if one is not None:
            found.append(one)
    return found, faults


def read_sets(store: Store) -> tuple[list[points.BaseBackup], list[str]]:
    """The base backups in a folder, and what could not be read. Raises OSError when the folder cannot be read."""
    folders = [entry.name for entry in store.entries() if entry.is_folder]
    return gather(folders, lambda name: points.base_backup(store, name))


def read_sets_quietly(copy: BaseBackupCopy) -> list[points.BaseBackup]:
    """The base backups of a copy. One that cannot be read is no copy: the check `copy-exists` tells."""
    try:
        return read_sets(Store(copy.location))[0]
    except OSError:
        return []


def read_dumps(store: Store, backups: Dumps, tools: Any) -> tuple[list[points.Dump], list[str]]:
    """The dumps in a folder, and what could not be read. Raises OSError when the folder cannot be read."""
    entries = {entry.name: entry for entry in store.entries() if fnmatch.fnmatch(entry.name, backups.pattern)}
    return gather(list(entries), lambda name: points.dump(store, entries[name], tools, backups.timezone))


def read_dumps_quietly(copy: DumpCopy, backups: Dumps, tools: Any) -> list[points.Dump]:
    """The dumps of a copy. One that cannot be read is no copy: the check `copy-exists` tells."""
    try:
        return read_dumps(Store(copy.location), backups, tools)[0]
    except OSError:
        return []


def digests_of(backups: BaseBackups | Dumps, name: str) -> dict[str, Any]:
    """The digests that were signed when the backup was made, as they lie beside it. Who reads them checks the signature."""
    store = Store(backups.location)
    if not backups.digests or not store.has(name + SUFFIX):
        return {}
    try:
        return {"digests": json.loads(store.read(name + SUFFIX))}
    except ValueError:
        return {"digests": {"unreadable": store.describe(name + SUFFIX)}}


def copies_of(
    one: points.BaseBackup | points.Dump,
    copies: Sequence[tuple[BaseBackupCopy | DumpCopy, Sequence[points.BaseBackup | points.Dump]]],
    *,
    is_newest: bool,
) -> tuple[Copy, ...]:
    """The second copies of a point: the same set elsewhere. The newest point also names the newest set of each store."""
    found: list[Copy] = []
    for entry, sets in copies:
        same = [other for other in sets if other.id == one.id and other.taken_at == one.taken_at]
        if is_newest and not same:
            same = sorted(sets, key=lambda other: other.taken_at)[-1:]
        found += [
            Copy(
                location=other.location, failure_domain=entry.failure_domain, taken_at=other.taken_at, size_bytes=other.size_bytes
            )
            for other in same
        ]
    return tuple(found)


def log_facts(
    one: points.BaseBackup, store: Store, archive: wal.Archive, reader: reach.Reader, size: int
) -> tuple[dict[str, Any], datetime]:
    """What a restore must know of a set, and the latest instant it can be rolled forward to."""
    run = wal.run_from(archive, one.timeline, wal.lsn(one.start_lsn), size, frozenset(one.wal_inside))
    found = reader.of(run)
    stopped = wal.stop_time(store, archive, one.start_lsn) or one.stopped_after
    until = max(found.until, stopped) if found else stopped
    facts: dict[str, Any] = {
        "tarred": one.tarred,
        "compressed": one.compressed,
        "start_lsn": one.start_lsn,
        "checkpoint_lsn": one.checkpoint_lsn,
        "end_lsn": one.end_lsn,
        "timeline": one.timeline,
        "newest_timeline": run.timeline,
        "system": one.system,
        "segment_size": size,
        "stopped_at": stopped.isoformat(),
        "restorable_until_basis": found.basis if found and found.until >= stopped else "end of the base backup",
        "wal_inside": list(one.wal_inside),
        "wal_segments": len(run.segments),
        "wal_missing": list(run.missing[:5]),
    }
    return facts, until
