"""The recovery points of RDS instances: `include.recovery.contracts.BackupSource` over the RDS, KMS and AWS Backup APIs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from include.catalog import model
from include.clouds.aws import points
from include.clouds.aws.clients import AwsClients
from include.clouds.aws.listing import Listings, Raw, draft, stranger
from include.clouds.aws.look import inspect
from include.clouds.aws.settings import BackupCopy, Datastore, Sandboxes
from include.clouds.aws.words import Refused
from include.clouds.managed import digests_at
from include.recovery.contracts import Transient
from include.recovery.model import Copy, Discovery, Inspection, RecoveryPoint, Survey

_UNREADABLE = (Transient, PermissionError, LookupError, ValueError, TypeError, Refused)


class RdsBackups:
    """Reads automated backups, snapshots, their copies and vaults. Writes nothing."""

    def __init__(self, clients: AwsClients, settings: Sandboxes) -> None:
        self._clients, self._settings = clients, settings

    def survey(self, datastores: Mapping[str, model.Datastore], now: datetime) -> Survey:
        """Every account and region is listed once, in pages of 100; a datastore alone gets its own snapshots only.

        Beside pages it costs two calls a KMS key and one a vault. An account or region that does not answer makes its own
        datastores unreadable and no others.
        """
        del now
        lists, mine = Listings(self._clients), {name: own(one) for name, one in datastores.items()}
        alone = len(mine) == 1
        found: dict[str, tuple[RecoveryPoint, ...]] = {}
        unreadable: dict[str, str] = {}
        measured: dict[str, dict[str, Any]] = {}
        if not alone:
            # Whole lists first: copies that lie in a region of this batch are then among them.
            for place in homes(mine.values()):
                with _kept(unreadable, ()):
                    lists.snapshots(*place)
        for name, datastore in mine.items():
            with _kept(unreadable, (name,)):
                found[name], measured[name] = self._look(lists, datastore, alone=alone)
        return Survey(points=found, unreadable=unreadable, uncatalogued=self._strangers(lists, mine), settings=measured)

    def inspect(
        self, datastore: model.Datastore, point: RecoveryPoint, cursor: Mapping[str, Any] | None, *, full: bool
    ) -> Inspection:
        """What the survey learned of a point, as checks. RDS shows nobody a snapshot's files: only a restore reads them."""
        del cursor, full
        return inspect(own(datastore), point)

    @contextmanager
    def spoil(self, datastore: model.Datastore, point: RecoveryPoint) -> Iterator[RecoveryPoint]:
        """The same point as RDS would describe it had its snapshot failed: no broken snapshot can be made on purpose."""
        del datastore
        yield point.model_copy(update={"facts": {**point.facts, "status": "failed"}})

    def discover(self, datastores: Mapping[str, model.Datastore]) -> Discovery:
        """A draft for every instance in the accounts and regions of the catalog that no entry names.

        With an empty catalog the recovery account's own regions are looked at. One that does not answer is told.
        """
        lists, mine = Listings(self._clients), {name: own(one) for name, one in datastores.items()}
        places = homes(mine.values()) or [(self._settings.connection, region) for region in self._settings.networks]
        known = {one.instance for one in mine.values()}
        drafts: list[dict[str, Any]] = []
        unreadable: dict[str, str] = {}
        for conn_id, region in places:
            with _kept(unreadable, (f"connection {conn_id}, {region}",)):
                there = lists.instances(conn_id, region)
                drafts += [
                    draft(conn_id, region, raw) for name, raw in there.items() if name not in known and stranger(raw, known)
                ]
        return Discovery(drafts=tuple(drafts), unreadable=unreadable)

    def _look(self, lists: Listings, datastore: Datastore, *, alone: bool) -> tuple[tuple[RecoveryPoint, ...], dict[str, Any]]:
        only = datastore.instance if alone else None
        home = (datastore.connection, datastore.region)
        instance = lists.instances(*home).get(datastore.instance)
        snapshots = lists.snapshots(*home, only).get(datastore.instance, [])
        if instance is None and not snapshots:
            raise LookupError(f"no instance {datastore.instance} and no snapshot of it in {home[1]} (connection {home[0]})")
        copies: list[Copy] = []
        elsewhere: list[RecoveryPoint] = []
        faults: list[str] = []
        for place in datastore.copies:
            try:
                there = self._copies(lists, datastore, place, only)
            except _UNREADABLE as error:
                faults.append(f"copies in {place.region} cannot be read: {error}")
                continue
            copies += there[0]
            elsewhere += there[1] if alone else []
        found = points.of_instance(datastore, self._settings, instance, snapshots, copies)
        settings = measured_of(instance)
        if datastore.vault and instance is not None:
            vault, there_too = lists.vault(*home, datastore.vault)
            found += points.of_vault(datastore, self._settings, instance["DBInstanceArn"], vault, there_too)
            settings["vault_locked"] = bool(vault.get("Locked"))
        if faults:
            settings["unreadable_points"] = faults
        found.sort(key=lambda one: one.taken_at, reverse=True)
        return tuple(self._with_facts(lists, datastore, one, settings, alone) for one in [*found, *elsewhere]), settings

    def _copies(
        self, lists: Listings, datastore: Datastore, place: BackupCopy, only: str | None
    ) -> tuple[list[Copy], list[RecoveryPoint]]:
        conn_id = place.connection or datastore.connection
        if place.kind == "automated_backup":
            backups = lists.backups(conn_id, place.region).get(datastore.instance, [])
            return points.replicated_in(self._settings, place, datastore.region, backups), []
        snapshots = lists.copies(conn_id, place.region, only).get(datastore.instance, [])
        mine = [one for one in snapshots if one["SnapshotType"] != "automated"]
        return points.copies_in(self._settings, place, mine), points.copy_points(datastore, self._settings, place, mine)

    def _with_facts(
        self, lists: Listings, datastore: Datastore, point: RecoveryPoint, settings: Mapping[str, Any], alone: bool
    ) -> RecoveryPoint:
        """With what a look must know of the key and the vault; with the signed digests where a drill needs them."""
        facts = dict(point.facts)
        if point.encrypted and point.key_id:
            try:
                facts["key_trouble"] = lists.key_trouble(self._settings.connection, point.region, point.key_id)
            except _UNREADABLE as error:
                facts["key_unknown"] = str(error)
        if "vault_locked" in settings:
            facts["vault_locked"] = settings["vault_locked"]
        if alone and datastore.digests:
            facts |= digests_at(datastore.digests, point.id.replace(":", "-"), {})
        return point.model_copy(update={"facts": facts})

    def _strangers(self, lists: Listings, mine: Mapping[str, Datastore]) -> tuple[str, ...]:
        """Instances that no entry names, as ``REGION/IDENTIFIER``. Sandboxes of ours and replicas of known ones are none."""
        known = Counter(one.instance for one in mine.values())
        found = set()
        for conn_id, region in homes(mine.values()):
            try:
                instances = lists.instances(conn_id, region)
            except _UNREADABLE:
                continue  # its datastores are unreadable, which says it
            for identifier, raw in instances.items():
                if identifier not in known and stranger(raw, known):
                    found.add(f"{region}/{identifier}")
        return tuple(sorted(found))


@contextmanager
def _kept(unreadable: dict[str, str], names: Sequence[str]) -> Iterator[None]:
    """What cannot be read is noted for its datastores, and the others go on."""
    try:
        yield
    except _UNREADABLE as error:
        for name in names:
            unreadable[name] = f"{type(error).__name__}: {error}"


def own(datastore: model.Datastore) -> Datastore:
    """The datastore as this room's own. Raises TypeError for another cloud's."""
    if not isinstance(datastore, Datastore):
        raise TypeError(f"datastore {datastore.name} is not on RDS")
    return datastore


def homes(datastores: Any) -> list[tuple[str, str]]:
    """(connection, region) of the datastores, each once."""
    return sorted({(one.connection, one.region) for one in datastores})


def measured_of(instance: Raw | None) -> dict[str, Any]:
    """What RDS says of an instance's backups: how long they are kept (seconds), whether it is encrypted and protected."""
    if instance is None:
        return {"instance": "deleted: only its snapshots are left"}
    return {
        "retention": int(instance["BackupRetentionPeriod"]) * 86_400,
        "encrypted": bool(instance["StorageEncrypted"]),
        "deletion_protection": bool(instance.get("DeletionProtection")),
        "state": instance["DBInstanceStatus"],
    }
