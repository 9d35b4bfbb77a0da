"""The IAM policies name the calls that the code makes, and no other: held against what the double saw in a night."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from aws_account import COPY, DRILL, ID, AwsAccount, aws, datastore, desk, plan_item

from include.clouds.aws.policy import CALLS, FOLDER, READER, RECOVERY, policy, text
from include.recovery import drill, leases, reaper
from include.recovery.model import Target
from include.recovery.run import run_drill
from include.values import utcnow

__all__ = ["aws"]

FREE = {"sts:GetCallerIdentity", "sts:AssumeRole"}
"""Allowed to everybody; and what the first identity needs to become a role."""
NAMES = {
    "GET /backup-vaults/kept": "DescribeBackupVault",
    "GET /backup-vaults/kept/recovery-points/": "ListRecoveryPointsByBackupVault",
}


def actions(account: AwsAccount) -> dict[str, set[str]]:
    """What each role called since the last time, as IAM spells it."""
    roles = {}
    for one in account.lab.assumed_roles():
        roles[one["access_key"]] = RECOVERY if one["role"].endswith(DRILL.removeprefix("aws_")) else READER
    found = defaultdict(set)
    for call in account.lab.calls(clear=True):
        action = f"{call['service']}:{NAMES.get(call['action'], call['action'])}"
        if action not in FREE and call["access_key"] in roles:
            found[roles[call["access_key"]]].add(action)
    return dict(found)


def vaulted(account: AwsAccount) -> Any:
    account.lab.client("backup").create_backup_vault(BackupVaultName="kept")
    arn = account.lab.client("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]["DBInstanceArn"]
    account.lab.vault_point(region="eu-central-1", vault="kept", point={"ResourceArn": arn, "Status": "EXPIRED"})
    replicated = {"region": COPY, "kind": "automated_backup"}
    return datastore(vault="kept", copies=[{"region": COPY}, replicated])


def test_the_policies_are_the_calls_of_a_night(aws: AwsAccount, tmp_path: Path) -> None:
    where = vaulted(aws)
    aws.lab.calls(clear=True)
    survey = aws.source().survey({ID: where}, utcnow())
    assert actions(aws) == {READER: CALLS["verify_backups", READER], RECOVERY: CALLS["verify_backups", RECOVERY]}

    opened = desk(aws, tmp_path, where)
    run_drill(opened, plan_item("shop.main.rights"), None)
    by_name = plan_item("shop.main.rights-point", Target(point_id=survey.points[ID][0].id))
    drill.begin(opened, by_name)
    seen = actions(aws)
    leases.expire_now(opened, by_name)
    reaper.reap(desk(aws, tmp_path, where))
    reaped = actions(aws)
    assert seen == {READER: CALLS["drill_restores", READER], RECOVERY: CALLS["drill_restores", RECOVERY]}
    # Deletion protection is taken off only where somebody has set it.
    assert reaped == {RECOVERY: CALLS["reap_leftovers", RECOVERY] - {"rds:ModifyDBInstance"}}


def test_the_files_are_the_generated_ones() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{dag}.{role}.json" for dag, role in CALLS}
    for dag, role in CALLS:
        assert (FOLDER / f"{dag}.{role}.json").read_text() == text(dag, role), "run python -m include.clouds.aws.policy"


def test_every_call_is_in_its_policy_and_changes_are_bound_to_sandboxes() -> None:
    for (dag, role), calls in CALLS.items():
        document = json.loads(text(dag, role))
        allowed = {action for one in document["Statement"] if one["Effect"] == "Allow" for action in one["Action"]}
        assert allowed == calls, (dag, role)
        for one in policy(dag, role)["Statement"]:
            if set(one["Action"]) & {"rds:DeleteDBInstance", "rds:ModifyDBInstance"}:
                assert one["Resource"] == "arn:aws:rds:*:ACCOUNT:db:dy-*"
                assert one["Condition"] == {"Null": {"aws:ResourceTag/drillyard:lease": "false"}}
        assert not any("*" in action for action in allowed)
