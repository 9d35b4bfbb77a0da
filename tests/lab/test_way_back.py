"""The way back on a lab that burns: one site's servers and the control database stopped, its folder gone, only a store left.

Nothing but the store, the surviving copies and PostgreSQL's programs is there: no connection is in the environment, and the
process has no network. A lab of its own, because nothing of it can be used afterwards.
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

import psycopg2
import pytest
from lab_homes import in_environment, running_lab

from include.catalog.load import load
from include.connections import from_environment
from include.evidence.kit import COLD_DRILL, RECOVERED
from include.evidence.naming import record_path
from include.evidence.stores import open_stores
from include.lab import fleet, postgres
from include.lab.state import LabState
from include.ledger import open_ledger, url_from_environment
from include.ledger.migrations import migrate
from include.namespaces import deny
from include.recovery import cold_drills, kits, reaper, stops
from include.recovery.desk import open_desk
from include.recovery.requests import planned_by_cloud
from include.recovery.sealing import seal_all
from include.settings import PROJECT, platform_dir
from include.values import utcnow

PERSON = "ines-holm"
SERVICES = sorted({database.service for server in fleet.SERVERS for database in server.databases})
"""Those that run on servers of our own."""
SURVIVOR = {"dc-north": "south", "dc-south": "north"}


@pytest.fixture(scope="module")
def kitted() -> Iterator[LabState]:
    """A lab whose kit is in both stores and sealed."""
    with running_lab() as lab, in_environment(lab):
        migrate(open_ledger(url_from_environment()).url)
        exported = kits.export_all(from_environment)
        assert exported.failures == {}
        assert [problem for problem in exported.problems if problem.partition("/")[0] in SERVICES] == []
        seal_all(from_environment)
        yield lab


@contextmanager
def burning(lab: LabState, domain: str) -> Iterator[Path]:
    """One site and the control database are gone; gives the store that is left. Everything is put back afterwards."""
    dead = [one.name for one in fleet.SERVERS if one.domain == domain or one.name == "control-db"]
    for name in dead:
        postgres.stop(lab.cluster(name), mode="immediate")
    moved = (lab.home / domain).rename(lab.home / f"ashes-of-{domain}")
    try:
        with pytest.raises(psycopg2.OperationalError), postgres.connect(lab.cluster("control-db"), "drillyard_ledger"):
            pass
        yield lab.home / f"dc-{SURVIVOR[domain]}" / "evidence"
    finally:
        assert not (lab.home / domain).exists(), "a recovery wrote into the place that is gone"
        moved.rename(lab.home / domain)
        for name in dead:
            postgres.start(lab.cluster(name))


def drillyard(*words: str, into: Path) -> subprocess.CompletedProcess[str]:
    """The command on a bare machine: no connection, no setting of the lab, no network."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "DRILLYARD_SANDBOX_ROOT") if name in os.environ}
    command = [sys.executable, "-c", "from include.cli import main; main()", *words]
    return subprocess.run(
        command,
        cwd=into,
        env=keep | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        preexec_fn=lambda: deny(network=True),
    )


def came_back(said: str) -> dict[str, float]:
    """Seconds by database of every one that is back, from the command's own words."""
    return {name: float(seconds) for name, seconds in re.findall(r"^(\S+/\S+): took ([\d.]+) s$", said, re.MULTILINE)}


def report(lost: str, times: dict[str, float], record_property: Any) -> None:
    for name, seconds in times.items():
        record_property(f"{name} from {SURVIVOR[lost]}", seconds)
        print(f"{name} from {SURVIVOR[lost]}: {seconds:.1f} s")


