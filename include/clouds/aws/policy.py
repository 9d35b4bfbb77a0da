"""The least that each DAG must be allowed on AWS: one IAM policy a DAG and role, generated from the calls that the code makes.

``python -m include.clouds.aws.policy`` writes them into ``iam/``. A test records the calls of a night and holds them
against `CALLS`, in both directions. ``ACCOUNT`` in a resource stands for the recovery account's number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("iam")
READER, RECOVERY, POWER = "reader", "recovery", "power"
"""The role of a datastore's `connection`, that of ``clouds.aws.settings.connection``, and that of a batch of suspension."""

_LIST = frozenset({"rds:DescribeDBInstances", "rds:DescribeDBSnapshots", "rds:DescribeDBInstanceAutomatedBackups"})
_VAULTS = frozenset({"backup:DescribeBackupVault", "backup:ListRecoveryPointsByBackupVault"})
_KEYS = frozenset({"kms:DescribeKey", "kms:CreateGrant"})
_INVENTORY = frozenset({"rds:DescribeDBInstances", "rds:DescribeDBInstanceAutomatedBackups"})
_LOOK = frozenset({"rds:DescribeDBSubnetGroups", "rds:DescribeDBParameters", "ec2:DescribeSecurityGroups"})
_RESTORE = frozenset({"rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime"})
_CHANGE = frozenset({"rds:ModifyDBInstance", "rds:DeleteDBInstance", "rds:AddTagsToResource"})
_MEASURES = frozenset({"cloudwatch:GetMetricData"})
_SURVEYS = frozenset(
    {
        *("ec2:DescribeInstances", "autoscaling:DescribeAutoScalingGroups", "rds:DescribeDBInstances"),
        *("ecs:ListClusters", "ecs:ListServices", "ecs:DescribeServices"),
        *("eks:ListClusters", "eks:ListNodegroups", "eks:DescribeNodegroup"),
    }
)
_SWITCHES = frozenset(
    {
        *("ec2:StopInstances", "ec2:StartInstances", "ec2:ModifyInstanceAttribute"),
        *("autoscaling:UpdateAutoScalingGroup", "autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"),
        *("rds:StopDBInstance", "rds:StartDBInstance", "ecs:UpdateService", "eks:UpdateNodegroupConfig"),
    }
)

CALLS: dict[tuple[str, str], frozenset[str]] = {
    ("verify_backups", READER): _LIST | _VAULTS,
    ("verify_backups", RECOVERY): _KEYS,
    ("drill_restores", READER): _LIST | _VAULTS,
    ("drill_restores", RECOVERY): _KEYS | _INVENTORY | _LOOK | _RESTORE | _CHANGE,
    ("reap_leftovers", RECOVERY): _INVENTORY | _CHANGE,
    ("suspend_environments", POWER): _SURVEYS | _MEASURES | _SWITCHES,
}
"""By DAG and role. ``sts:GetCallerIdentity`` is allowed to everybody."""

_SANDBOXES = "arn:aws:rds:*:ACCOUNT:db:dy-*"
_OURS = {"Null": {"aws:ResourceTag/drillyard:lease": "false"}}


def policy(dag: str, role: str) -> dict[str, Any]:
    """The policy document of one DAG's role: lists everywhere, changes on sandboxes with our mark only."""
    calls = CALLS[dag, role]
    statements = [
        _allow("Lists", calls & (_LIST | _VAULTS | _LOOK | _SURVEYS | _MEASURES), "*"),
        _allow("Switches", calls & _SWITCHES, "*"),
        _allow("KeysByGrantOfRds", calls & _KEYS, "*"),
        _allow(
            "RestoresIntoSandboxes",
            calls & _RESTORE,
            [_SANDBOXES, *(f"arn:aws:rds:*:*:{kind}:*" for kind in ("snapshot", "auto-backup", "pg", "subgrp", "og", "db"))],
        ),
        _allow("TagsSandboxes", calls & {"rds:AddTagsToResource"}, _SANDBOXES),
        _allow("ChangesAndEndsWhatIsOurs", calls & (_CHANGE - {"rds:AddTagsToResource"}), _SANDBOXES, _OURS),
    ]
    if calls & _RESTORE:
        statements.append(
            {
                "Sid": "NothingUnmarked",
                "Effect": "Deny",
                "Action": sorted(_RESTORE),
                "Resource": _SANDBOXES,
                "Condition": {"Null": {"aws:RequestTag/drillyard:lease": "true"}},
            }
        )
    if calls & _SWITCHES:
        statements.append(
            {
                "Sid": "NeverProduction",
                "Effect": "Deny",
                "Action": sorted(_SWITCHES),
                "Resource": "*",
                "Condition": {"StringEqualsIgnoreCase": {"aws:ResourceTag/environment": ["prod", "production"]}},
            }
        )
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one]}


def _allow(name: str, actions: frozenset[str] | set[str], resource: Any, condition: Any = None) -> dict[str, Any]:
    if not actions:
        return {}
    extra = {"Condition": condition} if condition else {}
    return {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": resource, **extra}


def text(dag: str, role: str) -> str:
    """The policy as it stands in its file."""
    return json.dumps(policy(dag, role), indent=2) + "\n"


def main() -> None:
    """Write every policy."""
    FOLDER.mkdir(exist_ok=True)
    for dag, role in CALLS:
        (FOLDER / f"{dag}.{role}.json").write_text(text(dag, role))


if __name__ == "__main__":
    main()
