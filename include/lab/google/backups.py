"""Cloud SQL's backup runs, and how far each instance's log reaches."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from include.lab.google.operations import stamp
from include.lab.google.plane import Refused, Request, Serve
from include.lab.google.sql import CloudSql, Key, page
from include.lab.managed import damage
from include.values import utcnow

_TIMES = ("enqueuedTime", "startTime", "endTime", "windowStartTime")


class BackupRuns:
    """Backup runs of the instances of one `CloudSql`; the door's command ``backup`` makes an automated one."""

    def __init__(self, sql: CloudSql) -> None:
        self._sql = sql
        self._last = 0

    def methods(self) -> dict[str, Serve]:
        return {
            "sql.backupRuns.insert": self.insert,
            "sql.backupRuns.list": self.list,
            "sql.backupRuns.get": lambda request: dict(self._run(request)),
            "sql.backupRuns.delete": self.delete,
            "sql.projects.instances.getLatestRecoveryTime": self.recovery_time,
        }

    def new(self, key: Key, kind: str) -> dict[str, Any]:
        """Note a backup run that begins."""
        instance = self._sql.instances[key]
        backups = instance["settings"].get("backupConfiguration", {})
        with self._sql.lock:
            # Cloud SQL's ids are the begin in milliseconds.
            self._last = max(self._last + 1, int(utcnow().timestamp() * 1000))
            run: dict[str, Any] = {
                "kind": "sql#backupRun",
                "id": str(self._last),
                "instance": key[1],
                "type": kind,
                "backupKind": "SNAPSHOT",
                "status": "RUNNING",
                "location": backups.get("location") or instance["region"].partition("-")[0].replace("europe", "eu"),
                "databaseVersion": instance["databaseVersion"],
                **dict.fromkeys(("enqueuedTime", "startTime", "windowStartTime"), stamp()),
                **{name: instance[name] for name in ("diskEncryptionConfiguration",) if name in instance},
            }
            self._sql.runs.setdefault(key, []).append(run)
        return run

    def take(self, key: Key, run: dict[str, Any]) -> None:
        """Copy the bytes, and say how it ended."""
        try:
            if self._sql.plane:
                self._sql.plane.snapshot(self._sql.server(key), self._sql.bytes_of(key, run["id"]))
        except Exception:
            run["status"] = "FAILED"
            raise
        finally:
            run["endTime"] = stamp()
        run["status"] = "SUCCESSFUL"

    def insert(self, request: Request) -> dict[str, Any]:
        key = self._sql.found(request)
        run = self.new(key, "ON_DEMAND")
        return self._sql.operations.start(*key, "BACKUP_VOLUME", lambda: self.take(key, run))

    def list(self, request: Request) -> dict[str, Any]:
        project, instance = self._sql.key(request)
        if instance != "-":
            self._sql.found(request)
        with self._sql.lock:
            rows = [
                dict(run)
                for key, runs in self._sql.runs.items()
                if key[0] == project and instance in ("-", key[1])
                for run in runs
            ]
        rows.sort(key=lambda run: str(run["enqueuedTime"]), reverse=True)
        return {"kind": "sql#backupRunsList", **page(rows, request, 500, 1000)}

    def _run(self, request: Request) -> dict[str, Any]:
        for run in self._sql.runs.get(self._sql.found(request), []):
            if run["id"] == request.variables["id"]:
                return run
        raise Refused(404, "The backup run does not exist.", "backupRunDoesNotExist")

    def delete(self, request: Request) -> dict[str, Any]:
        key, run = self._sql.found(request), self._run(request)

        def work() -> None:
            self._sql.runs[key].remove(run)
            if self._sql.plane:
                shutil.rmtree(self._sql.bytes_of(key, run["id"]), ignore_errors=True)

        return self._sql.operations.start(*key, "DELETE_BACKUP", work)

    def recovery_time(self, request: Request) -> dict[str, Any]:
        key = self._sql.found(request)
        if self._sql.plane:
            self._sql.plane.upload(self._sql.server(key))
        latest = self._sql.latest(key) if self._sql.archived(key) else None
        done = [run["endTime"] for run in self._sql.runs.get(key, []) if run["status"] == "SUCCESSFUL"]
        if latest is None or not done:
            raise Refused(400, "Invalid request: point-in-time recovery is not enabled for this instance.")
        return {
            "kind": "sql#getLatestRecoveryTime",
            "latestRecoveryTime": written(latest),
            "earliestRecoveryTime": min(done),
        }

    # ---- the door ------------------------------------------------------------------------------------------------

    def back_up(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "instance"}``: an automated backup run, done when this returns."""
        key = (str(given["project"]), str(given["instance"]))
        run = self.new(key, "AUTOMATED")
        self.take(key, run)
        return run

    def backdate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "instance", "seconds"}``: its backup runs are as old as that, and none came after."""
        key, by = (str(given["project"]), str(given["instance"])), timedelta(seconds=float(given["seconds"]))
        for run in self._sql.runs.get(key, []):
            run.update({name: written(datetime.fromisoformat(run[name]) - by) for name in _TIMES if name in run})
        return {"runs": len(self._sql.runs.get(key, []))}

    def damage(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "instance"}``: nothing can be restored from its newest backup run, and nothing says so."""
        key = (str(given["project"]), str(given["instance"]))
        run = self._sql.runs[key][-1]
        damage(self._sql.bytes_of(key, run["id"]))
        return {"damaged": run["id"]}

    def seed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "instances", "runs"}``: that many instances with that many backup runs each, control plane only."""
        project = str(given["project"])
        body = {"settings": {"backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True}}}
        for number in range(int(given["instances"])):
            key = (project, f"seeded-{number:05}")
            self._sql.new(key, body)
            self._sql.instances[key]["state"] = "RUNNABLE"
            for _ in range(int(given.get("runs", 1))):
                self.new(key, "AUTOMATED").update(status="SUCCESSFUL", endTime=stamp())
        return {"instances": len(self._sql.instances)}


def written(at: datetime) -> str:
    """An instant as Google writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
