"""From RDS's snapshots and AWS Backup's recovery points to ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.clouds.aws.settings import BackupCopy, Datastore, Sandboxes
from include.clouds.aws.words import SNAPSHOT, status
from include.recovery.model import Copy, RecoveryPoint, Status

Raw = Mapping[str, Any]
GIB = 2**30


def usable(snapshots: Iterable[Raw]) -> list[Raw]:
    """The snapshots that can be restored, newest first. Raises ValueError for a state that nobody has mapped."""
    done = [s for s in snapshots if status(s["Status"], SNAPSHOT, f"snapshot {s['DBSnapshotIdentifier']}") is Status.SUCCEEDED]
    return sorted(done, key=lambda one: one["SnapshotCreateTime"], reverse=True)


def taken(snapshot: Raw) -> datetime:
    """Of when the data is: a copy's own time says only when it was copied."""
    at: datetime = snapshot.get("OriginalSnapshotCreateTime") or snapshot["SnapshotCreateTime"]
    return at


def of_instance(
    datastore: Datastore, settings: Sandboxes, instance: Raw | None, snapshots: Sequence[Raw], copies: Sequence[Copy]
) -> list[RecoveryPoint]:
    """One point a snapshot. A point inside the window of the automated backups can be rolled to their end.

    The newest point gets the newest copy of every place; an older one the copies of its own instant.
    """
    done = usable(snapshots)
    latest: datetime | None = (instance or {}).get("LatestRestorableTime")
    resource = (instance or {}).get("DbiResourceId")
    automated = [taken(one) for one in done if one["SnapshotType"] == "automated" and one.get("DbiResourceId") == resource]
    earliest = min(automated, default=None)
    found = []
    for number, one in enumerate(done):
        at = taken(one)
        rolls = earliest is not None and at >= earliest and one.get("DbiResourceId") == resource
        until = max(latest, at) if latest is not None and rolls else at
        mine = [copy for copy in copies if number == 0 or copy.taken_at == at]
        found.append(_point(datastore, settings, one, until, mine, rolls=rolls and latest is not None))
    return found


def _point(
    datastore: Datastore, settings: Sandboxes, snapshot: Raw, until: datetime, copies: Sequence[Copy], *, rolls: bool
) -> RecoveryPoint:
    region = datastore.region
    return RecoveryPoint(
        id=snapshot["DBSnapshotIdentifier"],
        kind=snapshot["SnapshotType"],
        taken_at=taken(snapshot),
        restorable_until=until,
        region=region,
        failure_domain=settings.failure_domains.get(region, region),
        location=snapshot["DBSnapshotArn"],
        size_bytes=int(snapshot["AllocatedStorage"]) * GIB,
        engine_version=major(snapshot["EngineVersion"]),
        encrypted=bool(snapshot["Encrypted"]),
        key_id=snapshot.get("KmsKeyId"),
        copies=tuple(copies),
        facts={
            "status": snapshot["Status"],
            "rolls": rolls,
            "size_is": "provisioned storage",
            "restorable_until_basis": f"LatestRestorableTime of {datastore.instance}" if rolls else "the snapshot itself",
        },
    )


def copy_points(datastore: Datastore, settings: Sandboxes, place: BackupCopy, snapshots: Sequence[Raw]) -> list[RecoveryPoint]:
    """The copies as points of their own: to be restored where they lie."""
    found = []
    for one in usable(snapshots):
        point = _point(datastore, settings, one, taken(one), (), rolls=False)
        domain = settings.failure_domains.get(place.region, place.region)
        found.append(point.model_copy(update={"kind": "copy", "region": place.region, "failure_domain": domain}))
    return found


def copies_in(settings: Sandboxes, place: BackupCopy, snapshots: Sequence[Raw]) -> list[Copy]:
    """Snapshots of the instance that lie elsewhere, newest first."""
    domain = settings.failure_domains.get(place.region, place.region)
    return [
        Copy(
            location=one["DBSnapshotArn"],
            failure_domain=domain,
            taken_at=taken(one),
            size_bytes=int(one["AllocatedStorage"]) * GIB,
        )
        for one in usable(snapshots)
    ]


def replicated_in(settings: Sandboxes, place: BackupCopy, source_region: str, backups: Sequence[Raw]) -> list[Copy]:
    """Automated backups of the instance that are replicated to another region: as young as their log."""
    domain = settings.failure_domains.get(place.region, place.region)
    mine = [one for one in backups if one.get("Region") == source_region and one.get("Status") in ("active", "retained")]
    return [
        Copy(
            location=one["DBInstanceAutomatedBackupsArn"], failure_domain=domain, taken_at=one["RestoreWindow"].get("LatestTime")
        )
        for one in mine
    ]


def of_vault(datastore: Datastore, settings: Sandboxes, arn: str, vault: Raw, listed: Sequence[Raw]) -> list[RecoveryPoint]:
    """AWS Backup's completed snapshots of the instance. Continuous ones are the automated backups, which RDS lists itself."""
    region = datastore.region
    mine = [p for p in listed if p.get("ResourceArn") == arn and p.get("Status") in ("COMPLETED", "AVAILABLE")]
    return [
        RecoveryPoint(
            id=one["RecoveryPointArn"].split(":snapshot:")[-1],
            kind="awsbackup",
            taken_at=one["CreationDate"],
            restorable_until=one["CreationDate"],
            region=region,
            failure_domain=settings.failure_domains.get(region, region),
            location=one["RecoveryPointArn"],
            size_bytes=one.get("BackupSizeInBytes"),
            engine_version=None,
            encrypted=bool(one.get("IsEncrypted")),
            key_id=one.get("EncryptionKeyArn"),
            facts={"status": "available", "rolls": False, "vault": vault["BackupVaultName"]},
        )
        for one in mine
        if ":snapshot:" in one["RecoveryPointArn"]
    ]


def major(version: str) -> str:
    """``18`` of ``18.1``."""
    return version.split(".", maxsplit=1)[0]
