"""The DAGs under ``airflow standalone`` on a lab: scheduler, triggerer, assets, pools, and a scheduler that is killed."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from due_night import POOL, outcomes, tried_again, watched
from lab_homes import in_environment
from standalone import PATIENCE, Standalone, standalone_on, until

from include.connections import from_environment
from include.costs.synthetic import write_bills
from include.evidence.kit import COLD_DRILL
from include.lab import airflow_home, airflow_server, airflow_settings, fleet
from include.lab.airflow_client import FINISHED
from include.lab.state import LabState
from include.ledger import Ledger, open_ledger, url_from_environment
from include.recovery import kits
from include.recovery.model import Lease
from include.settings import PROJECT

LATE = """
from datetime import timedelta

from airflow.sdk import dag, task

from drillyard.notices import late_after


@dag(schedule=None, deadline=late_after(timedelta(seconds=2)))
def runs_late():
    @task
    def wait():
        import time

        time.sleep(20)

    wait()


runs_late()
"""


@pytest.fixture(scope="module")
def airflow(small_lab: LabState, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """The project's DAGs, and one that always misses its deadline."""
    dags = tmp_path_factory.mktemp("dags")
    for file in (PROJECT / "dags").glob("*.py"):
        shutil.copy(file, dags)
    (dags / "runs_late.py").write_text(LATE)
    with standalone_on(small_lab, dags) as up:
        yield up


def test_it_is_whole(airflow: Standalone) -> None:
    assert set(airflow.api.health().values()) == {"healthy"}
    dags = airflow.api.call("GET", "/api/v2/dags?limit=100")["dags"]
    assert {"verify_backups", "drill_restores", "publish_readiness", "reap_leftovers"} <= {dag["dag_id"] for dag in dags}
    assert [dag["dag_id"] for dag in dags if dag["is_paused"]] == []


def test_no_import_errors_with_the_lab(airflow: Standalone) -> None:
    assert airflow.api.call("GET", "/api/v2/importErrors")["import_errors"] == []
    assert "No data found" in airflow_home.run_airflow(airflow.env, ["dags", "list-import-errors"])


def test_the_settings_files_pools_exist(airflow: Standalone) -> None:
    wanted = airflow_settings.pools_file(airflow_settings.read())
    there = {pool["name"]: pool for pool in airflow.api.call("GET", "/api/v2/pools")["pools"]}
    for name, pool in wanted.items():
        assert (there[name]["slots"], there[name]["include_deferred"]) == (pool["slots"], pool["include_deferred"])


def test_backups_are_verified(airflow: Standalone) -> None:
    states = airflow.finished("verify_backups", airflow.api.trigger("verify_backups"))
    assert any(task.startswith("verify_selfhosted.verify[") and state == "success" for task, state in states.items())


def test_a_drill_is_restored_through_the_triggerer_its_evidence_is_published_and_people_are_told(
    airflow: Standalone, small_lab: LabState
) -> None:
    before = {run["dag_run_id"] for run in asset_runs(airflow)}
    run = airflow.drill("pricing")
    waited = until(lambda: waiting(airflow, run) or airflow.api.run("drill_restores", run)["state"] in FINISHED)
    states = airflow.finished("drill_restores", run)
    assert waited is not True, "the run ended without a wait in the triggerer"
    assert waited == {"deferred_slots": 1, "occupied_slots": 1}, "a waiting restore keeps its slot"
    assert states["drill_selfhosted.verdict[0]"] == "success"
    fired = until(lambda: [one for one in asset_runs(airflow) if one["dag_run_id"] not in before])
    airflow.finished("publish_readiness", fired[0]["dag_run_id"])
    assert small_lab.sink is not None
    assert any("pricing" in one.get_content() for one in small_lab.sink.mails())
    assert "/heartbeat" in {one["path"] for one in small_lab.sink.requests()}


def test_a_drill_that_cannot_be_proven_ends_red(airflow: Standalone) -> None:
    run = airflow.drill("shipping", recovery_point="no-such-point")
    state = airflow.api.wait("drill_restores", run, PATIENCE)["state"]
    assert state == "failed", airflow.states("drill_restores", run)


BEING_ENDED = 3
"""Sandboxes that may stand beside those that are being restored: they are asked or discarded, and nothing goes before that."""


@pytest.mark.parametrize("due", [5, pytest.param(12, marks=pytest.mark.full)])
def test_no_more_restores_at_once_than_the_pool_has_slots(airflow: Standalone, due: int) -> None:
    """The others wait without a worker slot, and every one gets its turn."""
    services = [database.service for server in fleet.SERVERS for database in server.databases][:due]
    why = {"services": services, "reason": "test", "override_blackout": "nothing of production is in this lab"}
    run = airflow.api.trigger("drill_restores", why)
    peaks = watched(airflow, run, PATIENCE, every=0.5)
    slots = airflow.api.call("GET", f"/api/v2/pools/{POOL}")["slots"]
    assert peaks.looks > 5
    assert peaks.restores == slots < due, peaks
    assert peaks.deferred >= 1 and peaks.waiting >= 1, peaks
    # A slot that falls free within a round of the scheduler goes to the next restore: what follows is not scheduled yet.
    assert slots <= peaks.sandboxes <= 2 * slots < due, f"sandboxes pile up: {peaks}"
    assert outcomes(airflow, run, "drill_selfhosted.verdict") == {"success": due}
    assert tried_again(airflow, run, "drill_selfhosted.restore") == 0, "a wait ended before the scheduler knew of it"


