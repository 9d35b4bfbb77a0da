"""Calls that moto 5.2.5 does not know, or gets wrong, answered at the door."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.lab.aws.faults import Call
    from include.lab.aws.rds import Rds

Answer = tuple[int, dict[str, str], bytes]
_POINTS = re.compile(r"^/backup-vaults/([^/]+)/recovery-points/?$")
_JSON = {"Content-Type": "application/x-amz-json-1.1"}
_PAGE = 100

VAULT_POINTS: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
"""Recovery points of AWS Backup by (account, region, vault): moto has vaults, and nothing in them."""


def answer_extra(rds: Rds, call: Call, path: str, body: bytes) -> Answer | None:
    """The answer, or None for what moto answers itself."""
    if call.service == "kms" and call.action == "CreateGrant":
        return _dry_grant(call, json.loads(body or b"{}"))
    if call.service == "backup" and (vault := _POINTS.match(path)):
        return _recovery_points(call, vault[1])
    return None


def _dry_grant(call: Call, wanted: dict[str, Any]) -> Answer | None:
    """CreateGrant with DryRun: KMS answers DryRunOperationException when it would have worked, and makes no grant.

    Source: AWS KMS API reference, CreateGrant, DryRun. moto makes the grant.
    """
    from moto.kms.models import kms_backends

    from include.lab.aws.door import account_of

    if not wanted.get("DryRun"):
        return None
    key_id, account, region = str(wanted.get("KeyId", "")), account_of(call.access_key), call.region
    if key_id.startswith("arn:"):
        _, _, _, region, account, _ = key_id.split(":", 5)
    try:
        key = kms_backends[account][region].describe_key(key_id.rpartition("/")[2])
    except Exception:  # moto raises KeyError or its own error, by the form of the id
        return 400, _JSON, json.dumps({"__type": "NotFoundException", "message": f"Key '{key_id}' does not exist"}).encode()
    if key.key_state != "Enabled":
        name = "DisabledException" if key.key_state == "Disabled" else "KMSInvalidStateException"
        return 400, _JSON, json.dumps({"__type": name, "message": f"{key.arn} is {key.key_state}."}).encode()
    said = "The request would have succeeded, but the DryRun option is set."
    return 412, _JSON, json.dumps({"__type": "DryRunOperationException", "message": said}).encode()


def _recovery_points(call: Call, vault: str) -> Answer:
    """ListRecoveryPointsByBackupVault, in one page. Source: AWS Backup API reference."""
    from include.lab.aws.door import account_of

    found = VAULT_POINTS.get((account_of(call.access_key), call.region, vault))
    if found is None:
        body = {"Code": "ResourceNotFoundException", "Message": f"Backup vault {vault} has no recovery points here"}
        return (
            400,
            {"Content-Type": "application/json", "x-amzn-ErrorType": "ResourceNotFoundException"},
            json.dumps(body).encode(),
        )
    return 200, {"Content-Type": "application/json"}, json.dumps({"RecoveryPoints": found[: _PAGE * 10]}).encode()
