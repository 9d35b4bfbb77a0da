"""Operations of Cloud SQL: PENDING, RUNNING, DONE, with an error inside when the work failed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from include.lab.google.plane import Refused
from include.values import utcnow


def stamp() -> str:
    """Now, as Google writes it."""
    return utcnow().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Operations:
    """All operations of all projects. Each works in a thread of its own."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        """Seconds that an operation is PENDING, and RUNNING at least."""
        self.stalled: set[str] = set()
        """Instances whose operations never finish."""
        self._lock = threading.Lock()
        self._all: dict[tuple[str, str], dict[str, Any]] = {}

    def start(self, project: str, target: str, kind: str, work: Callable[[], None], *, exclusive: bool = True) -> dict[str, Any]:
        """Begin an operation. Raises Refused 409 while another one of the same instance is under way."""
        with self._lock:
            busy = [one for one in self._of(project, target) if one["status"] != "DONE"]
            if exclusive and busy:
                raise Refused(
                    409, "Operation failed because another operation was already in progress. Try your request after the "
                    f"current operation is complete: {busy[0]['operationType']} {busy[0]['name']}", "operationInProgress",
                )  # fmt: skip
            operation = {
                "kind": "sql#operation",
                "name": str(uuid.uuid4()),
                "operationType": kind,
                "status": "PENDING",
                "targetId": target,
                "targetProject": project,
                "insertTime": stamp(),
            }
            self._all[project, operation["name"]] = operation
        threading.Thread(target=self._run, args=(operation, work), daemon=True).start()
        return dict(operation)

    def get(self, project: str, name: str) -> dict[str, Any]:
        with self._lock:
            found = self._all.get((project, name))
            if found is None:
                raise Refused(404, f"The Cloud SQL operation {name} does not exist.", "operationDoesNotExist")
            return dict(found)

    def history(self, project: str, target: str = "") -> list[dict[str, Any]]:
        """Newest first."""
        with self._lock:
            return [dict(one) for one in reversed(self._of(project, target))]

    def busy(self, project: str, target: str) -> bool:
        with self._lock:
            return any(one["status"] != "DONE" for one in self._of(project, target))

    def _of(self, project: str, target: str) -> list[dict[str, Any]]:
        return [one for (mine, _), one in self._all.items() if mine == project and target in ("", one["targetId"])]

    def _run(self, operation: dict[str, Any], work: Callable[[], None]) -> None:
        time.sleep(self.pace)
        self._note(operation, status="RUNNING", startTime=stamp())
        time.sleep(self.pace)
        while operation["targetId"] in self.stalled:
            time.sleep(0.05)
        try:
            work()
        except Exception as error:  # whatever the data plane says is the operation's error
            found = {"kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": str(error)[:500]}
            self._note(operation, error={"kind": "sql#operationErrors", "errors": [found]})
        self._note(operation, status="DONE", endTime=stamp())

    def _note(self, operation: dict[str, Any], **changes: Any) -> None:
        with self._lock:
            operation.update(changes)
