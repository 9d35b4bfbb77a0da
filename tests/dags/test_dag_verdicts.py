"""A run is judged by its leaves: a red verdict must be one, and nothing that always succeeds may be the only one."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("dag_id", "judge"),
    [
        ("drill_restores", "verdict"),
        ("verify_backups", "night"),
        ("verify_backups", "kit_verdict"),
        ("recover_cold", "cold_verdict"),
        ("suspend_environments", "swept"),
    ],
)
def test_verdicts_are_leaves(dagbag: Any, dag_id: str, judge: str) -> None:
    leaves = {task.task_id for task in dagbag.dags[dag_id].leaves}
    judges = {task for task in dagbag.dags[dag_id].task_ids if task.split(".")[-1] == judge}
    assert judges and judges <= leaves


@pytest.mark.parametrize("dag_id", ["stop_drills", "adopt_sandbox", "publish_readiness", "reap_leftovers"])
def test_no_leaf_hides_a_failure(dagbag: Any, dag_id: str) -> None:
    assert {task.trigger_rule for task in dagbag.dags[dag_id].leaves} == {"all_success"}
