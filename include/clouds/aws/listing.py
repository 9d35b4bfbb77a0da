"""What an account has in a region, page by page: each list is asked for once a survey, however many datastores want it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.tags import LEASE, tag
from include.clouds.aws.words import NotSignedIn, Refused, translated

Raw = Mapping[str, Any]
Given = TypeVar("Given")
PAGE = 100
"""The most that RDS gives at once (MaxRecords)."""


class Listings:
    """One survey's lists. An account and region that cannot be read raises the same error for everybody who asks."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._asked: dict[tuple[str, ...], Any] = {}

    def instances(self, conn_id: str, region: str) -> dict[str, Raw]:
        """Every DB instance by identifier."""
        return self._once(("instances", conn_id, region), lambda: self._instances(conn_id, region))

    def snapshots(self, conn_id: str, region: str, instance: str | None = None) -> dict[str, list[Raw]]:
        """Automated and manual snapshots by instance; of one instance only when it is named."""
        asked = {"DBInstanceIdentifier": instance} if instance else {}
        return self._once(("snapshots", conn_id, region, instance or ""), lambda: self._snapshots(conn_id, region, asked))

    def copies(self, conn_id: str, region: str, instance: str | None = None) -> dict[str, list[Raw]]:
        """Manual snapshots by instance, which copies are: from the whole list when a survey has it already."""
        if ("snapshots", conn_id, region, "") in self._asked:
            return self.snapshots(conn_id, region)
        asked = {"SnapshotType": "manual"} | ({"DBInstanceIdentifier": instance} if instance else {})
        return self._once(("copies", conn_id, region, instance or ""), lambda: self._snapshots(conn_id, region, asked))

    def backups(self, conn_id: str, region: str) -> dict[str, list[Raw]]:
        """Automated backups that lie in a region, by instance: of its own instances and replicated ones."""
        return self._once(("backups", conn_id, region), lambda: self._backups(conn_id, region))

    def vault(self, conn_id: str, region: str, name: str) -> tuple[Raw, list[Raw]]:
        """A vault of AWS Backup as DescribeBackupVault has it, and its recovery points."""
        return self._once(("vault", conn_id, region, name), lambda: self._vault(conn_id, region, name))

    def caller(self, conn_id: str, region: str) -> Raw:
        """Who a connection is: ``Account``, ``Arn``."""
        return self._once(("caller", conn_id), lambda: self._caller(conn_id, region))

    def key_trouble(self, conn_id: str, region: str, key_arn: str) -> str | None:
        """Why a KMS key cannot decrypt a restore made over this connection; None when it can."""
        return self._once(("key", conn_id, key_arn), lambda: self._key_trouble(conn_id, region, key_arn))

    def _once(self, key: tuple[str, ...], ask: Callable[[], Given]) -> Given:
        if key not in self._asked:
            try:
                self._asked[key] = ask()
            except Exception as error:  # kept and raised again for the next datastore that asks
                self._asked[key] = error
        found = self._asked[key]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    def _pages(self, conn_id: str, service: str, region: str, call: str, field: str, **asked: Any) -> list[Raw]:
        client = self._clients.client(conn_id, service, region)
        size = {} if service != "rds" else {"PaginationConfig": {"PageSize": PAGE}}
        with translated(f"connection {conn_id}, {region}, {call}"):
            return [raw for page in client.get_paginator(call).paginate(**asked, **size) for raw in page.get(field, ())]

    def _instances(self, conn_id: str, region: str) -> dict[str, Raw]:
        found = self._pages(conn_id, "rds", region, "describe_db_instances", "DBInstances")
        return {raw["DBInstanceIdentifier"]: raw for raw in found}

    def _snapshots(self, conn_id: str, region: str, asked: Mapping[str, str]) -> dict[str, list[Raw]]:
        return by_instance(self._pages(conn_id, "rds", region, "describe_db_snapshots", "DBSnapshots", **asked))

    def _backups(self, conn_id: str, region: str) -> dict[str, list[Raw]]:
        call = "describe_db_instance_automated_backups"
        return by_instance(self._pages(conn_id, "rds", region, call, "DBInstanceAutomatedBackups"))

    def _vault(self, conn_id: str, region: str, name: str) -> tuple[Raw, list[Raw]]:
        client = self._clients.client(conn_id, "backup", region)
        with translated(f"connection {conn_id}, {region}, vault {name}"):
            vault = client.describe_backup_vault(BackupVaultName=name)
        call = "list_recovery_points_by_backup_vault"
        return vault, self._pages(conn_id, "backup", region, call, "RecoveryPoints", BackupVaultName=name)

    def _caller(self, conn_id: str, region: str) -> Raw:
        with translated(f"connection {conn_id}, sts"):
            said: Raw = self._clients.client(conn_id, "sts", region).get_caller_identity()
            return said

    def _key_trouble(self, conn_id: str, region: str, key_arn: str) -> str | None:
        """RDS uses a key by a grant that the caller makes, so a dry run of that grant tells. It makes nothing.

        Source: KMS developer guide, "How Amazon RDS uses AWS KMS"; API_CreateGrant, DryRun.
        """
        account = str(self.caller(conn_id, region)["Account"])
        kms = self._clients.client(conn_id, "kms", region)
        try:
            with translated(f"connection {conn_id}, key {key_arn}"):
                key = kms.describe_key(KeyId=key_arn)["KeyMetadata"]
                if key["KeyState"] != "Enabled":
                    return f"{key_arn} is {key['KeyState']}"
                if key.get("KeyManager") == "AWS":
                    owner = key_arn.split(":")[4]
                    return None if owner == account else f"{key_arn} is managed by AWS: no other account can use it"
                grantee = f"arn:aws:iam::{account}:root"
                kms.create_grant(KeyId=key_arn, GranteePrincipal=grantee, Operations=["Decrypt", "CreateGrant"], DryRun=True)
        except NotSignedIn:
            raise
        except PermissionError as not_let:
            return str(not_let)
        except Refused as answer:
            return None if answer.means("DryRunOperationException") else f"{key_arn}: {answer}"
        return f"{key_arn}: the dry run of CreateGrant was not answered as one; nobody knows whether the key can be used"


def by_instance(found: Sequence[Raw]) -> dict[str, list[Raw]]:
    """Snapshots or backups by the identifier of the instance they are of."""
    grouped: dict[str, list[Raw]] = defaultdict(list)
    for raw in found:
        grouped[raw["DBInstanceIdentifier"]].append(raw)
    return dict(grouped)


def stranger(raw: Raw, known: Mapping[str, Any] | set[str]) -> bool:
    """Whether an instance is somebody's database: neither a sandbox of ours nor a replica of a known one."""
    source = str(raw.get("ReadReplicaSourceDBInstanceIdentifier") or "").rpartition(":")[2]
    return tag(raw, LEASE) is None and source not in known


def draft(conn_id: str, region: str, raw: Raw) -> dict[str, Any]:
    """A catalog entry to fill in: `business_time` is left empty, for only the owner knows it."""
    return {
        "name": raw["DBInstanceIdentifier"][:40],
        "cloud": "aws",
        "region": region,
        "connection": conn_id,
        "instance": raw["DBInstanceIdentifier"],
        "database": raw.get("DBName") or "postgres",
        "encrypted": bool(raw["StorageEncrypted"]),
        "business_time": "",
    }
