"""``env.json``: every environment variable that the project needs to work against this lab."""

from __future__ import annotations

import json
from typing import Any

from include.lab import clouds, fleet, platform
from include.lab.postgres import HOST
from include.lab.state import LabState, write_private
from include.recovery import digests


def connection_id(server: str) -> str:
    """The Airflow connection of a server: ``orders-db`` is ``orders_db``."""
    return server.replace("-", "_")


def _postgres(state: LabState, server: str, database: str, login: str, password: str) -> str:
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": HOST,
            "port": state.cluster(server).port,
            "login": login,
            "password": password,
            "schema": database,
        }
    )


def variables(state: LabState) -> dict[str, str]:
    """The variables by name. Secrets are among them: keep the file private."""
    control = state.cluster("control-db")
    secret = state.passwords
    found: dict[str, Any] = {
        f"AIRFLOW_CONN_{connection_id(server.name).upper()}": _postgres(
            state, server.name, server.databases[0].name, "drillyard_observer", secret["observer"]
        )
        for server in fleet.SERVERS
    }
    found |= {
        "AIRFLOW_CONN_DRILLYARD_LEDGER": _postgres(state, "control-db", "drillyard_ledger", "drillyard_ledger", secret["ledger"]),
        "AIRFLOW_CONN_DRILLYARD_LEDGER_READ": _postgres(
            state, "control-db", "drillyard_ledger", "drillyard_ledger_read", secret["ledger_read"]
        ),
        "AIRFLOW_CONN_DRILLYARD_SANDBOX": json.dumps({"conn_type": "generic", "password": secret["sandbox"]}),
        "AIRFLOW_CONN_DRILLYARD_SEALING_KEY": json.dumps({"conn_type": "generic", "password": state.sealing_key}),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://airflow:{secret['airflow']}@{HOST}:{control.port}/airflow"
        ),
        "DRILLYARD_LAB_HOME": str(state.home),
        "DRILLYARD_PG_BIN": str(state.bin_dir),
        "DRILLYARD_SANDBOX_ROOT": str(state.home / "sandboxes"),
        "DRILLYARD_BACKUP_KEY": digests.public_key(state.digest_key),
    }
    if state.sink is not None:
        mail = {"from_email": "drillyard@example.test", "disable_ssl": True, "disable_tls": True}
        chat = {"config": {"path": f"json://{HOST}:{state.sink.http_port}/chat"}}
        switch = {"url": f"http://{HOST}:{state.sink.http_port}/heartbeat"}
        found |= {
            "AIRFLOW_CONN_DRILLYARD_SMTP": json.dumps(
                {"conn_type": "smtp", "host": HOST, "port": state.sink.smtp_port, "extra": mail}
            ),
            "AIRFLOW_CONN_OPERATIONS_CHAT": json.dumps({"conn_type": "apprise", "extra": chat}),
            "AIRFLOW_CONN_DRILLYARD_HEARTBEAT": json.dumps({"conn_type": "http", "extra": switch}),
        }
    found |= clouds.variables(state.home, state.clouds)
    if set(state.clouds) != set(clouds.ALL):
        found["DRILLYARD_PLATFORM"] = str(platform.example_without(set(clouds.ALL) - set(state.clouds), state.home / "platform"))
    return found


def write(state: LabState) -> None:
    """Write ``env.json`` into the lab's home, readable by its owner only."""
    write_private(state.home / "env.json", json.dumps(variables(state), indent=1, sort_keys=True))


def read(state: LabState) -> dict[str, str]:
    """What `write` wrote last."""
    found: dict[str, str] = json.loads((state.home / "env.json").read_text())
    return found
