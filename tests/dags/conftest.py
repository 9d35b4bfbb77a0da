"""One parsed DagBag and one prepared Airflow home for all tests of DAGs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.lab import airflow_home
from include.settings import PROJECT


@pytest.fixture(scope="session")
def dagbag() -> Any:
    """Every DAG of the project, parsed once, in a throw-away AIRFLOW_HOME."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(PROJECT / "dags"))


@pytest.fixture(scope="session")
def airflow_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a prepared Airflow (database migrated, pools and connections imported) on SQLite."""
    env = airflow_home.airflow_environment(tmp_path_factory.mktemp("airflow"), {})
    airflow_home.prepare(env)
    return env


@dataclass(frozen=True)
class DagTest:
    """How `airflow dags test` ended: exit code 0 for a run that succeeded."""

    code: int
    output: str


RunDag = Callable[..., DagTest]


@pytest.fixture
def run_dag(airflow_env: dict[str, str]) -> RunDag:
    """``run_dag(dag_id, conf={…}, env={…}, dags=folder)``: one run by `airflow dags test`, with more environment (a lab's).

    ``then=[{…}]``: runs after it, each with its own conf, in the same process; a red one is the last.
    """

    def run(
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        dags: Path | None = None,
        timeout: float = 600,
        then: Sequence[Mapping[str, Any]] = (),
    ) -> DagTest:
        import json

        whole = {**airflow_env, **(env or {})}
        whole |= {name: airflow_env[name] for name in ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")}
        if dags is not None:
            whole["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags)
        try:
            confs = [["--conf", json.dumps(dict(one))] if one else [] for one in (conf, *then)]
            commands = [["dags", "test", dag_id, *given] for given in confs]
            return DagTest(0, airflow_home.run_airflow(whole, *commands, timeout=timeout))
        except airflow_home.CommandFailed as failed:
            return DagTest(failed.code, failed.output)

    return run
