"""Sandboxes on RDS: `include.recovery.contracts.DatabaseRestore` over the recovery account's API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.catalog import model
from include.clouds.aws import preflight, shown
from include.clouds.aws.clients import AwsClients
from include.clouds.aws.settings import Datastore, Sandboxes
from include.clouds.aws.source import own
from include.clouds.aws.tags import ASKED, ENDED, LEASE, SECURED, marks, tag
from include.clouds.aws.words import Refused, translated
from include.clouds.managed import check_mark, secured
from include.recovery.contracts import Transient
from include.recovery.model import Access, Check, Lease, Outcome, Owned, PlanItem, RecoveryPoint, Sandbox
from include.recovery.naming import sandbox_name, sandbox_password
from include.values import utcnow

Raw = Mapping[str, Any]


class RdsRestore:
    """Makes sandboxes in the region where the recovery point lies, in the recovery account's sandbox network."""

    def __init__(self, clients: AwsClients, settings: Sandboxes) -> None:
        self._clients, self._settings = clients, settings

    def preflight(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem) -> Sequence[Check]:
        """Network without a way out, harmless parameters, key, version, reach of the point."""
        return preflight.checks(self._clients, self._settings, own(datastore), point, item.target)

    def find(self, name: str, datastore: model.Datastore, drill_id: str | None = None) -> Sandbox | None:
        """The sandbox in whichever region its point lay. One whose end was asked for is none any more."""
        _, raw = self._found(name, own(datastore))
        if raw is None or shown.ending(raw):
            return None
        return self._shown(raw)

    def create(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Sandbox:
        """Ask for the restore. The latest state and a time come from the automated backups, a named point from itself.

        Raises PermissionError when an instance of that name is not ours, Transient while an ended one keeps the name.
        """
        mine = own(datastore)
        if lease.sandbox != sandbox_name(item.drill_id):
            raise ValueError(f"the lease is for {lease.sandbox}, drill {item.drill_id} needs {sandbox_name(item.drill_id)}")
        _, there = self._found(lease.sandbox, mine)
        if there is None:
            try:
                with translated(f"restore of {mine.instance} as {lease.sandbox}"):
                    return self._shown(self._restore(mine, point, item, lease))
            except Refused as refused:
                if not refused.means("DBInstanceAlreadyExists"):
                    raise
            _, there = self._found(lease.sandbox, mine)
        if there is None or shown.ending(there):
            raise Transient(f"an earlier {lease.sandbox} is still being deleted: the name is free when it is gone")
        check_mark(lease.sandbox, tag(there, LEASE), lease)
        return self._shown(there)

    def secure(self, name: str, datastore: model.Datastore, secret: str) -> Sequence[Check]:
        """A new master password through the API, before anybody connects; then what the data carries, by SQL.

        Raises Transient while RDS sets the password.
        """
        mine = own(datastore)
        region, raw = self._ours(name, mine)
        network = preflight.network_of(self._settings, region)
        checks = [shown.private(raw), shown.walled(raw, network.security_groups)]
        if any(one.outcome is not Outcome.PASSED for one in checks):
            return checks
        access = self._admit(mine, region, raw, secret)
        checks.append(Check(name="passwords-rotated", layer="harmless", outcome=Outcome.PASSED, measured=access.admin))
        checks += secured(access, [*shown.VENDOR_ROLES, access.admin], shown.VENDOR_DATABASES)
        if all(one.outcome in (Outcome.PASSED, Outcome.UNSUPPORTED) for one in checks):
            self._mark(region, raw, SECURED)
        return checks

    def access(self, name: str, datastore: model.Datastore, secret: str) -> Access:
        """How to connect. Raises PermissionError before the sandbox is secured."""
        mine = own(datastore)
        _, raw = self._ours(name, mine)
        if tag(raw, SECURED) is None:
            raise PermissionError(f"sandbox {name} is not secured: call secure first")
        return shown.entrance(name, mine, raw, secret)

    def discard(self, name: str, datastore: model.Datastore, lease: Lease) -> None:
        """Ask for its end, with no final snapshot and none of its backups kept. RDS then cannot be stopped from it."""
        region, raw = self._found(name, own(datastore))
        if raw is None or shown.ending(raw):
            return
        check_mark(name, tag(raw, LEASE), lease)
        rds = self._rds(region)
        with translated(f"end of {name}"):
            if raw.get("DeletionProtection"):
                # Nobody of ours sets it; somebody did who has not adopted the lease.
                rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
                raise Transient(f"{name} had deletion protection, which is being taken off: discard it again")
            self._mark(region, raw, ENDED)
            try:
                rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
            except Refused as refused:
                if not refused.means("DBInstanceNotFound"):
                    raise

    def inventory(self, datastores: Sequence[model.Datastore]) -> Sequence[Owned]:
        """Instances and retained automated backups with our mark, in every region of the sandbox networks.

        What RDS is deleting counts as gone for as long as `deleted_within` says, and as a leftover afterwards.
        """
        del datastores
        found = []
        for region in self._settings.networks:
            for raw in self._pages(region, "describe_db_instances", "DBInstances"):
                if tag(raw, LEASE) is not None and not shown.going(raw, self._settings.deleted_within, utcnow()):
                    found.append(shown.owned(raw, region, "instance"))
            for raw in self._pages(region, "describe_db_instance_automated_backups", "DBInstanceAutomatedBackups"):
                if tag(raw, LEASE) is not None and raw["Status"] == "retained":
                    found.append(shown.owned(raw, region, "automated-backup"))
        return found

    def _shown(self, raw: Raw) -> Sandbox:
        return shown.sandbox(raw, self._settings.ready_within, utcnow())

    def _rds(self, region: str) -> Any:
        return self._clients.client(self._settings.connection, "rds", region)

    def _pages(self, region: str, call: str, field: str) -> Iterator[Raw]:
        with translated(f"inventory of {region}"):
            for page in self._rds(region).get_paginator(call).paginate(PaginationConfig={"PageSize": 100}):
                yield from page[field]

    def _found(self, name: str, datastore: Datastore) -> tuple[str, Raw | None]:
        """The instance of that name, looked for where the datastore's points lie."""
        regions = dict.fromkeys([datastore.region, *(place.region for place in datastore.copies)])
        for region in regions:
            if region not in self._settings.networks:
                continue
            try:
                with translated(f"look for {name} in {region}"):
                    return region, self._rds(region).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            except Refused as refused:
                if not refused.means("DBInstanceNotFound"):
                    raise
        return datastore.region, None

    def _ours(self, name: str, datastore: Datastore) -> tuple[str, Raw]:
        region, raw = self._found(name, datastore)
        if raw is None or tag(raw, LEASE) is None or shown.ending(raw):
            raise PermissionError(f"{name} is no sandbox of ours in {region}: nothing was done")
        return region, raw

    def _restore(self, datastore: Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Raw:
        """One of the two calls. What is not asked for here would be production's or the account's default."""
        network = preflight.network_of(self._settings, point.region)
        common = {
            "DBInstanceClass": network.instance_class,
            "DBSubnetGroupName": network.subnet_group,
            "VpcSecurityGroupIds": list(network.security_groups),
            "DBParameterGroupName": preflight.parameter_group(network, point) or "",
            "PubliclyAccessible": False,
            "MultiAZ": False,
            "DeletionProtection": False,
            "BackupRetentionPeriod": 0,
            "CopyTagsToSnapshot": False,
            "AutoMinorVersionUpgrade": False,
            "EnableIAMDatabaseAuthentication": False,
            "Tags": marks(lease),
        }
        rds, target = self._rds(point.region), item.target
        if target.point_id is None and point.facts.get("rolls"):
            to = {"RestoreTime": target.time} if target.time else {"UseLatestRestorableTime": True}
            asked = {"SourceDBInstanceIdentifier": datastore.instance, "TargetDBInstanceIdentifier": lease.sandbox, **to}
            rolled: Raw = rds.restore_db_instance_to_point_in_time(**asked, **common)["DBInstance"]
            return rolled
        # A snapshot that another account shares is known by its ARN only.
        asked = {"DBInstanceIdentifier": lease.sandbox, "DBSnapshotIdentifier": point.location}
        made: Raw = rds.restore_db_instance_from_db_snapshot(**asked, **common)["DBInstance"]
        return made

    def _admit(self, datastore: Datastore, region: str, raw: Raw, secret: str) -> Access:
        """How to connect with the master password of ours. Asks RDS for it once; raises Transient until RDS has set it."""
        rds, name = self._rds(region), str(raw["DBInstanceIdentifier"])
        if raw["DBInstanceStatus"] != "available" or "MasterUserPassword" in (raw.get("PendingModifiedValues") or {}):
            raise Transient(f"{name} is {raw['DBInstanceStatus']}, its master password is being set: look again")
        if tag(raw, ASKED) is None:
            password = sandbox_password(secret, name, shown.MASTER)
            with translated(f"master password of {name}"):
                rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword=password, ApplyImmediately=True)
            # Marked when it was asked for: killed in between, the same password is asked for again.
            self._mark(region, raw, ASKED)
            raise Transient(f"the master password of {name} was asked for: look again")
        return shown.entrance(name, datastore, raw, secret)

    def _mark(self, region: str, raw: Raw, key: str) -> None:
        with translated(f"mark of {raw['DBInstanceIdentifier']}"):
            marked = [{"Key": key, "Value": utcnow().isoformat()}]
            self._rds(region).add_tags_to_resource(ResourceName=raw["DBInstanceArn"], Tags=marked)
