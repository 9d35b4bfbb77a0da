"""airflow_settings.yaml: one file for the Astro CLI and for `make up`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from include.clouds import CLOUDS
from include.lab import airflow_settings, fleet
from include.lab.airflow_settings import SettingsError
from include.lab.environment import connection_id
from include.settings import PROJECT

ASTRO_FIELDS = {
    "connections": {
        "conn_id",
        "conn_type",
        "conn_host",
        "conn_schema",
        "conn_login",
        "conn_password",
        "conn_port",
        "conn_uri",
        "conn_extra",
    },
    "pools": {"pool_name", "pool_slot", "pool_description", "pool_include_deferred"},
    "variables": {"variable_name", "variable_value"},
}


def test_the_file_reads_and_keeps_to_the_astro_clis_fields() -> None:
    settings = airflow_settings.read()
    assert settings.connections
    assert settings.pools
    raw = yaml.safe_load(airflow_settings.SETTINGS.read_text())["airflow"]
    for kind, known in ASTRO_FIELDS.items():
        for entry in raw[kind]:
            assert set(entry) <= known


def test_every_connection_that_the_lab_gives_is_in_it() -> None:
    ids = {connection.conn_id for connection in airflow_settings.read().connections}
    assert {connection_id(server.name) for server in fleet.SERVERS} <= ids


def test_every_connection_that_the_example_platform_names_is_in_it() -> None:
    ids = {connection.conn_id for connection in airflow_settings.read().connections}
    named = set()
    for file in (PROJECT / "include" / "platforms" / "example" / "services").glob("*.yaml"):
        if not file.name.endswith(".expectations.yaml"):
            named |= {
                store["connection"] for store in yaml.safe_load(file.read_text()).get("datastores", []) if "connection" in store
            }
    platform = yaml.safe_load((PROJECT / "include" / "platforms" / "example" / "platform.yaml").read_text())
    places = [*platform["evidence"], *(cloud["settings"] for cloud in platform["clouds"].values())]
    named |= {place["connection"] for place in places if "connection" in place}
    for file in (PROJECT / "include" / "platforms" / "example" / "environments").glob("*.yaml"):
        suspension = yaml.safe_load(file.read_text()).get("suspension", {})
        named |= {place["connection"] for place in suspension.get("accounts", [])}
        named |= set(suspension.get("guards", {}).get("transactions", {}).get("connections", {}).values())
    assert len(named) > len(fleet.SERVERS)
    assert named - ids == set()


def test_no_address_but_this_machines() -> None:
    for connection in airflow_settings.read().connections:
        assert connection.conn_host in (None, "127.0.0.1")


def test_restores_keep_their_slot_while_they_wait() -> None:
    pools = airflow_settings.pools_file(airflow_settings.read())
    assert all(pool["include_deferred"] for name, pool in pools.items() if name.endswith("_restores"))


def test_every_cloud_has_its_pools() -> None:
    named = {pool.pool_name for pool in airflow_settings.read().pools}
    assert named == {f"{cloud}_{kind}" for cloud in CLOUDS for kind in ("restores", "api")}


def test_descriptions_survive_the_astro_clis_quoting() -> None:
    assert [pool.pool_name for pool in airflow_settings.read().pools if "'" in pool.pool_description] == []


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "airflow_settings.yaml"
    file.write_text(text)
    return file


def test_the_forms_that_airflow_imports(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
airflow:
  connections:
    - {conn_id: a, conn_type: postgres, conn_host: h, conn_port: 5, conn_schema: s, conn_login: l, conn_password: p,
       conn_extra: {sslmode: require}}
    - {conn_id: b, conn_uri: "postgres://u:p@h:5/d"}
  pools: [{pool_name: q, pool_slot: 3}]
  variables: [{variable_name: v, variable_value: {x: 1}}]
""",
    )
    settings = airflow_settings.read(file)
    connections = airflow_settings.connections_file(settings)
    assert connections["b"] == "postgres://u:p@h:5/d"
    assert json.loads(connections["a"].pop("extra")) == {"sslmode": "require"}
    assert connections["a"] == {"conn_type": "postgres", "host": "h", "schema": "s", "login": "l", "password": "p", "port": 5}
    assert airflow_settings.pools_file(settings) == {"q": {"slots": 3, "description": "", "include_deferred": False}}
    assert airflow_settings.variables_file(settings) == {"v": {"x": 1}}


def test_a_new_astro_projects_empty_file_reads(tmp_path: Path) -> None:
    text = """
airflow:
  connections:
    - {conn_id: , conn_type: , conn_host: , conn_schema: , conn_login: , conn_password: , conn_port: , conn_uri: , conn_extra: }
  pools:
    - {pool_name: , pool_slot: , pool_description: }
  variables:
    - {variable_name: , variable_value: }
"""
    assert airflow_settings.read(written(tmp_path, text)) == airflow_settings.AirflowSettings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("airflow:\n  pools: [{pool_name: a, pool_slots: 3}]", r"airflow\.pools\.0\.pool_slots"),
        ("airflow:\n  pools: [{pool_name: a, pool_slot: many}]", r"airflow\.pools\.0\.pool_slot:"),
        ("airflow:\n  connections: [{conn_id: a}]", r"airflow\.connections\.0: .*conn_type or conn_uri"),
        ("airflow:\n  connection: [{conn_id: a, conn_type: b}]", r"airflow\.connection:"),
        ("connections: []", "top level must be `airflow:`"),
        ("- a", "top level must be `airflow:`"),
        ("a: [", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        airflow_settings.read(written(tmp_path, text))


def test_several_wrong_fields_are_told_at_once(tmp_path: Path) -> None:
    text = "airflow:\n  pools: [{pool_name: a, pool_slot: x}, {pool_name: b, pool_slot: y}]"
    with pytest.raises(SettingsError, match=r"pools\.0.*pools\.1"):
        airflow_settings.read(written(tmp_path, text))
