"""Starting and stopping Airflow: twice, on taken ports, after a crash; nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from standalone import PATIENCE, until

from include.lab import airflow_home, airflow_server
from include.lab.airflow_client import AirflowClient, AirflowError

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def greet():
    @task
    def hello() -> str:
        return "hello"
    hello()

greet()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for an Airflow home; whatever a test leaves running in it is ended."""
    place = Path(tempfile.mkdtemp(prefix="drillyard-life-"))
    (place / "dags").mkdir()
    (place / "dags" / "greet.py").write_text(DAG)
    yield place
    airflow_server.stop(place)
    shutil.rmtree(place)


def environment(home: Path) -> dict[str, str]:
    return airflow_home.airflow_environment(home, {}, dags=home / "dags")


def test_it_starts_on_free_ports_runs_a_dag_and_ends_whole_even_after_a_crash(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        kept = environment(home)  # makes kept.json
        file = home / "kept.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"api_port": taken}))
        airflow_home.renew_ports(home)
        env = environment(home)
        assert env["AIRFLOW__API__PORT"] != taken
        assert env["AIRFLOW__API_AUTH__JWT_SECRET"] == kept["AIRFLOW__API_AUTH__JWT_SECRET"]

        airflow_home.prepare(env)
        server = airflow_server.start(home, env)
        airflow_server.wait_healthy(home, PATIENCE, quiet=True)
        assert airflow_server.running(home) == server

        api = airflow_server.client(home)
        run = api.trigger("greet")
        assert api.wait("greet", run, PATIENCE)["state"] == "success"
        with pytest.raises(AirflowError, match=r"40[13]"):
            AirflowClient(server.address, "admin", "wrong").call("GET", "/api/v2/dags")

        os.kill(server.process.pid, signal.SIGKILL)
        until(lambda: airflow_server.running(home) is None, 30)
        left = airflow_server.members(home)
        assert len(left) >= 4, "a crash of the leader leaves its components: they are what must be found"
        assert airflow_server.stop(home) == len(left)
        assert airflow_server.members(home) == []
        assert not (home / "server.json").exists()
    with (
        pytest.raises(OSError, match="refused"),
        socket.create_connection(("127.0.0.1", int(env["AIRFLOW__API__PORT"])), timeout=5),
    ):
        pass


def test_stopping_what_does_not_run_is_no_error(home: Path) -> None:
    assert airflow_server.stop(home) == 0


def test_a_pid_that_went_to_somebody_else_is_not_ours(home: Path) -> None:
    me = airflow_server.identify(os.getpid())
    assert me is not None
    stale = airflow_server.Server(process=me.model_copy(update={"born": me.born - 3600}), address="http://127.0.0.1:1", dags=home)
    (home / "server.json").write_text(stale.model_dump_json())
    assert airflow_server.running(home) is None
    assert airflow_server.stop(home) == 0


def test_an_airflow_that_cannot_start_says_why(home: Path) -> None:
    env = environment(home) | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/none"}
    airflow_server.start(home, env)
    with pytest.raises(RuntimeError, match=r"(?s)stopped; the end of .*refused"):
        airflow_server.wait_healthy(home, PATIENCE, quiet=True)
