"""The recovery points of self-hosted databases: `include.recovery.contracts.BackupSource` over folders of backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from include.catalog import model
from include.clouds.selfhosted import canary, points, programs, servers
from include.clouds.selfhosted.encryption import store_encryption
from include.clouds.selfhosted.inspection import inspect
from include.clouds.selfhosted.restore import own
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.clouds.selfhosted.shelf import Logical, Physical, shelf_of
from include.connections import Connections
from include.recovery.model import Discovery, Inspection, RecoveryPoint, Survey


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
        shelves: dict[str, Physical | Logical] = {}
        for name, datastore in datastores.items():
            try:
                mine = own(datastore)
                key = mine.backups.model_dump_json()
                if key not in shelves:  # several databases of one server share its backups: they are read once
                    shelves[key] = shelf_of(mine.backups, self._settings)
                made = sorted(shelves[key].points(mine), key=lambda one: one.taken_at, reverse=True)
            except (OSError, points.Unreadable, programs.ProgramFailed, LookupError, TypeError, ValueError) as broken:
                unreadable[name] = (
                    f"{broken}; look at `backups` in the catalog, and at the rights of the user that runs Drillyard"
                )
                continue
            faults = shelves[key].faults
            if faults and not made:
                unreadable[name] = "; ".join(faults)
                continue
            found[name] = tuple(made)
            measured[name] = settings_of(mine, made, faults, now)
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

    def discover(self, datastores: Mapping[str, model.Datastore]) -> Discovery:
        """Drafts for the databases that are on the catalogued servers and in no entry, and the servers that do not answer."""
        return servers.drafts(self._clients, {name: own(one) for name, one in datastores.items()})


def settings_of(datastore: Datastore, mine: Sequence[RecoveryPoint], faults: Sequence[str], now: datetime) -> dict[str, Any]:
    """What was measured of a datastore's store: whether it is encrypted, and how far back its points reach (seconds)."""
    measured: dict[str, Any] = {"encrypted": store_encryption(datastore.backups.location)}
    if mine:
        measured["oldest_point_age"] = round((now - mine[-1].taken_at).total_seconds())
    if faults:
        measured["unreadable_points"] = list(faults)
    return measured
