"""The way back of every service, from every store that its fire leaves: its home is lost, and nothing but a store is known.

A cloud's home region answers nothing and its databases are stopped; so is the control database, and no Airflow runs. The
command gets the connections that the runbook names for this cloud and this store, and no other. The reverse as well: what runs
on servers of our own comes back from a kit in a cloud.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab_homes import in_environment, running_lab

from include.catalog.load import load
from include.connections import from_environment
from include.lab import clouds, fleet, postgres
from include.lab.aws.estate import COPY_REGION
from include.lab.clouds import LabCloud
from include.lab.state import LabState
from include.ledger import open_ledger, url_from_environment
from include.ledger.migrations import migrate
from include.recovery import kits
from include.recovery.sealing import seal_all
from include.settings import PROJECT, platform_dir

pytestmark = pytest.mark.full

AT_HOME = {"aws": {"frankfurt"}, "azure": set[str](), "google": {"belgium"}}
"""Stores that burn with a cloud's home."""
STORES = ("north", "south", "frankfurt", "belgium")
FIRES = [(cloud, store) for cloud in clouds.ALL for store in STORES if store not in AT_HOME[cloud]]
SITES = [("dc-north", "frankfurt"), ("dc-south", "belgium")]


@pytest.fixture(scope="module")
def kitted() -> Iterator[LabState]:
    """The whole lab, its kit in all four stores and sealed."""
    with running_lab(clouds=clouds.ALL) as lab, in_environment(lab):
        migrate(open_ledger(url_from_environment()).url)
        exported = kits.export_all(from_environment)
        assert exported.failures == {} and exported.problems == ()
        seal_all(from_environment)
        yield lab


def services_on(cloud: str) -> list[str]:
    """By the example's catalog."""
    return sorted(n for n, one in load(platform_dir()).catalog.services.items() if any(d.cloud == cloud for d in one.datastores))


@contextmanager
def dead(lab: LabState, names: list[str]) -> Iterator[None]:
    """Servers of our own, stopped."""
    for name in names:
        postgres.stop(lab.cluster(name), mode="immediate")
    try:
        yield
    finally:
        for name in names:
            postgres.start(lab.cluster(name))


@contextmanager
def home_lost(lab: LabState, cloud: str) -> Iterator[LabCloud]:
    """A cloud's home region and the control database are gone, and put back afterwards."""
    part = clouds.part(cloud, lab.home)
    with dead(lab, ["control-db"]):
        part.lose_home()
        try:
            yield part
        finally:
            part.lose_home(lost=False)


def store_words(lab: LabState, name: str) -> tuple[list[str], dict[str, str]]:
    """How the command is led to a store, and the connection that it needs."""
    (store,) = [one for one in load(platform_dir()).catalog.platform.evidence if one.name == name]
    if store.connection is None:
        return ["--from", store.url], {}
    variable = f"AIRFLOW_CONN_{store.connection.upper()}"
    return ["--from", store.url, "--connection", store.connection], {variable: os.environ[variable]}


def cloud_words(lab: LabState, cloud: str) -> dict[str, str]:
    """The connections of a cloud, in a region that is left: its STS hands out the role's credentials."""
    found = {name: value for name, value in clouds.variables(lab.home, [cloud]).items() if "EVIDENCE" not in name}
    for name, value in found.items():
        if name.startswith("AIRFLOW_CONN_AWS"):
            info = json.loads(value)
            found[name] = json.dumps({**info, "extra": {**info["extra"], "region_name": COPY_REGION}})
    return found


def recover(lab: LabState, services: list[str], store: str, known: dict[str, str], into: Path) -> str:
    """The command on a bare machine; what it said."""
    words, connection = store_words(lab, store)
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "DRILLYARD_SANDBOX_ROOT", "DRILLYARD_LAB_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", "from include.cli import main; main()", "recover", *services, "--alone", "--discard", *words],
        cwd=into,
        env=bare | connection | known | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"{len(services)} of {len(services)} databases are back" in done.stdout
    return done.stdout


def report(said: str, services: list[str], lost: str, store: str, record_property: Any) -> None:
    """Every service's seconds."""
    times = dict(re.findall(r"^(\S+)/\S+: took ([\d.]+) s$", said, re.MULTILINE))
    assert sorted(times) == services
    for name, seconds in times.items():
        record_property(f"{name} with {lost} lost, from {store}", float(seconds))
        print(f"TIME {lost} {store} {name} {seconds}")


@pytest.mark.parametrize(("cloud", "store"), FIRES, ids=[f"{cloud}-from-{store}" for cloud, store in FIRES])
def test_every_service_of_a_cloud_comes_back_without_its_home(
    kitted: LabState, tmp_path: Path, cloud: str, store: str, record_property: Any
) -> None:
    services = services_on(cloud)
    with home_lost(kitted, cloud) as part:
        said = recover(kitted, services, store, cloud_words(kitted, cloud), tmp_path)
    report(said, services, f"{cloud}'s home", store, record_property)
    assert part.sandboxes() == []


@pytest.mark.parametrize(("site", "store"), SITES)
def test_every_service_of_our_own_servers_comes_back_from_a_store_in_a_cloud(
    kitted: LabState, tmp_path: Path, site: str, store: str, record_property: Any
) -> None:
    services = services_on("selfhosted")
    gone = [one.name for one in fleet.SERVERS if one.domain == site or one.name == "control-db"]
    with dead(kitted, gone):
        moved = (kitted.home / site).rename(kitted.home / f"ashes-of-{site}")
        try:
            said = recover(kitted, services, store, {}, tmp_path)
        finally:
            moved.rename(kitted.home / site)
    report(said, services, site, store, record_property)
