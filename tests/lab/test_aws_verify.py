"""Each thing that can be wrong with RDS backups is found by name, good neighbours stay good, and what is down hides no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aws_account import COPY, DRILL, HOME, AwsAccount, aws, datastore

from include.catalog.model import Tier
from include.recovery.model import Check, Outcome, Verdict
from include.recovery.verification import verdict, verify
from include.values import utcnow

__all__ = ["aws"]

TIER = Tier(rpo="15m", rto="1h", drill_every="7d", retention="7d")
SOUND = ("sound-a", "sound-b")
Names = dict[str, Any]


def hollow(account: AwsAccount, name: str, *, days: int = 7, encrypted: bool = True, key: str | None = None) -> None:
    """An instance of the control plane only, which gets one automated snapshot."""
    encryption = {"StorageEncrypted": True, "KmsKeyId": key or account.networks[HOME].key} if encrypted else {}
    account.lab.client("rds").create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        EngineVersion="18.1",
        AllocatedStorage=20,
        MasterUsername="dbadmin",
        BackupRetentionPeriod=days,
        **encryption,
    )


def copy(account: AwsAccount, arn: str, name: str, *, encrypted: bool = True) -> None:
    encryption = {"KmsKeyId": account.networks[COPY].key} if encrypted else {}
    account.lab.client("rds", COPY).copy_db_snapshot(
        SourceDBSnapshotIdentifier=arn, TargetDBSnapshotIdentifier=name, SourceRegion=HOME, **encryption
    )


def settled(ask: Any, field: str, status: str) -> None:
    """Return when everything that a call lists is available."""
    deadline = time.monotonic() + 60
    while any(one[status] != "available" for one in ask()[field]):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def many() -> Iterator[AwsAccount]:
    """The account with instances of every kind of trouble. Only this module's names are in them."""
    from aws_account import shared

    account = shared()
    lab = account.lab
    lost_key = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    other_key = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    for name in (*SOUND, "aged", "stopped-log", "bare", "old-copy", "stranger"):
        hollow(account, name)
    hollow(account, "open", encrypted=False)
    hollow(account, "short", days=1)
    hollow(account, "keyless", key=lost_key)
    hollow(account, "otherkey", key=other_key)
    settled(lab.client("rds").describe_db_instances, "DBInstances", "DBInstanceStatus")
    for name in WRONG:
        if name != "bare":
            (source,) = snapshots(account, name)
            copy(account, source["DBSnapshotArn"], f"copy-{name}", encrypted=name != "open")
    settled(lab.client("rds", COPY).describe_db_snapshots, "DBSnapshots", "Status")
    lab.client("kms").disable_key(KeyId=lost_key.rpartition("/")[2])
    for name, age in (("aged", timedelta(days=9)), ("stopped-log", timedelta(hours=4))):
        (snapshot,) = snapshots(account, name)
        lab.age_snapshot(region=HOME, snapshot=snapshot["DBSnapshotIdentifier"], created=(utcnow() - age).isoformat())
    lab.restorable_until(region=HOME, instance="stopped-log", at=(utcnow() - timedelta(hours=3)).isoformat())
    lab.age_snapshot(region=COPY, snapshot="copy-old-copy", created=(utcnow() - timedelta(days=9)).isoformat())
    yield account
    for name in (*SOUND, "aged", "stopped-log", "bare", "old-copy", "open", "short", "keyless", "otherkey", "stranger"):
        lab.client("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


def snapshots(account: AwsAccount, name: str) -> list[dict[str, Any]]:
    return account.lab.client("rds").describe_db_snapshots(DBInstanceIdentifier=name)["DBSnapshots"]


WRONG: dict[str, tuple[str, ...]] = {
    "sound-a": (),
    "sound-b": (),
    "aged": ("recovery-point-age",),
    "stopped-log": ("restorable-time-age",),
    "bare": ("copy-exists",),
    "old-copy": ("copy-age",),
    "open": ("store-encryption",),
    "short": ("store-retention",),
    "keyless": ("key-usable",),
    "otherkey": ("key-expected",),
}


def entries(account: AwsAccount, names: Any = WRONG) -> Names:
    changes = {"otherkey": {"kms_key": account.networks[HOME].key}}
    return {f"shop/{name}": datastore(name=name, instance=name, **changes.get(name, {})) for name in names}


def night(account: AwsAccount, found: Names, source: Any = None) -> tuple[dict[str, tuple[Check, ...]], Any]:
    """A sweep as the DAG does it: one survey, the newest points looked into, everything judged."""
    source, now = source or account.source(), utcnow()
    survey = source.survey(found, now)
    judged = {}
    for name, where in found.items():
        points = survey.points.get(name, ())
        inspection = source.inspect(where, points[0], None, full=False) if points else None
        judged[name] = verify(where, TIER, survey, inspection, (), now, datastore_id=name)
    return judged, survey


def failed(checks: tuple[Check, ...]) -> tuple[str, ...]:
    return tuple(one.name for one in checks if one.outcome is Outcome.FAILED)


def test_every_fault_is_found_by_name_and_nothing_else(many: AwsAccount, aws: AwsAccount) -> None:
    judged, survey = night(aws, entries(aws))
    assert {name.removeprefix("shop/"): failed(checks) for name, checks in judged.items()} == WRONG
    assert all(verdict(judged[f"shop/{name}"]) is Verdict.PASSED for name in SOUND)
    assert survey.uncatalogued == (f"{HOME}/orders", f"{HOME}/stranger")


def test_a_snapshot_made_by_hand_is_no_stale_log(many: AwsAccount, aws: AwsAccount) -> None:
    rds = aws.lab.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier="sound-a", DBSnapshotIdentifier="by-hand")
    settled(rds.describe_db_snapshots, "DBSnapshots", "Status")
    judged, survey = night(aws, entries(aws, ["sound-a"]))
    assert survey.points["shop/sound-a"][0].id == "by-hand"
    assert failed(judged["shop/sound-a"]) == ()
    rds.delete_db_snapshot(DBSnapshotIdentifier="by-hand")


