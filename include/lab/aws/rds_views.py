"""What moto's RDS shows, mended: states, endpoints, restorable times, automated backups, pages of snapshots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from include.lab.aws import rds_calls
from include.lab.aws.rds import Rds

_UNREACHABLE_PORT = 9
"""Of an instance without a server: the discard port, where nobody listens."""


def install(rds: Rds) -> None:
    """Replace moto's methods and properties for this process."""
    from moto.rds import models
    from moto.rds.responses import RDSResponse

    backend: Any = models.RDSBackend
    responses: Any = RDSResponse
    originals = {name: getattr(backend, name) for name in ("create_db_instance", "create_db_snapshot", "copy_db_snapshot")}
    originals |= {name: getattr(backend, name) for name in ("modify_db_instance", "create_db_instance_read_replica")}

    def over(call: Any, name: str) -> Any:
        return lambda self, *args, **kwargs: call(rds, originals[name], self, *args, **kwargs)

    def instead(call: Any) -> Any:
        return lambda self, *args, **kwargs: call(rds, self, *args, **kwargs)

    backend.create_db_instance = over(rds_calls.create, "create_db_instance")
    backend.create_db_snapshot = over(rds_calls.snapshot, "create_db_snapshot")
    backend.copy_db_snapshot = over(rds_calls.copy_snapshot, "copy_db_snapshot")
    backend.modify_db_instance = over(rds_calls.modify, "modify_db_instance")
    backend.create_db_instance_read_replica = over(rds_calls.replica, "create_db_instance_read_replica")
    backend.restore_db_instance_from_db_snapshot = instead(rds_calls.from_snapshot)
    backend.restore_db_instance_to_point_in_time = instead(rds_calls.to_point_in_time)
    backend.delete_db_snapshot = instead(rds_calls.delete_snapshot)
    backend.delete_db_instance = instead(rds_calls.delete)
    backend.stop_db_instance = instead(rds_calls.stop)
    backend.start_db_instance = instead(rds_calls.start)
    backend.reboot_db_instance = instead(rds_calls.reboot)
    backend.promote_read_replica = instead(rds_calls.promote)
    backend.describe_db_instance_automated_backups = instead(automated_backups)
    backend.get_db_snapshot = instead(shared_or_own)
    _properties(rds, models)
    responses.describe_db_snapshots = _paginated_snapshots
    responses.describe_db_instance_automated_backups = _paginated_backups


def _properties(rds: Rds, models: Any) -> None:
    def set_word(self: Any, value: str) -> None:
        self.__dict__["_word"] = value

    instance, snapshot = models.DBInstance, models.DBSnapshot
    instance.save_automated_backup = lambda self: None
    instance.status = property(rds.word, set_word)
    snapshot.status = property(partial(rds.word, kind="snapshot"), set_word)
    snapshot.percent_progress = property(lambda self: 100 if self.status == "available" else 40)
    instance.latest_restorable_time = property(rds.restorable_until)
    instance.automatic_restart_time = property(partial(rds_calls.restarts_at, rds))
    instance.address = property(lambda self: "127.0.0.1")
    instance.endpoint = property(partial(_endpoint, rds))
    instance.pending_modified_values = property(lambda self: rds.pending.get(rds.key(self), {}))
    instance.dbi_resource_id = property(
        lambda self: rds.resource_ids.get(rds.key(self), "db-" + "0" * 26), lambda self, value: None
    )


def _endpoint(rds: Rds, instance: Any) -> dict[str, Any] | None:
    """None while it is being created, like Amazon's."""
    key = rds.key(instance)
    if instance.status == "creating":
        return None
    port = rds.plane.servers[rds.server(key)].cluster.port if rds.plane is not None and rds.real(key) else _UNREACHABLE_PORT
    return {"Address": "127.0.0.1", "Port": port, "HostedZoneId": "ZLAB"}


def shared_or_own(rds: Rds, backend: Any, identifier: str) -> Any:
    """A snapshot by name or ARN: of this account, or of one that shares it with this account."""
    from moto.rds.exceptions import DBSnapshotNotFoundFault
    from moto.rds.models import rds_backends

    home = backend
    name = identifier
    if identifier.startswith("arn:"):
        _, _, _, region, account, _, name = identifier.split(":", 6)
        home = rds_backends[account][region]
    snapshot = home.database_snapshots.get(name)
    if snapshot is None or (home.account_id != backend.account_id and backend.account_id not in snapshot.attributes["restore"]):
        raise DBSnapshotNotFoundFault(identifier)
    return snapshot


