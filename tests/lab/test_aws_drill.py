"""Restores on RDS: what a sandbox is made from, what it may not be, and what is refused."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from aws_account import COPY, HOME, ID, SECRET, AwsAccount, aws, datastore, desk, lease_of, plan_item, ready

from include.clouds.aws.settings import Sandboxes
from include.recovery import drill, leases
from include.recovery.contracts import Transient
from include.recovery.journal import Journal
from include.recovery.model import Outcome, Status, Target, Verdict
from include.recovery.run import run_drill
from include.values import utcnow

__all__ = ["aws"]


def newest(account: AwsAccount) -> Any:
    return account.source().survey({ID: datastore()}, utcnow()).points[ID][0]


def count(access: Any) -> int:
    with (
        closing(
            psycopg2.connect(
                host=access.host, port=access.port, dbname=access.database, user=access.reader, password=access.reader_password
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT count(*) FROM orders")
        return int(cursor.fetchone()[0])


def secured(restore: Any, name: str) -> Any:
    """Make it harmless, however often RDS says that it is still at it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return restore.secure(name, datastore(), SECRET)
        except Transient:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_drill_restores_secures_asks_and_leaves_nothing(aws: AwsAccount, tmp_path: Any) -> None:
    aws.order(5)
    aws.lab.upload()
    record = run_drill(desk(aws, tmp_path), plan_item("shop.main.whole"), None)
    assert record.verdict is Verdict.PASSED, record.summary
    assert record.recovery_point is not None
    assert record.recovery_point.kind == "automated"
    assert {"not-public", "own-network", "passwords-rotated", "no-way-out", "nothing-left"} <= {c.name for c in record.checks}
    assert record.created == record.removed != ()
    assert aws.gone()
    source = aws.lab.client("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]
    assert source["DBInstanceStatus"] == "available"
    assert source["DeletionProtection"]


def test_what_is_created_has_nothing_of_productions(aws: AwsAccount) -> None:
    item, restore = plan_item("shop.main.shape"), aws.restore()
    lease = lease_of(item, requested_by="Zoë <zoe@example.com>")
    restore.create(datastore(), newest(aws), item, lease)
    made = aws.lab.client("rds").describe_db_instances(DBInstanceIdentifier=lease.sandbox)["DBInstances"][0]
    assert made["PubliclyAccessible"] is False
    assert made["DeletionProtection"] is False
    assert made["BackupRetentionPeriod"] == 0
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "drillyard-sandbox"
    assert [one["DBParameterGroupName"] for one in made["DBParameterGroups"]] == ["drillyard-sandbox-18"]
    assert [one["VpcSecurityGroupId"] for one in made["VpcSecurityGroups"]] == [aws.networks[HOME].security_group]
    tags = {one["Key"]: one["Value"] for one in made["TagList"]}
    assert tags["drillyard:lease"] == item.drill_id
    assert tags["drillyard:requested-by"] == "Zo_ _zoe@example.com_"
    assert "owner" not in tags


def test_a_cross_region_copy_is_restored_where_it_lies(aws: AwsAccount) -> None:
    points = aws.source().survey({ID: datastore()}, utcnow()).points[ID]
    copy = next(one for one in points if one.kind == "copy")
    assert copy.region == COPY
    item, restore = plan_item("shop.main.copy", Target(point_id=copy.id)), aws.restore()
    assert {c.outcome for c in restore.preflight(datastore(), copy, item)} == {Outcome.PASSED}
    lease = lease_of(item)
    restore.create(datastore(), copy, item, lease)
    assert ready(restore, lease.sandbox, datastore()).status is Status.SUCCEEDED
    assert aws.sandboxes(COPY) == [lease.sandbox]
    assert {c.outcome for c in secured(restore, lease.sandbox)} == {Outcome.PASSED}
    assert count(restore.access(lease.sandbox, datastore(), SECRET)) == 500
    assert [(one.name, one.region) for one in restore.inventory([datastore()])] == [(lease.sandbox, COPY)]
    restore.discard(lease.sandbox, datastore(), lease)
    assert restore.find(lease.sandbox, datastore()) is None


def test_productions_passwords_open_nothing(aws: AwsAccount) -> None:
    item, restore = plan_item("shop.main.passwords"), aws.restore()
    lease = lease_of(item)
    restore.create(datastore(), newest(aws), item, lease)
    found = ready(restore, lease.sandbox, datastore())
    assert found.phases["create"] > 0
    secured(restore, lease.sandbox)
    access = restore.access(lease.sandbox, datastore(), SECRET)
    for user, password in (("dbadmin", "the-labs-master-password"), ("shop_app", "production")):
        with pytest.raises(psycopg2.OperationalError, match=r"password authentication failed|not permitted to log in"):
            psycopg2.connect(host=access.host, port=access.port, dbname="shop", user=user, password=password)
    assert count(access) >= 500


def test_while_rds_sets_the_password_no_worker_slot_is_held(
    aws: AwsAccount, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator as Airflow runs it: each step in a worker ends at once, and the waiting is the trigger's."""
    from airflow.sdk.exceptions import TaskDeferred

    from drillyard.operators.restore import RdsRestoreOperator

    monkeypatch.setattr("drillyard.clients.desk", lambda cloud: desk(aws, tmp_path))
    item, word = plan_item("shop.main.slot"), "resetting-master-credentials"
    operator = RdsRestoreOperator(task_id="restore", item=item.model_dump(mode="json"), poll=0.1)
    before = aws.lab.delays()[word]
    aws.lab.delays(**{word: 5})
    aws.lab.calls(clear=True)
    waits: list[float] = []
    context: Any = {"ti": SimpleNamespace(try_number=1), "dag_run": SimpleNamespace(triggering_user_name=None)}
    step: Callable[[], str] = lambda: operator.execute(context)  # noqa: E731
    try:
        while True:
            try:
                assert step() == item.drill_id
                break
            except TaskDeferred as deferred:
                began, event = time.monotonic(), answer(deferred.trigger)
                waits.append(time.monotonic() - began)
                step = functools.partial(getattr(operator, deferred.method_name), context, event=event.payload)
    finally:
        aws.lab.delays(**{word: before})
    assert max(waits[1:]) > 3, waits
    assert [call["action"] for call in aws.lab.calls(clear=True)].count("ModifyDBInstance") == 1
    opened = desk(aws, tmp_path)
    assert {c.outcome for c in Journal(opened.ledger, item).checks() if c.layer == "harmless"} == {Outcome.PASSED}
    assert [phase.name for phase in Journal(opened.ledger, item).phases()].count("secure") == 1
    leases.close(opened, item)
    assert aws.gone()


def answer(trigger: Any) -> Any:
    """A trigger's one event."""

    async def first() -> Any:
        async for event in trigger.run():
            return event
        raise AssertionError("the trigger ended without a word")

    return asyncio.run(first())


def test_a_security_group_that_lets_anything_out_is_refused(aws: AwsAccount) -> None:
    ec2 = aws.lab.client("ec2")
    vpc = ec2.describe_security_groups(GroupIds=[aws.networks[HOME].security_group])["SecurityGroups"][0]["VpcId"]
    open_group = ec2.create_security_group(GroupName="way-out", Description="egress", VpcId=vpc)["GroupId"]
    networks = {HOME: aws.settings().networks[HOME].model_copy(update={"security_groups": [open_group]})}
    checks = {c.name: c for c in aws.restore(networks=networks).preflight(datastore(), newest(aws), plan_item("shop.main.out"))}
    assert checks["no-way-out"].outcome is Outcome.FAILED
    assert open_group in checks["no-way-out"].detail
    ec2.delete_security_group(GroupId=open_group)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("subnet_group", "nowhere", "sandbox-network"),
        ("security_groups", ["sg-0123456789abcdef0"], "no-way-out"),
        ("parameter_groups", {"18": "default.postgres18"}, "harmless-parameters"),
        ("parameter_groups", {"17": "drillyard-sandbox-18"}, "version"),
    ],
)
def test_a_network_that_is_not_what_it_must_be_is_refused(aws: AwsAccount, field: str, value: Any, name: str) -> None:
    networks = {HOME: aws.settings().networks[HOME].model_copy(update={field: value})}
    checks = aws.restore(networks=networks).preflight(datastore(), newest(aws), plan_item("shop.main.net"))
    assert [c.name for c in checks if c.outcome is Outcome.FAILED] == [name]


