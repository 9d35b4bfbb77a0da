"""The DAG of cost reports: as Airflow reads it, and one run of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.costs.synthetic import write_bills


def test_the_dag_is_a_table_of_contents(dagbag: Any, project: Path) -> None:
    dag = dagbag.dags["report_egress_costs"]
    assert list(dag.task_dict) == ["months", "report"]
    assert dag.catchup is False and dag.max_active_runs == 1
    assert [asset.name for asset in dag.task_dict["report"].outlets] == ["transfer_cost_report"]
    assert len((project / "dags" / "report_egress_costs.py").read_text().splitlines()) <= 80


def test_a_run_writes_the_report_that_the_command_writes(run_dag: Any, tmp_path: Path) -> None:
    write_bills(tmp_path / "bills", months=("2026-10",))
    env = {"DRILLYARD_BILLING": str(tmp_path / "bills"), "DRILLYARD_REPORTS": str(tmp_path / "reports")}
    done = run_dag("report_egress_costs", conf={"months": ["2026-10"]}, env=env)
    assert done.code == 0, done.output[-3000:]
    totals = json.loads((tmp_path / "reports" / "costs" / "2026-10" / "totals.json").read_text())
    assert totals["month"] == "2026-10" and set(totals["billed_cost"]) == {"AWS", "Google Cloud", "Microsoft"}
    assert (tmp_path / "reports" / "costs" / "2026-10" / "index.html").exists()
