"""What a cloud's room is handed, from Airflow: connections by id, and SDK clients from the providers' hooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.connections import ConnectionInfo

if TYPE_CHECKING:
    from include.recovery.desk import Desk
    from include.suspension.desk import SleepDesk


def connection(conn_id: str) -> ConnectionInfo:
    """An Airflow connection in the form that `include/` knows. Raises LookupError naming the connection."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found: Any = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise LookupError(
            f"Airflow has no connection {conn_id!r}: add it under Admin, Connections, or set AIRFLOW_CONN_{conn_id.upper()}"
        ) from None
    extra = found.extra_dejson if found.extra else {}
    return ConnectionInfo(
        conn_id=conn_id,
        conn_type=found.conn_type,
        host=found.host or None,
        port=found.port,
        login=found.login,
        password=found.password,
        schema_name=found.schema or None,
        extra=extra if isinstance(extra, dict) else json.loads(extra),
    )


def desk(cloud: str) -> Desk:
    """Everything a step needs for one cloud, with Airflow's connections and secrets backends behind it."""
    from include.recovery.desk import open_desk

    return open_desk(cloud, connection, _handed(cloud))


def sleep_desk(cloud: str) -> SleepDesk:
    """Everything that a sweep over sleeping environments needs for one cloud."""
    from include.suspension.desk import open_sleep_desk

    return open_sleep_desk(cloud, connection, _handed(cloud))


CLIENTS = {"aws": "drillyard.aws_clients", "azure": "drillyard.azure_clients", "google": "drillyard.google_clients"}
"""By cloud: the module whose `clients` gives, for the cloud's settings, SDK clients from the provider's hook. Other clouds get
the connections."""


def _handed(cloud: str) -> Any:
    from importlib import import_module

    return import_module(CLIENTS[cloud]).clients if cloud in CLIENTS else None
