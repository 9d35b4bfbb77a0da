"""The tests' own ground: no network in unit tests, and nothing of the caller's Airflow or clouds."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from pytest_socket import SocketBlockedError

from include.lab import airflow_home


def test_a_unit_test_cannot_open_a_connection() -> None:
    with pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


def test_nothing_of_the_callers_airflow_or_clouds_is_here() -> None:
    leaked = [
        name
        for name in os.environ
        if name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_", "AWS_ACCESS", "AWS_SECRET", "AWS_PROFILE"))
    ]
    assert leaked == []
    assert "drillyard-tests-" in os.environ["AIRFLOW_HOME"]


def test_airflow_gets_connections_but_no_credentials_and_no_other_airflow(tmp_path: Path) -> None:
    caller = {
        "PATH": "/bin",
        "AIRFLOW_CONN_ORDERS": "postgres://x",
        "AIRFLOW_VAR_REGION": "north",
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__CORE__DAGS_FOLDER": "/elsewhere/dags",
        "AWS_PROFILE": "production",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CA_BUNDLE": "/certificates.pem",
        "AZURE_CLIENT_SECRET": "secret",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
        "PYTHONPATH": "/elsewhere",
    }
    kept = airflow_home.inherited(caller)
    assert kept == {
        "PATH": "/bin",
        "AIRFLOW_CONN_ORDERS": "postgres://x",
        "AIRFLOW_VAR_REGION": "north",
        "AWS_CA_BUNDLE": "/certificates.pem",
    }


def environment(home: Path, lab: dict[str, str], caller: dict[str, str]) -> dict[str, str]:
    """An environment in a home whose ports and secrets are there already: choosing ports opens sockets."""
    home.mkdir(exist_ok=True)
    kept = dict.fromkeys(("secret_key", "jwt_secret", "fernet_key"), "secret") | {
        name: str(port) for name, port in airflow_home.PORTS.items()
    }
    airflow_home._write_private(home / "kept.json", __import__("json").dumps(kept))
    return airflow_home.airflow_environment(home, lab, environ=caller)


def test_the_labs_connections_go_before_the_callers(tmp_path: Path) -> None:
    lab = {"AIRFLOW_CONN_ORDERS": "postgres://lab", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://lab/airflow"}
    env = environment(tmp_path / "home", lab, {"PATH": "/bin", "AIRFLOW_CONN_ORDERS": "postgres://mine"})
    assert env["AIRFLOW_CONN_ORDERS"] == "postgres://lab"
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("lab/airflow")


def test_without_a_lab_the_metadata_are_a_file_in_the_home(tmp_path: Path) -> None:
    env = environment(tmp_path / "home", {}, {"PATH": "/bin"})
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/home/airflow.db"
    assert env["PATH"].split(os.pathsep)[-1] == "/bin"
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_secrets_of_a_home_are_its_owners_only_and_stay(tmp_path: Path) -> None:
    first = environment(tmp_path / "home", {}, {})
    assert (tmp_path / "home" / "kept.json").stat().st_mode & 0o077 == 0
    assert airflow_home.airflow_environment(tmp_path / "home", {}, environ={}) == first
