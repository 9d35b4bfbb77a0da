"""The few calls of Airflow's REST API that starting, demonstrating and testing need."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

FINISHED = ("success", "failed")


class AirflowError(Exception):
    """Airflow refused a call. `status` is the HTTP status; the text carries its answer."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class AirflowClient:
    """One user on one Airflow."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.address, self._login = address.rstrip("/"), {"username": user, "password": password}
        self._token = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer of a call. Logs in when needed. Raises AirflowError when refused, OSError when not reached."""
        if not self._token and path != "/auth/token":
            self._token = self.call("POST", "/auth/token", self._login)["access_token"]
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **({"Authorization": f"Bearer {self._token}"} if self._token else {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AirflowError(
                f"{method} {path}: {error.code}: {error.read().decode(errors='replace')[:500]}", error.code
            ) from None
        return json.loads(text) if text else None

    def health(self) -> dict[str, str]:
        """The state of each part (`metadatabase`, `scheduler`, `triggerer`, `dag_processor`): `healthy` or not."""
        found = self.call("GET", "/api/v2/monitor/health")
        return {part: str(state.get("status")) for part, state in found.items()}

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """Start a run; gives its id."""
        body = {"logical_date": None, "conf": dict(conf or {}), **fields}
        return str(self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """A run as Airflow tells it."""
        found: dict[str, Any] = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        return found

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first."""
        found: list[dict[str, Any]] = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found: list[dict[str, Any]] = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return found

    def wait(self, dag_id: str, run_id: str, seconds: float) -> dict[str, Any]:
        """The run when it has finished. Raises TimeoutError, naming its unfinished tasks.

        A busy or restarting API server is waited for: what it does not answer is not a state of the run.
        """
        until = time.monotonic() + seconds
        while True:
            found = {"state": "unknown"}
            with contextlib.suppress(OSError):
                found = self.run(dag_id, run_id)
            if found["state"] in FINISHED:
                return found
            if time.monotonic() > until:
                tasks = {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in self.tasks(dag_id, run_id)}
                open_tasks = {name: state for name, state in tasks.items() if state != "success"}
                raise TimeoutError(f"{dag_id} {run_id} is {found['state']} after {seconds:.0f} s; unfinished: {open_tasks}")
            time.sleep(1)
