"""A look at one RDS recovery point, from what the survey learned: no call a datastore. Pure."""

from __future__ import annotations

from include.clouds.aws.settings import Datastore
from include.clouds.aws.words import SNAPSHOT, status
from include.clouds.managed import judged, untold
from include.recovery.model import Check, Inspection, Outcome, RecoveryPoint, Status


def inspect(datastore: Datastore, point: RecoveryPoint) -> Inspection:
    """State, key and lock of a point."""
    word = str(point.facts.get("status", ""))
    available = status(word, SNAPSHOT, point.id) is Status.SUCCEEDED
    lines = [
        judged("point-available", "backup", available, word, "available", f"RDS says that {point.id} is {word}: make another"),
        key_usable(point),
        untold("manifest", "backup", "RDS shows nobody the files of a snapshot; the restore drill reads every page of them"),
        untold("wal-continuity", "backup", "RDS shows nobody its log; what it says of it is measured as restorable-time-age"),
    ]
    if datastore.kms_key:
        fits = point.key_id == datastore.kms_key
        told = point.key_id or "not encrypted"
        lines.append(judged("key-expected", "backup", fits, told, datastore.kms_key, f"{point.id} is encrypted with another key"))
    if datastore.vault:
        lines.append(vault_locked(datastore.vault, point))
    return Inspection(checks=tuple(lines))


def key_usable(point: RecoveryPoint) -> Check:
    """The recovery account can decrypt the point: a backup that nobody can decrypt is none."""
    name, threshold = "key-usable", "usable from the recovery account"
    if not point.encrypted or not point.key_id:
        return Check(name=name, layer="backup", outcome=Outcome.PASSED, measured="no key needed", threshold=threshold)
    if "key_trouble" not in point.facts:
        detail = str(point.facts.get("key_unknown", "the survey did not ask for the key"))
        return Check(name=name, layer="backup", outcome=Outcome.UNKNOWN, threshold=threshold, detail=detail)
    trouble = point.facts["key_trouble"]
    detail = f"{trouble}; give the recovery account's role the key (docs/aws.md, keys)"
    return judged(name, "backup", trouble is None, point.key_id if trouble is None else "not usable", threshold, detail)


def vault_locked(vault: str, point: RecoveryPoint) -> Check:
    """Nobody, however powerful, deletes what a locked vault keeps."""
    locked = point.facts.get("vault_locked")
    if locked is None:
        return Check(name="vault-locked", layer="backup", outcome=Outcome.UNKNOWN, detail=f"vault {vault} was not read")
    detail = f"vault {vault} has no lock: PutBackupVaultLockConfiguration"
    return judged("vault-locked", "backup", bool(locked), "locked" if locked else "not locked", "locked", detail)
