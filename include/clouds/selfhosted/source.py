"""The recovery points of self-hosted databases: `include.recovery.contracts.BackupSource` over folders of backups."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

from include.catalog import model
from include.clouds.selfhosted import canary, points, programs, reach, servers, wal
from include.clouds.selfhosted.encryption import store_encryption
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.inspection import inspect
from include.clouds.selfhosted.restore import own
from include.clouds.selfhosted.settings import BaseBackupCopy, BaseBackups, Datastore, DumpCopy, Dumps, RestoreHost
from include.connections import Connections
from include.recovery.digests import SUFFIX
from include.recovery.model import Copy, Inspection, RecoveryPoint, Survey

_Made = TypeVar("_Made")


class SelfHostedBackups:
    """Reads base backups with their WAL archives, and dumps."""

    def __init__(self, clients: Connections, settings: RestoreHost) -> None:
        self._clients, self._settings = clients, settings

    def survey(self, datastores: Mapping[str, model.Datastore], now: datetime) -> Survey:
        """Every recovery point of every datastore. The running servers are asked for their databases only; one that does
        not answer is noted in `settings` and hides nothing."""
        found: dict[str, tuple[RecoveryPoint, ...]] = {}
        unreadable: dict[str, str] = {}
        measured: dict[str, dict[str, Any]] = {}
        for name, datastore in datastores.items():
            try:
                mine, faults = self._points(own(datastore))
            except (OSError, points.Unreadable, programs.ProgramFailed, LookupError, TypeError, ValueError) as broken:
                unreadable[name] = f"{type(broken).__name__}: {broken}"
                continue
            if faults and not mine:
                unreadable[name] = "; ".join(faults)
                continue
            found[name] = mine
            measured[name] = settings_of(own(datastore), mine, faults, now)
        live = servers.look(self._clients, {name: own(one) for name, one in datastores.items() if isinstance(one, Datastore)})
        for name, said in live.notes.items():
            measured.setdefault(name, {})["server"] = said
        return Survey(points=found, unreadable=unreadable, uncatalogued=live.uncatalogued, settings=measured)

    def inspect(
        self, datastore: model.Datastore, point: RecoveryPoint, cursor: Mapping[str, Any] | None, *, full: bool
    ) -> Inspection:
        """Manifest and log of one point. Without a cursor, or of a point the cursor does not know, everything is read."""
        return inspect(own(datastore), point, dict(cursor or {}), self._settings, full=full)

    def spoil(self, datastore: model.Datastore, point: RecoveryPoint) -> AbstractContextManager[RecoveryPoint]:
        """A damaged copy of a point: links to the good files, and one file whose bytes differ."""
        del datastore
        return canary.spoiled(point)

    def discover(self, datastores: Mapping[str, model.Datastore]) -> Sequence[Mapping[str, Any]]:
        """Drafts for the databases that are on the catalogued servers and in no entry.

        Raises ConnectionError, naming the connections, when no server answers.
        """
        return servers.drafts(self._clients, {name: own(one) for name, one in datastores.items()})

    def _points(self, datastore: Datastore) -> tuple[tuple[RecoveryPoint, ...], list[str]]:
        if isinstance(datastore.backups, BaseBackups):
            found, faults = self._base_backups(datastore, datastore.backups)
        else:
            found, faults = self._dumps(datastore, datastore.backups)
        return tuple(sorted(found, key=lambda one: one.taken_at, reverse=True)), faults

    def _base_backups(self, datastore: Datastore, backups: BaseBackups) -> tuple[list[RecoveryPoint], list[str]]:
        sets, faults = read_sets(Store(backups.location))
        if not sets:
            return [], faults
        copies = [(copy, read_sets_quietly(copy)) for copy in backups.copies]
        store = Store(backups.wal)
        size = wal.segment_size(store)
        archive = wal.read(store, size)
        newest = max(one.taken_at for one in sets)
        encrypted = store_encryption(backups.location)
        made = []
        for one in sets:
            tools = programs.bin_dir(self._settings, one.major if one.major in self._settings.bin_dirs else None)
            reader = reach.Reader(store, tools, size)
            facts, until = log_facts(one, store, archive, reader, size)
            made.append(
                RecoveryPoint(
                    id=one.id,
                    kind="base_backup",
                    taken_at=one.taken_at,
                    restorable_until=until,
                    region=datastore.region,
                    failure_domain=failure_domain(self._settings, datastore.region),
                    location=one.location,
                    size_bytes=one.size_bytes,
                    engine_version=one.major,
                    encrypted=encrypted,
                    copies=tuple(copies_of(one, copies, is_newest=one.taken_at == newest)),
                    facts={**facts, "wal": backups.wal, **digests_of(Store(backups.location), one.id, wanted=backups.digests)},
                )
            )
        return made, faults

    def _dumps(self, datastore: Datastore, backups: Dumps) -> tuple[list[RecoveryPoint], list[str]]:
        tools = programs.bin_dir(self._settings, None)
        found, faults = read_dumps(Store(backups.location), backups, tools)
        copies = [(copy, read_dumps_quietly(copy, backups, tools)) for copy in backups.copies]
        newest = max((one.taken_at for one in found), default=None)
        encrypted = store_encryption(backups.location)
        return [
            RecoveryPoint(
                id=one.id,
                kind="dump",
                taken_at=one.taken_at,
                restorable_until=one.taken_at,
                region=datastore.region,
                failure_domain=failure_domain(self._settings, datastore.region),
                location=one.location,
                size_bytes=one.size_bytes,
                engine_version=one.major,
                encrypted=encrypted,
                copies=tuple(copies_of(one, copies, is_newest=one.taken_at == newest)),
                facts={
                    "dbname": one.database,
                    "folder": one.folder,
                    "compressed": True,
                    **digests_of(Store(backups.location), one.id, wanted=backups.digests),
                },
            )
            for one in found
        ], faults


def failure_domain(settings: RestoreHost, region: str) -> str:
    """What fails together with a region: by `failure_domains`, or the region itself."""
    return settings.failure_domains.get(region, region)


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


def digests_of(store: Store, name: str, *, wanted: bool) -> dict[str, Any]:
    """The digests that were signed when the backup was made, as they lie beside it. Who reads them checks the signature."""
    if not wanted or not store.has(name + SUFFIX):
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
) -> list[Copy]:
    """The second copies of a point: the same set elsewhere. The newest point also names the newest set of each store."""
    found = []
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
    return found


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


def settings_of(datastore: Datastore, mine: Sequence[RecoveryPoint], faults: Sequence[str], now: datetime) -> dict[str, Any]:
    """What was measured of a datastore's store: whether it is encrypted, and how far back its points reach (seconds)."""
    measured: dict[str, Any] = {"encrypted": store_encryption(datastore.backups.location)}
    if mine:
        measured["oldest_point_age"] = round((now - mine[-1].taken_at).total_seconds())
    if faults:
        measured["unreadable_points"] = list(faults)
    return measured
