"""The recovery points of Flexible Servers: their backups, and the window that Azure promises to restore within.

A survey asks for the pages of a subscription's servers, and for one page of backups of each catalogued server: Azure has no
list of backups across servers. How far the log reaches is told nowhere, so it is `unsupported`, and a drill measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from include.catalog import model
from include.clouds.azure.clients import Azure, translated, word
from include.clouds.azure.servers import MARK
from include.clouds.azure.settings import Datastore, Sandboxes
from include.clouds.managed import NotThere, digests_at, drafts, judged, untold
from include.recovery.contracts import Transient
from include.recovery.model import Check, Copy, Discovery, Inspection, Outcome, RecoveryPoint, Survey

GEO = "geo"
"""The id of the point that Azure's copy in the paired region is."""
_KINDS = {"Full": "automated", "Customer On-Demand": "snapshot"}
"""Of a backup. A word that is not here raises KeyError."""
_DAY = timedelta(days=1)


class FlexibleServerBackups:
    """Reads backups."""

    def __init__(self, azure: Azure, settings: Sandboxes) -> None:
        self._azure, self._settings = azure, settings

    def survey(self, datastores: Mapping[str, model.Datastore], now: datetime) -> Survey:
        """Every backup of every datastore. A server that does not answer hides no other."""
        del now
        try:
            there = self._servers()
        except (Transient, PermissionError, LookupError, ValueError) as error:
            return Survey(points={}, unreadable=dict.fromkeys(datastores, str(error)))
        points: dict[str, tuple[RecoveryPoint, ...]] = {}
        unreadable: dict[str, str] = {}
        measured: dict[str, dict[str, Any]] = {}
        for name, datastore in datastores.items():
            mine = own(datastore)
            server = there.get(id_of(mine, self._settings.subscription))
            if server is None:
                unreadable[name] = f"there is no server {mine.server} in {mine.resource_group}: correct the catalog"
                continue
            try:
                points[name] = self._points(mine, server)
            except (Transient, PermissionError, LookupError, ValueError) as error:
                unreadable[name] = f"server {mine.server}: {type(error).__name__}: {error}"
                continue
            measured[name] = {"retention": int(server.properties.backup.backup_retention_days) * _DAY.total_seconds()}
        named = {id_of(own(one), self._settings.subscription) for one in datastores.values()}
        regions = {one.region for one in datastores.values()}
        strangers = [one for key, one in there.items() if key not in named and region_of(one) in regions]
        others = tuple(f"{one.id.split('/')[4]}/{one.name}" for one in strangers)
        return Survey(points=points, unreadable=unreadable, uncatalogued=others, settings=measured)

    def _servers(self) -> dict[str, Any]:
        with translated():
            return {one.id.lower(): one for one in self._azure.postgres.servers.list_by_subscription() if _is_production(one)}

    def _points(self, datastore: Datastore, server: Any) -> tuple[RecoveryPoint, ...]:
        api = self._azure.postgres.backups_automatic_and_on_demand
        with translated():
            found = list(api.list_by_server(datastore.resource_group, datastore.server))
        points = [self._point(datastore, server, one) for one in found]
        points.sort(key=lambda one: one.taken_at, reverse=True)
        pair = self._settings.paired_regions.get(datastore.region)
        if points and pair and server.properties.backup.geo_redundant_backup == "Enabled":
            points.append(self._geo(datastore, server, points[-1], pair))
        return tuple(points)

    def _point(self, datastore: Datastore, server: Any, backup: Any) -> RecoveryPoint:
        told, domains = server.properties, self._settings.failure_domains
        key = told.data_encryption.primary_key_uri if told.data_encryption else None
        pair = self._settings.paired_regions.get(datastore.region, "the paired region")
        apart = told.backup.geo_redundant_backup == "Enabled"
        copies = (Copy(location=pair, failure_domain=domains.get(pair, pair), taken_at=None),) if apart else ()
        completed = backup.properties.completed_time.astimezone(UTC)
        return RecoveryPoint(
            id=backup.name,
            kind=_KINDS[word(backup.properties.backup_type)],
            taken_at=completed,
            restorable_until=completed,
            log_end_known=False,
            region=datastore.region,
            failure_domain=domains.get(datastore.region, datastore.region),
            location=f"{server.id}/backups/{backup.name}",
            engine_version=str(told.version),
            encrypted=True,
            key_id=key,
            copies=copies,
            facts=digests_at(datastore.digests, backup.name, self._settings.digests_options),
        )

    def _geo(self, datastore: Datastore, server: Any, oldest: RecoveryPoint, pair: str) -> RecoveryPoint:
        """Azure's copy in the paired region. Of when it is nobody tells, so it counts as old as the oldest."""
        domains = self._settings.failure_domains
        known = {"id": GEO, "kind": "geo-redundant", "failure_domain": domains.get(pair, pair), "copies": ()}
        earliest = server.properties.backup.earliest_restore_date
        at = min(earliest.astimezone(UTC), oldest.taken_at) if earliest else oldest.taken_at
        facts = {"region": pair}
        return oldest.model_copy(update={**known, "taken_at": at, "restorable_until": at, "location": server.id, "facts": facts})

    def inspect(
        self, datastore: model.Datastore, point: RecoveryPoint, cursor: Mapping[str, Any] | None, *, full: bool
    ) -> Inspection:
        """The backup itself, and how the server is configured to keep what it has. Azure shows neither a backup's bytes
        nor its log."""
        del cursor, full
        mine, there = own(datastore), True
        with translated():
            server = self._azure.postgres.servers.get(mine.resource_group, mine.server)
        try:
            with translated():
                self._azure.postgres.backups_automatic_and_on_demand.get(mine.resource_group, mine.server, point.id)
        except NotThere:
            there = False
        told = "listed" if there else "not there"
        line = judged("point-available", "backup", there, told, "listed", f"Azure knows no backup {point.id}: make another one")
        return Inspection(checks=(line, *configured(mine, server, point)))

    @contextmanager
    def spoil(self, datastore: model.Datastore, point: RecoveryPoint) -> Iterator[RecoveryPoint]:
        """A backup that nobody made: Azure lets nobody damage one, and one that is not there must be refused."""
        del datastore
        yield point.model_copy(update={"id": f"{point.id}-never-made"})

    def discover(self, datastores: Mapping[str, model.Datastore]) -> Discovery:
        """A draft for each database of the subscription that no entry names. Business time is left to who knows it."""
        known = {(own(one).server, own(one).database) for one in datastores.values()}
        found: list[dict[str, Any]] = []
        unreadable: dict[str, str] = {}
        try:
            there = self._servers()
        except (Transient, PermissionError, LookupError, ValueError) as error:
            return Discovery(unreadable={f"subscription {self._settings.subscription}": str(error)})
        for server in there.values():
            group = server.id.split("/")[4]
            try:
                with translated():
                    names = [one.name for one in self._azure.postgres.databases.list_by_server(group, server.name)]
            except (Transient, PermissionError, LookupError, ValueError) as error:  # a stopped server does not tell either
                unreadable[f"server {group}/{server.name}"] = str(error)
                continue
            place = {"cloud": "azure", "region": region_of(server), "resource_group": group, "server": server.name}
            mine = {"postgres", "azure_maintenance", "azure_sys"} | {one for of, one in known if of == server.name}
            found += drafts(place, names, mine)
        return Discovery(drafts=tuple(found), unreadable=unreadable)