def test_without_a_network_for_the_region_nothing_is_restored(aws: AwsAccount) -> None:
    restore, item = aws.restore(networks={COPY: aws.settings().networks[COPY]}), plan_item("shop.main.nowhere")
    (check,) = restore.preflight(datastore(), newest(aws), item)
    assert (check.name, check.outcome) == ("sandbox-network", Outcome.FAILED)
    with pytest.raises(LookupError, match="no sandbox network for eu-central-1"):
        restore.create(datastore(), newest(aws), item, lease_of(item))
    assert aws.sandboxes() == []


@pytest.mark.parametrize("missing", ["subnet_group", "security_groups", "parameter_groups"])
def test_every_wall_is_mandatory(aws: AwsAccount, missing: str) -> None:
    known = aws.settings().model_dump(mode="json")
    del known["networks"][HOME][missing]
    with pytest.raises(ValueError, match=missing):
        Sandboxes.model_validate(known)


def test_deletion_protection_that_somebody_set_is_taken_off(aws: AwsAccount) -> None:
    item, restore = plan_item("shop.main.protected"), aws.restore()
    lease = lease_of(item)
    restore.create(datastore(), newest(aws), item, lease)
    ready(restore, lease.sandbox, datastore())
    aws.lab.client("rds").modify_db_instance(DBInstanceIdentifier=lease.sandbox, DeletionProtection=True, ApplyImmediately=True)
    ready(restore, lease.sandbox, datastore())
    with pytest.raises(Transient, match="deletion protection"):
        restore.discard(lease.sandbox, datastore(), lease)
    ready(restore, lease.sandbox, datastore())
    restore.discard(lease.sandbox, datastore(), lease)
    assert restore.inventory([datastore()]) == []


