"""The instances of the sandboxes' project: looked up, marked, waited for; and what Cloud SQL's words about them mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.clouds.google.clients import Google
from include.clouds.google.labels import labels, lease_of
from include.clouds.google.settings import Sandboxes
from include.clouds.managed import NotThere, attempts, wait_for
from include.recovery.model import Status

STATES = {
    "PENDING_CREATE": Status.RUNNING,
    "RUNNABLE": Status.SUCCEEDED,
    "MAINTENANCE": Status.RUNNING,
    "ONLINE_MAINTENANCE": Status.RUNNING,
    "REPAIRING": Status.RUNNING,
    "SUSPENDED": Status.FAILED,
    "PENDING_DELETE": Status.FAILED,
    "FAILED": Status.FAILED,
}
"""Of an instance. A word that is not here raises KeyError."""


class Instances:
    """What is done to sandbox instances, whoever asks."""

    def __init__(self, google: Google, settings: Sandboxes) -> None:
        self._google, self._settings = google, settings
        self._api = google.sql.instances()

    def live(self, name: str) -> dict[str, Any] | None:
        """The instance of a sandbox, under whichever of its names; None when Google knows none."""
        for candidate in attempts(name):
            try:
                return self._google.call(self._api.get(project=self._settings.project, instance=candidate))
            except NotThere:
                continue
        return None

    def ready(self, name: str) -> dict[str, Any]:
        """A running instance with our mark. Raises PermissionError for anything else."""
        instance = self.live(name)
        if instance is None or STATES[instance["state"]] is not Status.SUCCEEDED or mark_of(instance) is None:
            raise PermissionError(f"{name} is no restored sandbox of ours: nothing was done")
        return instance

    def every(self) -> Iterator[dict[str, Any]]:
        """Every instance of the sandboxes' project."""
        return self._google.pages(self._api, project=self._settings.project, maxResults=1000)

    def history(self, name: str) -> list[dict[str, Any]]:
        """The operations of an instance, newest first."""
        return list(self._google.pages(self._google.sql.operations(), project=self._settings.project, instance=name))

    def mark(self, name: str, lease_id: str) -> dict[str, Any]:
        """Set the lease's mark and what goes with it; gives the operation."""
        patch = {"settings": harmless_settings(lease_id)}
        return self._google.call(self._api.patch(project=self._settings.project, instance=name, body=patch))

    def settle(self, name: str) -> None:
        """Wait until nothing is under way. Raises Transient after `patience`."""

        def settled() -> bool | None:
            return all(one["status"] == "DONE" for one in self.history(name)) or None

        wait_for(settled, self._settings.patience, f"what happens to {name}")

    def finish(self, operation: Mapping[str, Any]) -> None:
        """Wait for an operation. Raises ValueError with its error, Transient after `patience`."""
        get = self._google.sql.operations().get(project=self._settings.project, operation=operation["name"])
        kind = f"{operation['operationType']} of {operation['targetId']}"

        def over() -> dict[str, Any] | None:
            told = self._google.call(get)
            return told if told["status"] == "DONE" else None

        told = wait_for(over, self._settings.patience, kind)
        if "error" in told:
            raise ValueError(f"{kind} failed: {said(told)}")

    def delete(self, name: str) -> None:
        """Delete and wait until it is gone. Harmless when it is gone already."""
        try:
            self.finish(self._google.call(self._api.delete(project=self._settings.project, instance=name)))
        except NotThere:
            return


def mark_of(instance: Mapping[str, Any]) -> str | None:
    """The lease's id on an instance, or None."""
    return lease_of(instance["settings"].get("userLabels", {}))


def harmless_settings(lease_id: str) -> dict[str, Any]:
    """The settings of a sandbox that are ours to set: marked, deletable, without backups of its own."""
    return {
        "userLabels": labels(lease_id),
        "deletionProtectionEnabled": False,
        "backupConfiguration": {"enabled": False, "pointInTimeRecoveryEnabled": False},
    }


def address(instance: Mapping[str, Any], kind: str) -> str | None:
    """An instance's address of a kind (``PRIVATE``, ``PRIMARY`` for public), or None."""
    return next((one["ipAddress"] for one in instance.get("ipAddresses", ()) if one["type"] == kind), None)


def said(operation: Mapping[str, Any]) -> str:
    """An operation's errors in one line."""
    return "; ".join(f"{one.get('code')}: {one.get('message')}" for one in operation["error"].get("errors", ()))


def cloned(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an instance was made by a clone: the only way of ours that leaves an instance without a mark."""
    return bool(history) and history[-1]["operationType"] in ("CLONE", "CREATE_CLONE")


def judge(word: str, history: Sequence[Mapping[str, Any]]) -> tuple[Status, str, dict[str, float]]:
    """Status, words and seconds of an instance, by its state and by what happened to it (newest first).

    The oldest operation is the one that made it: when that failed, the instance has failed whatever its state says.
    """
    making = history[-1] if history else None
    if making is not None and "error" in making:
        return Status.FAILED, said(making), {}
    status = STATES[word]
    if status is Status.SUCCEEDED and any(one["status"] != "DONE" for one in history):
        return Status.RUNNING, word, {}
    if making is None or making["status"] != "DONE":
        return status, word, {}
    took = datetime.fromisoformat(making["endTime"]) - datetime.fromisoformat(making["insertTime"])
    return status, word, {"restore": round(took.total_seconds(), 3)}
