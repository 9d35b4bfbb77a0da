"""Clients from Airflow's connections: in a lab they reach the lab and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

GOOGLE, AZURE = "google_cloud_platform", "azure"


def opener(conn_type: str) -> Callable[[str], Any]:
    from drillyard.azure_clients import azure
    from drillyard.google_clients import google

    return {GOOGLE: google, AZURE: azure("5d1c7f4e-0000-4000-8000-000000000004")}[conn_type]


def connect(monkeypatch: pytest.MonkeyPatch, conn_type: str, **more: Any) -> Any:
    monkeypatch.setenv("AIRFLOW_CONN_CLOUD_UNDER_TEST", json.dumps({"conn_type": conn_type, **more}))
    return opener(conn_type)("cloud_under_test")


@pytest.mark.parametrize("conn_type", [GOOGLE, AZURE])
def test_a_labs_connection_opens_a_client(monkeypatch: pytest.MonkeyPatch, conn_type: str) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", "/nowhere")
    extra = {"is_anonymous": True, "endpoint": "http://127.0.0.1:9"}
    assert connect(monkeypatch, conn_type, extra=extra) is not None


@pytest.mark.parametrize("conn_type", [GOOGLE, AZURE])
def test_a_real_connection_opens_nothing_in_a_lab(monkeypatch: pytest.MonkeyPatch, conn_type: str) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", "/nowhere")
    with pytest.raises(PermissionError, match="lab"):
        connect(monkeypatch, conn_type)


@pytest.mark.parametrize(("conn_type", "kept"), [(GOOGLE, {"keyfile_dict": "{}"}), (AZURE, {"clientSecret": "x"})])
def test_a_long_lived_secret_is_refused(monkeypatch: pytest.MonkeyPatch, conn_type: str, kept: dict[str, str]) -> None:
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    with pytest.raises(PermissionError, match="long-lived"):
        connect(monkeypatch, conn_type, extra=kept)


def test_an_unknown_connection_is_named() -> None:
    with pytest.raises(LookupError, match="nobody_made_it"):
        opener(GOOGLE)("nobody_made_it")
