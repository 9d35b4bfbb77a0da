"""A night with many restores due: what is busy at once, and what it takes, sampled while a run lasts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from standalone import Standalone

from include.lab import airflow_server
from include.lab.airflow_client import FINISHED
from include.settings import PROJECT

EXAMPLE = PROJECT / "include" / "platforms" / "example"
POOL = "selfhosted_restores"


@dataclass
class Peaks:
    """The most that was seen at any one look."""

    restores: int = 0
    """Slots of the restore pool that were taken: restores queued, running, or waiting in the triggerer."""
    deferred: int = 0
    """Restores that waited in the triggerer."""
    sandboxes: int = 0
    """Sandboxes that stood: being restored, asked, or discarded."""
    waiting: int = 0
    """Restores that were due and had no slot yet."""
    workers: int = 0
    """Task instances that held a worker slot, of all kinds."""
    memory: int = 0
    """Bytes of all of Airflow's processes (proportional set size: what they share is counted once)."""
    looks: int = 0
    states: dict[str, str] = field(default_factory=dict)


def watched(airflow: Standalone, run: str, seconds: float, every: float = 1.0) -> Peaks:
    """Look at a run of `drill_restores` until it has finished. Raises TimeoutError."""
    peaks, end = Peaks(), time.monotonic() + seconds
    while airflow.api.run("drill_restores", run)["state"] not in FINISHED:
        if time.monotonic() > end:
            raise TimeoutError(f"{run} has not finished after {seconds:.0f} s: {peaks}")
        pool = airflow.api.call("GET", f"/api/v2/pools/{POOL}")
        peaks.restores = max(peaks.restores, pool["occupied_slots"])
        peaks.deferred = max(peaks.deferred, pool["deferred_slots"])
        peaks.sandboxes = max(peaks.sandboxes, len(list(Path(airflow.env["DRILLYARD_SANDBOX_ROOT"]).glob("dy-*"))))
        peaks.waiting = max(peaks.waiting, pool["scheduled_slots"])
        peaks.workers = max(peaks.workers, busy(airflow, run))
        peaks.memory = max(peaks.memory, memory(airflow.home))
        peaks.looks += 1
        time.sleep(every)
    return peaks


def busy(airflow: Standalone, run: str) -> int:
    """Task instances of a run that hold a worker slot now."""
    asked = f"/api/v2/dags/drill_restores/dagRuns/{run}/taskInstances?state=running&limit=1"
    return int(airflow.api.call("GET", asked)["total_entries"])


def memory(home: Path) -> int:
    """Bytes of all processes of one Airflow."""
    total = 0
    for process in airflow_server.members(home):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def outcomes(airflow: Standalone, run: str, task: str) -> dict[str, int]:
    """How many of a mapped task's instances ended in each state."""
    found: dict[str, int] = {}
    for state in ("success", "failed", "upstream_failed", "skipped", "removed"):
        asked = f"/api/v2/dags/drill_restores/dagRuns/{run}/taskInstances?task_id={task}&state={state}&limit=1"
        count = int(airflow.api.call("GET", asked)["total_entries"])
        if count:
            found[state] = count
    return found


def tried_again(airflow: Standalone, run: str, task: str) -> int:
    """How many of a mapped task's instances needed more than one try."""
    tries: list[int] = []
    while True:
        asked = f"/api/v2/dags/drill_restores/dagRuns/{run}/taskInstances?task_id={task}&limit=100&offset={len(tries)}"
        page = airflow.api.call("GET", asked)["task_instances"]
        if not page:
            return sum(number > 1 for number in tries)
        tries += [one["try_number"] for one in page]


def platform_of(folder: Path, services: int) -> Path:
    """The example platform with so many services instead of its own: each restores the lab's smallest server, whole.

    Digests are signed for the services of the lab, so the question that compares them is left out.
    """
    (folder / "services").mkdir(parents=True)
    (folder / "environments").mkdir()
    for name in ("rates.yaml", "tenants.yaml"):
        (folder / name).write_text((EXAMPLE / name).read_text())
    platform = yaml.safe_load((EXAMPLE / "platform.yaml").read_text())
    platform["clouds"] = {"selfhosted": platform["clouds"]["selfhosted"]}
    platform.pop("blackouts", None)
    # No cloud runs beside: each task would wait for the stores that are down before it goes on without them.
    platform["evidence"] = [store for store in platform["evidence"] if "connection" not in store]
    (folder / "platform.yaml").write_text(yaml.safe_dump(platform, default_flow_style=False))
    one: dict[str, Any] = yaml.safe_load((EXAMPLE / "services" / "identity.yaml").read_text())
    validation = one["datastores"][0]["validation"]
    validation["questions"] = [question for question in validation["questions"] if not question.get("digest")]
    suite = (EXAMPLE / "services" / validation["expectations"]).read_text()
    (folder / "services" / validation["expectations"]).write_text(suite)
    for number in range(services):
        name = f"due-{number:03}"
        (folder / "services" / f"{name}.yaml").write_text(yaml.safe_dump(one | {"service": name, "tenants": []}))
    return folder