def test_a_deletion_that_never_ends_is_a_leftover(aws: AwsAccount) -> None:
    item, restore = plan_item("shop.main.slow-end"), aws.restore()
    lease = lease_of(item)
    restore.create(datastore(), newest(aws), item, lease)
    before = aws.lab.delays()["deleting"]
    aws.lab.delays(deleting=20)
    try:
        restore.discard(lease.sandbox, datastore(), lease)
        restore.discard(lease.sandbox, datastore(), lease)
        assert restore.inventory([datastore()]) == []
        impatient = aws.restore(deleted_within="0s")
        assert [one.name for one in impatient.inventory([datastore()])] == [lease.sandbox]
        with pytest.raises(Transient, match="still being deleted"):
            restore.create(datastore(), newest(aws), item, lease)
    finally:
        aws.lab.delays(deleting=before)


def test_an_instance_that_never_becomes_available_fails_the_drill(aws: AwsAccount, tmp_path: Any) -> None:
    aws.lab.stuck(pattern="dy-shop-main-never*", word="incompatible-network")
    record = run_drill(desk(aws, tmp_path), plan_item("shop.main.never"), None)
    assert record.verdict is Verdict.FAILED
    assert [c.name for c in record.checks if c.outcome is Outcome.FAILED] == ["restore-ready"]
    assert aws.gone()


def test_creating_for_ever_has_an_end(aws: AwsAccount) -> None:
    aws.lab.stuck(pattern="dy-shop-main-ever*")
    item, restore = plan_item("shop.main.ever"), aws.restore(ready_within="1s")
    lease = lease_of(item, opened_at=utcnow() - timedelta(seconds=2))
    found = restore.create(datastore(), newest(aws), item, lease)
    assert found.status is Status.FAILED
    assert "still creating after 1s" in found.detail
    restore.discard(lease.sandbox, datastore(), lease)


def test_a_quota_that_is_used_up_is_said(aws: AwsAccount, tmp_path: Any) -> None:
    aws.lab.quota(instances=1)
    try:
        with pytest.raises(OSError, match="InstanceQuotaExceeded"):
            drill.begin(desk(aws, tmp_path), plan_item("shop.main.quota"))
    finally:
        aws.lab.quota(instances=2000)
    assert aws.sandboxes() == []
