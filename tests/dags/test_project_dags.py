"""The DAG files as Airflow reads them: whole, light, and paused by nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.lab import airflow_home

HEAVY = (
    "boto3",
    "botocore",
    "google.cloud",
    "googleapiclient",
    "azure",
    "pandas",
    "great_expectations",
    "duckdb",
    "ibis",
    "pyarrow",
)

PROBE = """
import importlib.util, json, sys
found, heavy = {}, json.loads(sys.argv[1])
import airflow.sdk
before = {name for name in heavy if name in sys.modules}
for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("dag_under_test", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    new = {name for name in heavy if name in sys.modules} - before
    found[path] = sorted(new)
    before |= new
print("FOUND" + json.dumps(found))
"""


def heavy_imports(files: list[Path]) -> dict[str, list[str]]:
    """The heavy modules that each file was the first to import, in a process of its own."""
    project = Path(__file__).resolve().parent.parent.parent
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(project), str(project / "plugins")])}
    command = [sys.executable, "-c", PROBE, json.dumps(HEAVY), *map(str, files)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    answer: dict[str, list[str]] = json.loads(done.stdout.rpartition("FOUND")[2])
    return answer


def test_no_dag_file_fails_to_import(dagbag: Any) -> None:
    assert dagbag.import_errors == {}


def test_every_dag_file_gives_the_dag_of_its_name(dagbag: Any, project: Path) -> None:
    assert set(dagbag.dags) == {file.stem for file in (project / "dags").glob("*.py")} != set()


def test_every_dag_is_documented_and_tagged(dagbag: Any) -> None:
    bare = [name for name, dag in dagbag.dags.items() if not (dag.doc_md or "").strip() or not dag.tags]
    assert bare == []


def test_every_pool_that_a_task_names_is_in_the_settings_file(dagbag: Any) -> None:
    from include.lab import airflow_settings

    pools = {pool.pool_name for pool in airflow_settings.read().pools} | {"default_pool"}
    named = {task.pool for dag in dagbag.dags.values() for task in dag.tasks}
    assert named - pools == set()
    assert named - {"default_pool"}, "no task uses a pool: the limits of a cloud's control plane would not hold"


def test_a_drill_that_is_begun_is_ended_before_another_begins(dagbag: Any) -> None:
    tasks = dagbag.dags["drill_restores"].task_dict
    for cloud in ("selfhosted", "aws", "google", "azure"):
        steps = [tasks[f"drill_{cloud}.{step}"] for step in ("restore", "validate", "close", "record", "verdict")]
        weights = [step.priority_weight for step in steps]
        assert weights == sorted(set(weights)), f"{cloud}: the sandboxes of a night would pile up: {weights}"
        pools = {step.pool for step in steps[:3]}
        assert pools == {f"{cloud}_restores"}, f"{cloud}: a sandbox stands without a slot: {pools}"


def test_every_cloud_is_restored_and_verified(dagbag: Any) -> None:
    from include.clouds import CLOUDS

    for dag, verb in (("drill_restores", "drill"), ("verify_backups", "verify")):
        groups = {name for name in dagbag.dags[dag].task_group_dict if name is not None}
        assert groups == {f"{verb}_{cloud}" for cloud in CLOUDS}


def test_dag_files_import_nothing_heavy(project: Path) -> None:
    found = heavy_imports(sorted((project / "dags").glob("*.py")))
    assert found
    assert {Path(file).name: modules for file, modules in found.items() if modules} == {}


def test_a_heavy_import_is_noticed(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import pandas\nimport duckdb\n")
    assert {"pandas", "duckdb"} <= set(heavy_imports([planted])[str(planted)])


def test_airflow_lists_no_import_error_without_a_lab(airflow_env: dict[str, str]) -> None:
    assert "No data found" in airflow_home.run_airflow(airflow_env, ["dags", "list-import-errors", "--local"])


def test_airflow_would_list_a_broken_file(airflow_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from airflow.sdk import dag\nraise LookupError('no such name')\n")
    with pytest.raises(airflow_home.CommandFailed) as failed:
        airflow_home.run_airflow(
            airflow_env | {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path)},
            ["dags", "list-import-errors", "--local", "--output", "json"],
        )
    assert "broken.py" in failed.value.output
