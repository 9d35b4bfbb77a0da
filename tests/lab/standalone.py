"""An ``airflow standalone`` with the project's DAGs on a lab, and what tests ask of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from include.lab import accounts, airflow_home, airflow_server, environment
from include.lab import lab as the_lab
from include.lab.airflow_client import AirflowClient
from include.lab.state import LabState
from include.settings import PROJECT

PATIENCE = 600.0
"""Seconds for a run: several times what it takes on two idle cores."""


@dataclass(frozen=True)
class Standalone:
    """One that is up."""

    home: Path
    env: dict[str, str]
    api: AirflowClient

    def drill(self, service: str, **conf: Any) -> str:
        """Ask for a restore drill of one service; gives the run's id."""
        why = {"services": [service], "reason": "test", "override_blackout": "nothing of production is in this lab"}
        return self.api.trigger("drill_restores", why | conf)

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State by task id (``task[map index]``)."""
        return {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in self.api.tasks(dag_id, run_id)}

    def log(self, dag_id: str, run_id: str, task: str) -> str:
        """The log of a task instance's last try."""
        found = next(one for one in self.api.tasks(dag_id, run_id) if f"{one['task_id']}[{one['map_index']}]" == task)
        place = f"{found['task_id']}/logs/{found['try_number']}?map_index={found['map_index']}"
        return str(self.api.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{place}"))

    def finished(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Wait for a run that must succeed; gives its task states. Shows logs of what failed."""
        state = self.api.wait(dag_id, run_id, PATIENCE)["state"]
        states = self.states(dag_id, run_id)
        failed = [task for task, task_state in states.items() if task_state in ("failed", "upstream_failed")]
        logs = "\n".join(self.log(dag_id, run_id, task) for task in failed[:2])
        assert (state, failed) == ("success", []), f"{dag_id} is {state}: {states}\n{logs}"
        return states

    def process(self, component: str) -> psutil.Process:
        """The process of a component itself, not its keeper nor its children."""
        for process in airflow_server.members(self.home):
            with contextlib.suppress(psutil.Error):
                parent = process.parent()
                if component in process.cmdline()[1:3] and parent is not None and keeps(parent) and not keeps(process):
                    return process
        raise LookupError(f"no {component} runs in {self.home}")

    def kill(self, component: str) -> int:
        """SIGKILL a component; gives its pid."""
        process = self.process(component)
        process.send_signal(signal.SIGKILL)
        return int(process.pid)


def keeps(process: psutil.Process) -> bool:
    """Whether it is a keeper of a component, not the component."""
    return "include.lab.airflow_component" in process.cmdline()


def until(what: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.5) -> Any:
    """The first true answer. Raises TimeoutError with the last one."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"still {answer!r} after {seconds:.0f} s")
        time.sleep(every)


@contextmanager
def standalone_on(
    lab: LabState, dags: Path = PROJECT / "dags", settings: Mapping[str, str] | None = None
) -> Iterator[Standalone]:
    """Start one with its metadata and ledger on the lab's servers; nothing of it is left afterwards."""
    home = Path(tempfile.mkdtemp(prefix="drillyard-airflow-"))
    sandboxes = Path(tempfile.mkdtemp(prefix="drillyard-sandboxes-"))  # not in /dev/shm, which a restored server has to itself
    accounts.folder(sandboxes, lab.user, 0o700)
    try:
        places = {"DRILLYARD_REPORTS": str(home / "reports"), "DRILLYARD_SANDBOX_ROOT": str(sandboxes)}
        env = airflow_home.airflow_environment(home, environment.read(lab) | places | dict(settings or {}), dags=dags)
        airflow_home.prepare(env)
        airflow_server.start(home, env)
        airflow_server.wait_healthy(home, PATIENCE, quiet=True)
        yield Standalone(home, env, airflow_server.client(home))
    except BaseException:
        if os.environ.get("CI") and (home / "standalone.log").exists():
            print((home / "standalone.log").read_text(errors="replace")[-8000:])
        raise
    finally:
        airflow_server.stop(home)
        assert airflow_server.members(home) == []
        the_lab.stop_sandboxes(sandboxes)
        shutil.rmtree(sandboxes)
        shutil.rmtree(home)