def own(datastore: model.Datastore) -> Datastore:
    """The datastore as this room's own. Raises TypeError for another cloud's."""
    if not isinstance(datastore, Datastore):
        raise TypeError(f"datastore {datastore.name} is not on Flexible Server")
    return datastore


def id_of(datastore: Datastore, subscription: str) -> str:
    """A server's resource id, in lower case: Azure compares ids without regard to it."""
    group = f"/subscriptions/{subscription}/resourceGroups/{datastore.resource_group}"
    return f"{group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{datastore.server}".lower()


def region_of(server: Any) -> str:
    """A location's short name: Azure writes ``West Europe`` and ``westeurope``."""
    return str(server.location).lower().replace(" ", "")


def _is_production(server: Any) -> bool:
    """Neither a sandbox of ours nor a replica of another server."""
    role = word(server.properties.replication_role) if server.properties.replication_role else "None"
    return MARK not in (server.tags or {}) and role in ("None", "Primary")


def configured(datastore: Datastore, server: Any, point: RecoveryPoint) -> list[Check]:
    """One check a setting that a recovery depends on."""
    layer, told, where = "backup", server.properties, datastore.server
    geo, key = word(told.backup.geo_redundant_backup), told.data_encryption
    status = word(key.primary_encryption_key_status) if key and key.primary_encryption_key_status else "not told"
    usable = status in ("Valid", "not told")
    return [
        untold("manifest", layer, "Azure shows no checksum of a backup: only a restore proves it"),
        untold("wal-continuity", layer, "Azure does not tell how far its log reaches: a drill does"),
        untold("deletion-protection", layer, f"the PostgreSQL API does not tell of locks: `az lock list` for {where} does"),
        judged("geo-redundancy", layer, not datastore.geo_redundant or geo == "Enabled", geo,
               "Enabled" if datastore.geo_redundant else "not demanded",
               f"{where} keeps its backups in one region; it can only be switched on when a server is made"),
        judged("customer-key", layer, not datastore.customer_key or bool(point.key_id), point.key_id or "Azure's key",
               "a key of ours" if datastore.customer_key else "not demanded",
               f"{where} is encrypted with Azure's key, and the catalog demands one of ours: it must be made anew"),
        Check(name="key-status", layer=layer, outcome=Outcome.PASSED if usable else Outcome.FAILED, measured=status,
              threshold="Valid", detail="" if usable else f"the key of {where} is {status}: no restore can read it"),
    ]  # fmt: skip