@pytest.mark.parametrize(("lost", "service"), [("dc-north", "order-intake"), ("dc-south", "partner-exchange")])
def test_a_site_burns_and_its_services_come_back_from_the_other_store(
    kitted: LabState, tmp_path: Path, lost: str, service: str, record_property: Any
) -> None:
    with burning(kitted, lost) as store:
        shown = drillyard("recover", service, "--from", str(store), "--dry-run", into=tmp_path)
        assert shown.returncode == 0 and "0 cannot be restored" in shown.stdout, shown.stdout + shown.stderr
        done = drillyard("recover", service, "--alone", "--from", str(store), "--by", PERSON, into=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 of 1 databases are back" in done.stdout and "UNTRUSTED" in done.stderr
        report(lost, came_back(done.stdout), record_property)
        again = drillyard("recover", service, "--alone", "--from", str(store), "--by", PERSON, into=tmp_path)
        assert again.returncode == 0 and "going on with it" in again.stdout, again.stdout + again.stderr
        (access,) = (tmp_path / "recovered").glob("*.env")
        assert oct(access.stat().st_mode)[-3:] == "600" and answers(access) == 1
        book = drillyard("runbook", "--from", str(store), into=tmp_path)
        assert all(f"### {name}\n" in book.stdout for name in SERVICES), book.stderr
    known_again(kitted, store, service)


def answers(access: Path) -> int:
    """What the kept database says to somebody who uses the connection file."""
    values = dict(re.findall(r"^export (PG\w+)=(\S+)$", access.read_text(), re.MULTILINE))
    with (
        psycopg2.connect(
            host=values["PGHOST"],
            port=values["PGPORT"],
            dbname=values["PGDATABASE"],
            user=values["PGUSER"],
            password=values["PGPASSWORD"],
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


def known_again(lab: LabState, store: Path, service: str) -> None:
    """The ledger is back and built from the store: it knows what was recovered, and the reaper leaves it to its person."""
    ledger = open_ledger(url_from_environment())
    unreadable: dict[str, str] = {}
    (near,) = [one for one in open_stores(load(platform_dir()).catalog.platform.evidence) if str(store) == one.url]
    ledger.rebuild(near.records(unreadable=unreadable))
    assert unreadable == {}
    (lease,) = [one for one in ledger.open_leases() if one.service == service]
    assert lease.adopted_by == PERSON
    assert ledger.notes(event=RECOVERED)[-1].detail["drill"]["verdict"] == "passed"
    history = ledger.history().get(f"{service}/{lease.datastore}")
    assert history is None or (history.in_progress, history.last_attempt) == (None, None)
    desk = open_desk("selfhosted")
    assert reaper.reap(desk) == []
    stops.set_adoption(from_environment, "release", lease.lease_id, PERSON, 0, "over")
    assert reaper.reap(desk, utcnow) == [lease.sandbox]


@pytest.mark.full
@pytest.mark.parametrize("lost", ["dc-north", "dc-south"])
def test_every_service_comes_back_from_either_store(kitted: LabState, tmp_path: Path, lost: str, record_property: Any) -> None:
    with burning(kitted, lost) as store:
        done = drillyard("recover", *SERVICES, "--alone", "--discard", "--from", str(store), into=tmp_path)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        times = came_back(done.stdout)
        assert {name.partition("/")[0] for name in times} == set(SERVICES)
        report(lost, times, record_property)
        print(done.stdout.strip().splitlines()[-2])


def test_a_cold_drill_is_kept_from_all_that_burns_recorded_and_discarded(kitted: LabState) -> None:
    (item,) = cold_drills.planned(from_environment, ["identity"], utcnow())
    outcome = cold_drills.run_planned(item, from_environment)
    assert outcome.passed, outcome.summary
    ledger = open_ledger(url_from_environment())
    note = ledger.notes(event=COLD_DRILL)[-1]
    denied = "\n".join(note.detail["denied"])
    other = {"north": "dc-south", "south": "dc-north"}[item.store]
    assert "a namespace without an interface" in denied and f"failure domain {other}" in denied
    assert f"{kitted.home / other}/evidence: shown empty" in denied and f"{other}/backups" in denied
    assert note.detail["domain"] == f"dc-{item.store}" and note.detail["verdict"] == "passed"
    assert [one for one in ledger.open_leases() if one.service == "identity"] == []
    assert list(Path(os.environ["DRILLYARD_SANDBOX_ROOT"]).iterdir()) == []
    for store in open_stores(load(platform_dir()).catalog.platform.evidence):
        assert json.loads(store.read(record_path(note.record_id)))["event"] == COLD_DRILL
    (after,) = cold_drills.planned(from_environment, ["identity"], utcnow())
    assert after.store != item.store, "the other store's turn is next"
    due = planned_by_cloud(from_environment, {}, "schedule", utcnow(), scheduled=True)["selfhosted"]
    assert next(one.why for one in due if one.service == "identity") == "never proven"


def test_a_service_that_does_not_come_back_is_recorded_as_failed(kitted: LabState) -> None:
    """Its copy in the store's own domain is gone: the drill says so, and so does the evidence."""
    folder = kitted.home / "dc-south" / "backups" / "orders-db"
    hidden = folder.rename(folder.with_name("orders-db-hidden"))
    try:
        item = cold_drills.ColdItem(service="order-intake", store="south", tier="tier-1", why="test")
        outcome = cold_drills.run_planned(item, from_environment)
    finally:
        hidden.rename(folder)
    assert not outcome.passed and "dc-south" in outcome.summary, outcome.summary
    note = open_ledger(url_from_environment()).notes(event=COLD_DRILL)[-1]
    assert (note.subject, note.detail["verdict"]) == ("order-intake/orders", "failed")
