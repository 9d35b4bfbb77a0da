"""How an instance keeps its backups, by Cloud SQL's own words: one check a setting that a recovery depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from include.clouds.google.settings import Datastore
from include.clouds.managed import judged, untold
from include.recovery.model import Check, Outcome, RecoveryPoint, Status

RUN_STATUS = {
    "ENQUEUED": Status.PENDING,
    "OVERDUE": Status.FAILED,
    "RUNNING": Status.RUNNING,
    "FAILED": Status.FAILED,
    "SUCCESSFUL": Status.SUCCEEDED,
    "SKIPPED": Status.FAILED,
    "DELETION_PENDING": Status.FAILED,
    "DELETION_FAILED": Status.SUCCEEDED,
    "DELETED": Status.FAILED,
}
"""Of a backup run. A word that is not here raises KeyError: nobody guesses what can be restored."""


def backups_of(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    """An instance's backup configuration; empty when it has none."""
    found: Mapping[str, Any] = instance["settings"].get("backupConfiguration", {})
    return found


def rolls(instance: Mapping[str, Any]) -> bool:
    """Whether an instance keeps its log for point-in-time recovery."""
    return bool(backups_of(instance).get("enabled") and backups_of(instance).get("pointInTimeRecoveryEnabled"))


def settings_of(instance: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the instance says of its backups. Automated ones are daily, so a count of them is a number of days."""
    told = backups_of(instance)
    kept = told.get("backupRetentionSettings", {}).get("retainedBackups", 7) if told.get("enabled") else 0
    failed = [run["id"] for run in runs if run["status"] == "FAILED"]
    return {"retention": int(kept) * timedelta(days=1).total_seconds(), **({"failed_runs": failed[:5]} if failed else {})}


def available(word: str, point: RecoveryPoint) -> Check:
    """The backup run can be restored from, by Google's own word."""
    fits = word != "not there" and RUN_STATUS[word] is Status.SUCCEEDED
    return judged("point-available", "backup", fits, word, "SUCCESSFUL", f"backup run {point.id} is {word}: make another one")


def configured(datastore: Datastore, instance: Mapping[str, Any], point: RecoveryPoint) -> list[Check]:
    """One check a setting that a recovery depends on."""
    told, layer, where = backups_of(instance), "backup", f"{datastore.project}/{datastore.instance}"
    protected = bool(instance["settings"].get("deletionProtectionEnabled"))
    days = int(told.get("transactionLogRetentionDays", 0)) if rolls(instance) else 0
    until = point.restorable_until.isoformat()
    return [
        untold("manifest", layer, "Google shows no checksum of a backup run: only a restore proves it"),
        Check(name="wal-continuity", layer=layer, outcome=Outcome.PASSED, measured=f"rolls to {until}")
        if point.facts["rolls"]
        else untold("wal-continuity", layer, f"{where} keeps no log that carries this backup run on"),
        judged("deletion-protection", layer, protected, measured="on" if protected else "off", threshold="on",
               detail=f"switch deletion protection of {where} on: one call deletes it with its backups"),
        judged("log-retention", layer, days >= 1, measured=f"{days} days", threshold="at least 1 day",
               detail=f"switch point-in-time recovery of {where} on: without it a day is lost"),
        judged("customer-key", layer, not datastore.customer_key or bool(point.key_id), measured=point.key_id or "Google's key",
               threshold="a key of ours" if datastore.customer_key else "not demanded",
               detail=f"{where} is encrypted with Google's key, and the catalog demands one of ours: it must be made anew"),
    ]  # fmt: skip