def test_a_canary_fails_the_same_checks(many: AwsAccount, aws: AwsAccount) -> None:
    source, where = aws.source(), entries(aws, ["sound-a"])["shop/sound-a"]
    survey = source.survey({"shop/sound-a": where}, utcnow())
    point = survey.points["shop/sound-a"][0]
    with source.spoil(where, point) as bad:
        inspection = source.inspect(where, bad, None, full=False)
        checks = verify(where, TIER, survey, inspection, (), utcnow(), datastore_id="shop/sound-a")
    assert failed(checks) == ("point-available",)


def test_a_key_that_the_recovery_account_may_not_use_is_found(many: AwsAccount, aws: AwsAccount) -> None:
    aws.lab.fault(kind="denied", service="kms", action="CreateGrant", count=None)
    judged, _ = night(aws, entries(aws, SOUND))
    assert all(failed(checks) == ("key-usable",) for checks in judged.values())


def test_a_region_that_does_not_answer_hides_no_other(many: AwsAccount, aws: AwsAccount) -> None:
    aws.lab.fault(kind="denied", service="rds", region="eu-north-1", count=None)
    found = entries(aws, SOUND) | {"shop/far": datastore(name="far", region="eu-north-1", instance="far", copies=[])}
    judged, survey = night(aws, found)
    assert set(survey.unreadable) == {"shop/far"}
    assert "AccessDenied" in survey.unreadable["shop/far"]
    assert {one.outcome for one in judged["shop/far"]} == {Outcome.UNKNOWN}
    assert all(failed(judged[f"shop/{name}"]) == () for name in SOUND)


def test_copies_that_cannot_be_read_are_a_finding_of_their_own(many: AwsAccount, aws: AwsAccount) -> None:
    aws.lab.fault(kind="denied", service="rds", region=COPY, count=None)
    judged, _ = night(aws, entries(aws, SOUND))
    assert all(failed(checks) == ("points-readable", "copy-exists") for checks in judged.values())


def test_an_instance_that_is_not_there_is_unreadable(many: AwsAccount, aws: AwsAccount) -> None:
    judged, survey = night(aws, entries(aws, ["sound-a"]) | {"shop/gone": datastore(name="gone", instance="gone")})
    assert "no instance gone" in survey.unreadable["shop/gone"]
    assert verdict(judged["shop/gone"]) is Verdict.UNKNOWN


def test_a_state_that_nobody_has_mapped_is_loud(many: AwsAccount, aws: AwsAccount) -> None:
    raw = {"DBSnapshotIdentifier": "s", "Status": "daydreaming"}
    from include.clouds.aws.points import usable

    with pytest.raises(ValueError, match="daydreaming"):
        usable([raw])