def waiting(airflow: Standalone, run: str) -> dict[str, int]:
    """The restore pool's slots while the run's restore waits in the triggerer; empty while it does not."""
    if airflow.states("drill_restores", run).get("drill_selfhosted.restore[0]") != "deferred":
        return {}
    pool = airflow.api.call("GET", "/api/v2/pools/selfhosted_restores")
    return {kind: pool[kind] for kind in ("deferred_slots", "occupied_slots")} if pool["deferred_slots"] else {}


def asset_runs(airflow: Standalone) -> list[dict[str, Any]]:
    return [run for run in airflow.api.runs("publish_readiness") if run["run_type"] == "asset_triggered"]


def test_a_drill_survives_the_schedulers_death(airflow: Standalone) -> None:
    run = airflow.drill("identity")
    until(lambda: airflow.states("drill_restores", run).get("drill_selfhosted.restore[0]") in ("running", "deferred"))
    dead = airflow.kill("scheduler")
    states = airflow.finished("drill_restores", run)
    assert states["drill_selfhosted.verdict[0]"] == "success"
    assert until(lambda: new_scheduler(airflow)) != dead


def new_scheduler(airflow: Standalone) -> int:
    try:
        return int(airflow.process("scheduler").pid)
    except LookupError:
        return 0


def test_what_a_dead_scheduler_leaves_is_swept(airflow: Standalone) -> None:
    dead = airflow.kill("scheduler")
    until(lambda: new_scheduler(airflow) not in (0, dead))

    def orphans() -> list[int]:
        left = []
        for one in airflow_server.members(airflow.home):
            with contextlib.suppress(psutil.Error):
                left += [one.pid] if one.ppid() == 1 and "LocalExecutor" in " ".join(one.cmdline()) else []
        return left

    until(lambda: not orphans(), seconds=60)


def test_a_run_that_misses_its_deadline_is_told_by_mail(airflow: Standalone, small_lab: LabState) -> None:
    airflow.api.trigger("runs_late")
    sink = small_lab.sink
    assert sink is not None
    late = until(lambda: [one for one in sink.mails() if "runs_late is late" in str(one["Subject"])])
    assert {str(one["To"]) for one in late} <= {"ines.holm@example.test", "jonas.falk@example.test"}


def test_the_reaper_runs(airflow: Standalone) -> None:
    airflow.finished("reap_leftovers", airflow.api.trigger("reap_leftovers"))


@pytest.fixture
def ledger(small_lab: LabState) -> Iterator[Ledger]:
    with in_environment(small_lab):
        yield open_ledger(url_from_environment())


def leases_by_hand(ledger: Ledger) -> list[Lease]:
    """What is open, without the drills of the night's own run, which a new scheduler may start at any moment."""
    return [one for one in ledger.open_leases() if one.requested_by != "schedule"]


def test_the_way_back_is_drilled_from_the_kit(airflow: Standalone, ledger: Ledger) -> None:
    assert kits.export_all(from_environment).failures == {}
    states = airflow.finished("recover_cold", airflow.api.trigger("recover_cold", {"services": ["pricing"]}))
    assert [state for task, state in states.items() if task.startswith("cold_verdict[")] == ["success"]
    note = ledger.notes(event=COLD_DRILL)[-1]
    assert (note.subject, note.detail["verdict"]) == ("pricing/prices", "passed")
    assert leases_by_hand(ledger) == []


def test_a_global_stop_holds_until_it_is_lifted(airflow: Standalone, ledger: Ledger) -> None:
    airflow.finished("stop_drills", airflow.api.trigger("stop_drills", {"action": "stop", "reason": "a test of the stop"}))
    try:
        held = airflow.drill("identity")
        airflow.api.wait("drill_restores", held, PATIENCE)
        assert airflow.states("drill_restores", held).get("drill_selfhosted.restore[0]") != "success"
        assert leases_by_hand(ledger) == []
        assert "a test of the stop" in str(ledger.notes(event="drill-held")[-1].detail)
    finally:
        airflow.finished("stop_drills", airflow.api.trigger("stop_drills", {"action": "resume", "reason": "the test is over"}))
    assert ledger.stopped() is None


def test_a_kept_sandbox_is_adopted_and_handed_back(airflow: Standalone, ledger: Ledger) -> None:
    airflow.finished("drill_restores", airflow.drill("identity", keep_minutes=30))
    (lease,) = leases_by_hand(ledger)
    asked = {"lease": lease.lease_id, "person": "ines-holm", "hours": 2}
    airflow.finished("adopt_sandbox", airflow.api.trigger("adopt_sandbox", asked | {"action": "adopt"}))
    adopted = ledger.lease(lease.lease_id)
    assert adopted is not None and adopted.adopted_by == "ines-holm" and adopted.expires_at > lease.expires_at
    airflow.finished("reap_leftovers", airflow.api.trigger("reap_leftovers"))
    sandbox = Path(airflow.env["DRILLYARD_SANDBOX_ROOT"]) / lease.sandbox
    assert sandbox.is_dir(), "the reaper leaves alone what a person has adopted"
    airflow.finished("adopt_sandbox", airflow.api.trigger("adopt_sandbox", asked | {"action": "release"}))
    airflow.finished("reap_leftovers", airflow.api.trigger("reap_leftovers"))
    assert not sandbox.exists()
    assert leases_by_hand(ledger) == []


def test_costs_are_reported(airflow: Standalone, tmp_path: Path) -> None:
    write_bills(tmp_path / "bills", months=("2026-10",))
    asked = {"months": ["2026-10"], "billing": str(tmp_path / "bills")}
    airflow.finished("report_egress_costs", airflow.api.trigger("report_egress_costs", asked))
    report = Path(airflow.env["DRILLYARD_REPORTS"]) / "costs" / "2026-10"
    assert json.loads((report / "totals.json").read_text())["month"] == "2026-10"
    assert (report / "index.html").exists()
