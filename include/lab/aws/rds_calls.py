"""RDS calls whose moto version is replaced: create, restore, snapshot, modify, stop, delete. Each takes moto's `RDSBackend`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.lab.aws.capacity import room
from include.lab.aws.rds import MASTER_NAMES_TAKEN, Base, Rds
from include.values import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = (
    *("engine", "engine_version", "allocated_storage", "master_username", "port", "storage_type", "iops", "license_model"),
    *("db_instance_class", "db_name", "storage_encrypted", "kms_key_id", "backup_retention_period", "preferred_backup_window"),
    *("preferred_maintenance_window", "auto_minor_version_upgrade", "character_set_name"),
)
"""What a restored instance takes from its source. Everything else has the defaults of the API: no tags, no deletion
protection, not public, default security group and parameter group (API_RestoreDBInstanceFromDBSnapshot)."""
_MODIFIABLE_WHEN = ("available", "storage-optimization")


def refuse(code: str, message: str) -> Exception:
    """An RDS error as the vendor spells it."""
    from moto.rds.exceptions import RDSClientError

    return RDSClientError(code, message)


def create(rds: Rds, original: Callable[..., Any], backend: Any, kwargs: dict[str, Any]) -> Any:
    """CreateDBInstance, and the last step of every restore."""
    kwargs = dict(kwargs)
    if len(backend.databases) >= rds.quotas["instances"]:
        rds.source = None
        raise refuse("InstanceQuotaExceeded", "The request would result in exceeding the allowed number of DB instances.")
    if kwargs.get("master_username") in MASTER_NAMES_TAKEN:
        raise refuse(
            "InvalidParameterValue", f"MasterUsername {kwargs['master_username']} cannot be used as it is a reserved word"
        )
    password = kwargs.get("master_user_password")
    try:
        instance = original(backend, kwargs)
    except Exception:
        rds.source = None
        raise
    if instance.engine == "postgres":
        rds.begin_instance(backend, instance, password=password)
    return instance


def restored(source: Any, overrides: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `create` for a restore."""
    kwargs = {name: getattr(source, name) for name in _KEPT}
    kwargs |= {name: value for name, value in overrides.items() if value is not None}
    for name in ("db_snapshot_identifier", "source_db_instance_identifier", "target_db_instance_identifier"):
        kwargs.pop(name, None)
    for name in (
        "restore_time",
        "use_latest_restorable_time",
        "source_dbi_resource_id",
        "source_db_instance_automated_backups_arn",
    ):
        kwargs.pop(name, None)
    return kwargs


def plain(overrides: Any) -> dict[str, Any]:
    """moto's request parameters as a plain dict with snake_case names."""
    return {name: overrides[name] for name in overrides}


def from_snapshot(rds: Rds, backend: Any, identifier: str, overrides: Any) -> Any:
    """RestoreDBInstanceFromDBSnapshot, from this account's or a shared snapshot."""
    snapshot = backend.get_db_snapshot(identifier)
    if snapshot.region != backend.region_name:
        raise refuse("DBSnapshotNotFound", f"DBSnapshot {identifier} not found.")
    if snapshot.status != "available":
        raise refuse("InvalidDBSnapshotState", f"The snapshot {identifier} is in state {snapshot.status}, not available.")
    given = plain(overrides)
    _new_name(backend, given["db_instance_identifier"])
    kwargs = restored(snapshot.database, given)
    kwargs |= {"storage_encrypted": snapshot.encrypted, "kms_key_id": snapshot.kms_key_id}
    base = rds.bases.get(rds.key(snapshot, "snapshot"))
    if base is not None and rds.plane is not None:
        plane = rds.plane
        rds.source = lambda name, settings, archive: plane.restore(name, base.path, settings, archive=archive)
    return backend.create_db_instance(kwargs)


def to_point_in_time(rds: Rds, backend: Any, source_id: str, target_id: str, overrides: Any) -> Any:
    """RestoreDBInstanceToPointInTime from the automated backups of a live instance."""
    source = backend.describe_db_instances(source_id)[0]
    given = plain(overrides)
    _new_name(backend, target_id)
    latest = rds.restorable_until(source)
    if latest is None:
        raise refuse("PointInTimeRestoreNotEnabled", f"Point in time restore is not enabled for {source_id}: retention is 0.")
    to: datetime | None = given.get("restore_time")
    if to is not None and to.tzinfo is None:
        to = to.replace(tzinfo=UTC)  # moto reads the request's UTC time without its zone
    if to is not None and to > latest:
        raise refuse("InvalidRestoreFault", f"The specified restore time {to} is after the latest restorable time {latest}.")
    if to is None and not given.get("use_latest_restorable_time"):
        raise refuse("InvalidParameterCombination", "Either RestoreTime or UseLatestRestorableTime must be specified.")
    kwargs = restored(source, given) | {"db_instance_identifier": target_id}
    if rds.real(rds.key(source)) and rds.plane is not None:
        plane, base = rds.plane, _base_before(rds, backend, source_id, to)
        server = rds.server(rds.key(source))
        rds.source = lambda name, settings, archive: plane.roll(name, base.path, server, to, settings, archive=archive)
    return backend.create_db_instance(kwargs)