def test_a_vault_keeps_points_and_must_be_locked(many: AwsAccount, aws: AwsAccount) -> None:
    backup = aws.lab.client("backup")
    arn = aws.lab.client("rds").describe_db_instances(DBInstanceIdentifier="sound-a")["DBInstances"][0]["DBInstanceArn"]
    taken = utcnow() - timedelta(hours=1)
    point = {
        "RecoveryPointArn": f"arn:aws:rds:{HOME}:123456789012:snapshot:awsbackup:job-1",
        "ResourceArn": arn,
        "Status": "COMPLETED",
        "CreationDate": taken.timestamp(),
        "BackupSizeInBytes": 21_000_000,
        "IsEncrypted": True,
        "EncryptionKeyArn": aws.networks[HOME].key,
    }
    for vault in ("locked", "loose"):
        backup.create_backup_vault(BackupVaultName=vault)
        aws.lab.vault_point(region=HOME, vault=vault, point=point)
    backup.put_backup_vault_lock_configuration(BackupVaultName="locked", MinRetentionDays=7)
    for vault, wrong in (("locked", ()), ("loose", ("vault-locked",))):
        where = datastore(name="sound-a", instance="sound-a", vault=vault)
        judged, survey = night(aws, {"shop/sound-a": where})
        kept = next(one for one in survey.points["shop/sound-a"] if one.kind == "awsbackup")
        assert (kept.id, kept.size_bytes) == ("awsbackup:job-1", 21_000_000)
        assert abs(kept.taken_at - taken) < timedelta(milliseconds=10)
        assert failed(judged["shop/sound-a"]) == wrong


def test_a_copy_in_another_account_is_read_over_its_own_connection(many: AwsAccount, aws: AwsAccount) -> None:
    vault_account = "210987654321"
    rds, there = aws.lab.client("rds"), aws.lab.client("rds", HOME, account=vault_account)
    name = f"shared-{utcnow():%H%M%S}"
    rds.create_db_snapshot(DBInstanceIdentifier="sound-b", DBSnapshotIdentifier=name)
    settled(rds.describe_db_snapshots, "DBSnapshots", "Status")
    arn = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]["DBSnapshotArn"]
    rds.modify_db_snapshot_attribute(DBSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=[vault_account])
    there.copy_db_snapshot(SourceDBSnapshotIdentifier=arn, TargetDBSnapshotIdentifier="kept")
    settled(there.describe_db_snapshots, "DBSnapshots", "Status")

    def connections(conn_id: str) -> Any:
        from include.connections import parse

        return parse(conn_id, aws.lab.connection(account=vault_account)) if conn_id == "aws_vault" else aws.connections(conn_id)

    from include.clouds.aws import backup_source

    where = datastore(name="sound-b", instance="sound-b", copies=[{"region": HOME, "connection": "aws_vault"}])
    survey = backup_source(connections, aws.settings()).survey({"shop/sound-b": where}, utcnow())
    copies = survey.points["shop/sound-b"][0].copies
    assert [one.location for one in copies] == [f"arn:aws:rds:{HOME}:{vault_account}:snapshot:kept"]
    rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    there.delete_db_snapshot(DBSnapshotIdentifier="kept")


def test_discover_drafts_every_stranger(many: AwsAccount, aws: AwsAccount) -> None:
    drafts = aws.source().discover(entries(aws)).drafts
    assert [one["instance"] for one in drafts] == ["orders", "stranger"]
    assert drafts[0] == {
        "name": "orders",
        "cloud": "aws",
        "region": HOME,
        "connection": "aws_backups",
        "instance": "orders",
        "database": "shop",
        "encrypted": True,
        "business_time": "",
    }
    assert {one["connection"] for one in aws.source().discover({}).drafts} == {DRILL}


@pytest.mark.parametrize(
    "kind", ["lost", "expired", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("throttle", "error", "refused"))]
)
def test_one_fault_at_every_call_of_a_sweep(many: AwsAccount, aws: AwsAccount, kind: str) -> None:
    """Each is either ridden out by the SDK or shown as unreadable or unknown; none makes anything green or red."""
    aws.lab.calls(clear=True)
    night(aws, entries(aws, SOUND))
    calls = len(aws.lab.calls(clear=True))
    assert calls >= 8
    for nth in range(1, calls + 1):
        aws.lab.fault(kind=kind, nth=nth)
        judged, _ = night(aws, entries(aws, SOUND))
        assert aws.lab.clear_faults() == 1, (kind, nth)
        wrong = {check.name for checks in judged.values() for check in checks if check.outcome is Outcome.FAILED}
        # Copies that could not be read are no copies: that is said red, and the unreadable place with it.
        assert wrong in (set(), {"points-readable", "copy-exists"}), (kind, nth, wrong)
        if wrong == set() and kind in ("throttle", "lost", "refused", "error"):
            assert all(verdict(checks) is Verdict.PASSED for checks in judged.values()), (kind, nth)