def automated_backup(rds: Rds, instance: Any) -> dict[str, Any]:
    """The automated backup of an instance, as API_DBInstanceAutomatedBackup has it."""
    key = rds.key(instance)
    _, account, region, identifier = key
    resource = rds.resource_ids.get(key, "db-" + "0" * 26)
    mine = [s for s in instance.backend.database_snapshots.values() if s.db_instance_identifier == identifier]
    earliest = min((s.created for s in mine if s.snapshot_type == "automated"), default=instance.created)
    return {
        "DBInstanceArn": instance.arn,
        "DbiResourceId": resource,
        "Region": region,
        "DBInstanceIdentifier": identifier,
        "RestoreWindow": {"EarliestTime": earliest, "LatestTime": rds.restorable_until(instance)},
        "AllocatedStorage": instance.allocated_storage,
        "Status": "active",
        "InstanceCreateTime": instance.instance_create_time,
        "MasterUsername": instance.master_username,
        "Engine": instance.engine,
        "EngineVersion": instance.engine_version,
        "Encrypted": instance.storage_encrypted,
        "KmsKeyId": instance.kms_key_id,
        "BackupRetentionPeriod": instance.backup_retention_period,
        "DBInstanceAutomatedBackupsArn": f"arn:aws:rds:{region}:{account}:auto-backup:ab-{resource.lower()}",
        "TagList": instance.tags,
    }


def automated_backups(rds: Rds, backend: Any, db_instance_identifier: str | None = None, **options: Any) -> list[dict[str, Any]]:
    """DescribeDBInstanceAutomatedBackups: of live instances with backups, and the retained ones of deleted ones."""
    wanted = {f["Name"]: f["Values"] for f in options.get("filters") or ()}
    found = [automated_backup(rds, i) for i in backend.databases.values() if i.backup_retention_period]
    found += [b for key, b in rds.retained.items() if key[1:3] == (backend.account_id, backend.region_name)]
    return [
        backup
        for backup in found
        if db_instance_identifier in (None, backup["DBInstanceIdentifier"])
        and backup["Status"] in wanted.get("status", [backup["Status"]])
        and backup["DBInstanceIdentifier"] in wanted.get("db-instance-id", [backup["DBInstanceIdentifier"]])
    ]


def _page(self: Any, found: list[Any], field: str, name: Callable[[Any], str]) -> Any:
    """One page of a list, up to MaxRecords (100 at most, as for Amazon), and the marker of the next."""
    from moto.core.responses import ActionResult

    most = int(self.params.get("MaxRecords") or 100)
    if not 20 <= most <= 100:
        raise rds_calls.refuse("InvalidParameterValue", f"Invalid value {most} for MaxRecords. Must be between 20 and 100")
    marker, start = self.params.get("Marker"), 0
    if marker:
        start = next((number for number, one in enumerate(found, 1) if name(one) == marker), len(found))
    page = found[start : start + most]
    more = {"Marker": name(page[-1])} if start + most < len(found) else {}
    return ActionResult({field: page, **more})


def _paginated_snapshots(self: Any) -> Any:
    filters = {f["Name"]: f["Values"] for f in self.params.get("Filters", [])}
    identifier, kind = self.params.get("DBSnapshotIdentifier"), self.params.get("SnapshotType")
    if identifier and identifier.startswith("arn:"):
        found = [self.backend.get_db_snapshot(identifier)]
    else:
        found = self.backend.describe_db_snapshots(self.params.get("DBInstanceIdentifier"), identifier, kind, filters)
    if kind is None and not identifier:
        # Without a type, automated and manual ones are returned, and no others (API_DescribeDBSnapshots).
        found = [snapshot for snapshot in found if snapshot.snapshot_type in ("automated", "manual")]
    return _page(self, found, "DBSnapshots", lambda one: str(one.db_snapshot_identifier))


def _paginated_backups(self: Any) -> Any:
    found = self.backend.describe_db_instance_automated_backups(
        self.params.get("DBInstanceIdentifier"), filters=self.params.get("Filters")
    )
    return _page(self, found, "DBInstanceAutomatedBackups", lambda one: str(one["DBInstanceAutomatedBackupsArn"]))
