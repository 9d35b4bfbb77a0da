"""Reads ``airflow_settings.yaml`` (the Astro CLI's format) and turns it into the files that ``airflow … import`` takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from include.settings import PROJECT
from include.values import Frozen

SETTINGS = PROJECT / "airflow_settings.yaml"


class SettingsError(Exception):
    """The file cannot be used. The text names the file, each entry and field, and what is wrong."""


class ConnectionEntry(Frozen):
    """One connection, by the names that the Astro CLI reads."""

    conn_id: str = Field(min_length=1)
    conn_type: str | None = None
    conn_host: str | None = None
    conn_schema: str | None = None
    conn_login: str | None = None
    conn_password: str | None = Field(default=None, repr=False)
    conn_port: int | None = None
    conn_uri: str | None = Field(default=None, repr=False)
    conn_extra: dict[str, Any] | str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> ConnectionEntry:
        if not (self.conn_type or self.conn_uri):
            raise ValueError("give conn_type or conn_uri")
        return self


class PoolEntry(Frozen):
    """One pool."""

    pool_name: str = Field(min_length=1)
    pool_slot: int = Field(ge=-1)
    pool_description: str = ""
    pool_include_deferred: bool = False
    """Ours, not the Astro CLI's: whether a deferred task keeps its slot."""


class VariableEntry(Frozen):
    """One variable."""

    variable_name: str = Field(min_length=1)
    variable_value: Any = None


class AirflowSettings(Frozen):
    """What the file says."""

    connections: list[ConnectionEntry] = Field(default_factory=list)
    pools: list[PoolEntry] = Field(default_factory=list)
    variables: list[VariableEntry] = Field(default_factory=list)


def read(path: Path = SETTINGS) -> AirflowSettings:
    """The settings of a file. Raises SettingsError with every wrong field; empty entries, as a new project has, are left out."""
    try:
        raw = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("airflow"), dict):
        raise SettingsError(f"{path.name}: the top level must be `airflow:` with connections, pools and variables below it")
    keys = {"connections": "conn_id", "pools": "pool_name", "variables": "variable_name"}
    lists = {
        kind: [entry for entry in entries or [] if not isinstance(entry, dict) or entry.get(keys.get(kind, ""), "-")]
        for kind, entries in raw["airflow"].items()
    }
    try:
        return AirflowSettings.model_validate(lists)
    except ValidationError as error:
        wrong = (f"airflow.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise SettingsError(f"{path.name}: " + "; ".join(wrong)) from error


def connections_file(settings: AirflowSettings) -> dict[str, Any]:
    """What ``airflow connections import`` takes: fields by connection id, or a URI."""
    names = ("conn_type", "host", "schema", "login", "password", "port", "extra")
    found: dict[str, Any] = {}
    for entry in settings.connections:
        fields = (
            entry.conn_type,
            entry.conn_host,
            entry.conn_schema,
            entry.conn_login,
            entry.conn_password,
            entry.conn_port,
            json.dumps(entry.conn_extra) if isinstance(entry.conn_extra, dict) else entry.conn_extra,
        )
        given = {name: value for name, value in zip(names, fields, strict=True) if value not in (None, "")}
        found[entry.conn_id] = given if entry.conn_type else entry.conn_uri
    return found


def pools_file(settings: AirflowSettings) -> dict[str, Any]:
    """What ``airflow pools import`` takes."""
    return {
        pool.pool_name: {
            "slots": pool.pool_slot,
            "description": pool.pool_description,
            "include_deferred": pool.pool_include_deferred,
        }
        for pool in settings.pools
    }


def variables_file(settings: AirflowSettings) -> dict[str, Any]:
    """What ``airflow variables import`` takes."""
    return {variable.variable_name: variable.variable_value for variable in settings.variables}