def _base_before(rds: Rds, backend: Any, source_id: str, to: datetime | None) -> Base:
    mine = [s for s in backend.database_snapshots.values() if s.db_instance_identifier == source_id]
    bases = [rds.bases.get(rds.key(s, "snapshot")) for s in mine if s.snapshot_type == "automated"]
    usable = [base for base in bases if base is not None and (to is None or base.began < to)]
    if not usable:
        raise refuse("InvalidRestoreFault", f"Instance {source_id} cannot be restored to {to}: it is before the first backup.")
    return max(usable, key=lambda base: base.began)


def _new_name(backend: Any, identifier: str) -> None:
    from moto.rds.exceptions import DBInstanceAlreadyExists

    if identifier in backend.databases:
        raise DBInstanceAlreadyExists()


def snapshot(rds: Rds, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
    """CreateDBSnapshot."""
    made = original(backend, *args, **kwargs)
    instance = backend.databases[made.db_instance_identifier]
    if instance.status != "available":
        del backend.database_snapshots[made.db_snapshot_identifier]
        raise refuse("InvalidDBInstanceState", f"Instance {instance.db_instance_identifier} is not available.")
    rds.begin_snapshot(made, instance)
    return made


def copy_snapshot(rds: Rds, original: Callable[..., Any], backend: Any, **kwargs: Any) -> Any:
    """CopyDBSnapshot within a region, from another region, or of a snapshot that another account shares."""
    source = backend.get_db_snapshot(kwargs["source_db_snapshot_identifier"])
    if source.status != "available":
        raise refuse("InvalidDBSnapshotState", f"The source snapshot is in state {source.status}, not available.")
    if source.encrypted and source.region != backend.region_name and not kwargs.get("kms_key_id"):
        raise refuse("InvalidParameterValue", "An encrypted snapshot is copied to another region only with a KmsKeyId of it.")
    made = original(backend, **kwargs)
    made.source_region, made.source_db_snapshot_identifier = source.region, source.arn
    rds.begin_snapshot(made, None, copy_of=rds.bases.get(rds.key(source, "snapshot")))
    return made


def delete_snapshot(rds: Rds, backend: Any, identifier: str) -> Any:
    """DeleteDBSnapshot: manual ones that are available."""
    from moto.rds.exceptions import DBSnapshotNotFoundFault

    found = backend.database_snapshots.get(identifier)
    if found is None:
        raise DBSnapshotNotFoundFault(identifier)
    if found.snapshot_type == "automated" or found.status != "available":
        raise refuse("InvalidDBSnapshotState", f"Snapshot {identifier} ({found.snapshot_type}) is in state {found.status}.")
    rds.forget_snapshot(backend, found)
    return found


def modify(rds: Rds, original: Callable[..., Any], backend: Any, identifier: str, kwargs: Any) -> Any:
    """ModifyDBInstance; a new master password is really set, while the instance says so."""
    instance = backend.describe_db_instances(identifier)[0]
    if instance.status not in _MODIFIABLE_WHEN:
        raise refuse("InvalidDBInstanceState", f"Instance {identifier} is in state {instance.status}: it cannot be modified now.")
    password = kwargs.get("master_user_password")
    if password is not None and (not 8 <= len(password) <= 128 or any(c in password for c in "/'\"@ ")):
        raise refuse("InvalidParameterValue", "MasterUserPassword is 8 to 128 printable characters without / ' \" @ or space.")
    changed = original(backend, identifier, kwargs)
    if password is not None:
        rds.pending[rds.key(changed)] = {"MasterUserPassword": "****"}
        master = str(changed.master_username)
        rds.change(changed, "resetting-master-credentials", lambda plane, name: plane.set_password(name, master, password))
    else:
        rds.change(changed, "modifying", None)
    return changed


def delete(rds: Rds, backend: Any, db_instance_identifier: str, **options: Any) -> Any:
    """DeleteDBInstance."""
    instance = backend.describe_db_instances(db_instance_identifier)[0]
    final, skip = options.get("final_db_snapshot_identifier"), options.get("skip_final_snapshot")
    if instance.status == "deleting":
        raise refuse("InvalidDBInstanceState", f"Instance {db_instance_identifier} is already being deleted.")
    if instance.deletion_protection:
        raise refuse(
            "InvalidParameterCombination",
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        )
    if not skip and not final:
        raise refuse(
            "InvalidParameterCombination", "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        )
    if final and not skip:
        backend.create_db_snapshot(db_instance_identifier, final)
    keep = options.get("delete_automated_backups") is False and bool(instance.backup_retention_period)
    if keep:
        from include.lab.aws.rds_views import automated_backup

        rds.retained[rds.key(instance)] = automated_backup(rds, instance) | {"Status": "retained"}
    rds.begin_delete(backend, instance, keep_automated=keep)
    return instance


RESTARTS_AFTER = timedelta(days=7)
"""RDS User Guide, *Stopping an Amazon RDS DB instance temporarily*; shown as AutomaticRestartTime (API_DBInstance)."""


def stop(rds: Rds, backend: Any, identifier: str, snapshot_id: str | None = None) -> Any:
    """StopDBInstance: its endpoint refuses from now on. Not of a replica, nor of what has replicas (same page)."""
    instance = backend.describe_db_instances(identifier)[0]
    if instance.status != "available":
        raise refuse("InvalidDBInstanceState", f"Instance {identifier} is not in available state.")
    if instance.is_replica or instance.replicas:
        raise refuse("InvalidDBInstanceState", f"Instance {identifier} is or has a read replica: it cannot be stopped.")
    if snapshot_id:
        backend.create_db_snapshot(identifier, snapshot_id)
    rds.stopped_at[rds.key(instance)] = utcnow()
    rds.change(instance, "stopping", lambda plane, name: plane.stop(name), final="stopped")
    return instance


def restarts_at(rds: Rds, instance: Any) -> datetime | None:
    """When a stopped instance starts by itself."""
    stopped = rds.stopped_at.get(rds.key(instance)) if instance.status in ("stopping", "stopped") else None
    return stopped + RESTARTS_AFTER if stopped else None


def start(rds: Rds, backend: Any, identifier: str) -> Any:
    """StartDBInstance."""
    instance = backend.describe_db_instances(identifier)[0]
    if instance.status != "stopped":
        raise refuse("InvalidDBInstanceState", f"Instance {identifier} is not stopped, it cannot be started.")
    kind, zone = str(instance.db_instance_class), str(instance.availability_zone)
    if not room(rds.short, backend.region_name, kind, zone):
        raise refuse("InsufficientDBInstanceCapacity", f"{kind} isn't available in the Availability Zone {zone} now.")
    rds.change(instance, "starting", lambda plane, name: plane.start(name))
    return instance


def replica(rds: Rds, original: Callable[..., Any], backend: Any, kwargs: Any) -> Any:
    """CreateDBInstanceReadReplica, streaming from its source."""
    source = backend.find_db_from_id(kwargs["source_db_instance_identifier"])
    if source.status != "available" or not source.backup_retention_period:
        raise refuse("InvalidDBInstanceState", "A replica needs an available source with automated backups.")
    made = original(backend, kwargs)
    made.backend = backend
    made.db_instance_identifier = kwargs["db_instance_identifier"]
    made.tags, made.backup_retention_period = list(kwargs.get("tags") or []), 0
    if rds.real(rds.key(source)) and rds.plane is not None:
        plane, primary = rds.plane, rds.server(rds.key(source))
        rds.source = lambda name, settings, archive: plane.replicate(name, primary, settings)
    rds.begin_instance(backend, made, password=None)
    return made


def promote(rds: Rds, backend: Any, kwargs: Any) -> Any:
    """PromoteReadReplica: it stands alone, and names no source any more."""
    instance = backend.describe_db_instances(kwargs["db_instance_identifier"])[0]
    if not instance.is_replica:
        raise refuse("InvalidDBInstanceState", "The DB instance is not a read replica.")
    primary = backend.find_db_from_id(instance.source_db_instance_identifier)
    for name in (instance.db_instance_identifier, instance.db_instance_arn):
        if name in primary.replicas:
            primary.replicas.remove(name)
    instance.is_replica, instance.source_db_instance_identifier = False, None
    if kwargs.get("backup_retention_period") is not None:
        instance.backup_retention_period = kwargs["backup_retention_period"]
    rds.change(instance, "modifying", lambda plane, name: plane.promote(name))
    return instance


def reboot(rds: Rds, backend: Any, identifier: str) -> Any:
    """RebootDBInstance."""
    instance = backend.describe_db_instances(identifier)[0]
    if instance.status != "available":
        raise refuse("InvalidDBInstanceState", f"Instance {identifier} is not in available state.")

    def work(plane: Any, name: str) -> None:
        plane.stop(name)
        plane.start(name)

    rds.change(instance, "rebooting", work)
    return instance
