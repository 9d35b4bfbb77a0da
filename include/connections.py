"""Connections by id, for use without Airflow: the same ``AIRFLOW_CONN_…`` variables that Airflow reads first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field

from include.values import Frozen


class ConnectionInfo(Frozen):
    """The fields of an Airflow connection that the rooms need."""

    conn_id: str
    conn_type: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = Field(default=None, repr=False)
    schema_name: str | None = None
    """Airflow's field `schema`: for PostgreSQL the database."""
    extra: dict[str, Any] = Field(default_factory=dict, repr=False)


Connections = Callable[[str], ConnectionInfo]
"""Gives a connection by its id; raises LookupError that says where it was looked for."""


def from_environment(conn_id: str) -> ConnectionInfo:
    """Read ``AIRFLOW_CONN_<ID>`` as JSON or URI. Raises LookupError naming the variable when it is not set."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = os.environ.get(variable)
    if not text:
        raise LookupError(f"connection {conn_id!r} is not known here: set {variable} (JSON or URI), as for Airflow")
    return parse(conn_id, text)


def parse(conn_id: str, text: str) -> ConnectionInfo:
    """A connection from Airflow's JSON or URI form. Raises ValueError when it is neither."""
    if text.lstrip().startswith("{"):
        raw = json.loads(text)
        extra = raw.get("extra") or {}
        return ConnectionInfo(
            conn_id=conn_id,
            conn_type=raw["conn_type"],
            host=raw.get("host"),
            port=raw.get("port"),
            login=raw.get("login"),
            password=raw.get("password"),
            schema_name=raw.get("schema"),
            extra=json.loads(extra) if isinstance(extra, str) else extra,
        )
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError(f"connection {conn_id!r} is neither JSON nor a URI such as postgres://user:password@host:5432/database")
    extra = dict(parse_qsl(parts.query))
    return ConnectionInfo(
        conn_id=conn_id,
        conn_type=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname) if parts.hostname else None,
        port=parts.port,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        schema_name=unquote(parts.path.lstrip("/")) or None,
        extra=json.loads(extra["__extra__"]) if "__extra__" in extra else extra,
    )
