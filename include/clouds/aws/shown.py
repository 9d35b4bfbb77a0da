"""A sandbox's instance as RDS describes it, in our words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from include.clouds.aws.settings import Datastore
from include.clouds.aws.tags import ENDED, LEASE, OPENED, SECURED, tag
from include.clouds.aws.words import INSTANCE, status
from include.clouds.managed import judged
from include.recovery.harmless import READER
from include.recovery.model import Access, Check, Owned, Sandbox, Status
from include.recovery.naming import sandbox_password
from include.values import format_duration

Raw = Mapping[str, Any]
VENDOR_ROLES = ("rdsadmin", "rdsrepladmin", "rdstopmgr", "rdswriteforwarduser", "rds_superuser", "rds_replication", "rds_iam")
VENDOR_DATABASES = ("rdsadmin",)
MASTER = "master"
"""What the master user's password is derived for, whatever production calls it."""


def ending(raw: Raw) -> bool:
    """Whether its end was asked for."""
    return str(raw["DBInstanceStatus"]) in ("deleting", "delete-precheck")


def going(raw: Raw, within: timedelta, now: datetime) -> bool:
    """Whether RDS is deleting it, and not for too long."""
    asked = tag(raw, ENDED)
    return ending(raw) and asked is not None and now - datetime.fromisoformat(asked) < within


def sandbox(raw: Raw, ready_within: timedelta, now: datetime) -> Sandbox:
    """The instance as a sandbox, with the seconds from the lease to the instance's own time of creation.

    RDS never gives up on some instances; after `ready_within` we do.
    """
    word, name = str(raw["DBInstanceStatus"]), str(raw["DBInstanceIdentifier"])
    found, detail, phases = status(word, INSTANCE, f"instance {name}"), word, {}
    opened, made = tag(raw, OPENED), raw.get("InstanceCreateTime")
    began = datetime.fromisoformat(opened) if opened else None
    if began and made and found is Status.SUCCEEDED:
        phases["create"] = max((made - began) / timedelta(seconds=1), 0.0)
    if began and found is Status.RUNNING and tag(raw, SECURED) is None and now - began > ready_within:
        found, detail = Status.FAILED, f"still {word} after {format_duration(ready_within)}: look at the events of {name} in RDS"
    return Sandbox(name=name, status=found, detail=detail, phases=phases, lease_id=tag(raw, LEASE))


def owned(raw: Raw, region: str, kind: str) -> Owned:
    """Something with our mark, for the inventory."""
    return Owned(
        name=raw["DBInstanceIdentifier"],
        cloud="aws",
        region=region,
        kind=kind,
        lease_id=tag(raw, LEASE) or "",
        created_at=raw.get("InstanceCreateTime"),
    )


def private(raw: Raw) -> Check:
    """It has no public address."""
    public = bool(raw.get("PubliclyAccessible"))
    told = "public" if public else "private"
    return judged("not-public", "harmless", not public, told, "private", "the restored instance has a public address: discard it")


def walled(raw: Raw, wanted: Sequence[str]) -> Check:
    """It has the sandbox's security groups and no other."""
    groups = sorted(one["VpcSecurityGroupId"] for one in raw.get("VpcSecurityGroups") or ())
    told, threshold = ", ".join(groups), ", ".join(sorted(wanted))
    return judged("own-network", "harmless", told == threshold, told, threshold, "not the sandbox's security groups: discard it")


def entrance(name: str, datastore: Datastore, raw: Raw, secret: str) -> Access:
    """How its administrator and its reader connect."""
    return Access(
        host=raw["Endpoint"]["Address"],
        port=int(raw["Endpoint"]["Port"]),
        database=datastore.database,
        admin=raw["MasterUsername"],
        reader=READER,
        admin_password=sandbox_password(secret, name, MASTER),
        reader_password=sandbox_password(secret, name, READER),
    )
