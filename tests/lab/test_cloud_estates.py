"""The example's services on each cloud of the lab: every planted fault is found by name in a night, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud_parts import catalog, ledger_on
from lab_homes import new_home

from include import clouds as rooms
from include.catalog.load import load
from include.connections import parse
from include.evidence.record import DrillRecord
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab import clouds
from include.lab.clouds import CloudFault, LabCloud
from include.lab.state import LabState
from include.ledger import open_ledger
from include.recovery.desk import Desk
from include.recovery.model import Outcome, Verdict
from include.recovery.nightly import outcome, verify_region
from include.recovery.plan import plan
from include.recovery.run import run_drill
from include.values import utcnow

KEY = "05aca8039a888f64c33a0858f2503cb1fd0405ac3512794730128fd86a3c1f3c"
DRILLED = ("restore-ready", "question:")
"""Checks that only a restore can make."""


@dataclass
class Estate:
    """A cloud of the lab with every fault planted, and a desk for it."""

    part: LabCloud
    desk: Desk

    @property
    def planted(self) -> dict[str, CloudFault]:
        return {fault.service: fault for fault in self.part.faults if fault.datastore}

    def drilled(self) -> set[str]:
        """Services whose fault is found by restoring."""
        return {name for name, fault in self.planted.items() if fault.must[0].startswith(DRILLED)}

    def unexplained(self, found: dict[str, set[str]], services: Sequence[str]) -> list[str]:
        """Services where what must be found is not, or where more was found than the fault explains."""
        wrong = []
        for name in services:
            fault = self.planted.get(name)
            must, may = (set(fault.must), set(fault.may)) if fault else (set(), set())
            if not must <= found[name] <= must | may:
                wrong.append(f"{name}: {sorted(found[name])} instead of {sorted(must)}")
        return wrong

    def drill(self, services: Sequence[str]) -> dict[str, DrillRecord]:
        items = plan(self.desk.loaded, self.desk.ledger.history(), utcnow(), only=services, request=None, ignore_due=True)
        assert [item.held for item in items] == [None] * len(services)
        with ThreadPoolExecutor(2) as pool:
            records: list[DrillRecord] = list(pool.map(lambda item: run_drill(self.desk, item, None), items))
        return {record.service: record for record in records}


@pytest.fixture(scope="module", params=clouds.ALL)
def estate(request: pytest.FixtureRequest, small_lab: LabState) -> Iterator[Estate]:
    home = new_home()
    part, patched = clouds.part(request.param, home), pytest.MonkeyPatch()
    try:
        assert part.up()
        assert not part.up(), "what runs and was built is left alone"
        for fault in part.faults:
            fault.plant(part)
        for name, value in {**part.variables(), "DRILLYARD_LAB_HOME": str(home), "DRILLYARD_BACKUP_KEY": KEY}.items():
            patched.setenv(name, value)
        with ledger_on(small_lab, f"estate_{request.param}") as url:
            yield Estate(part, opened(part, home, url))
    finally:
        patched.undo()
        part.end()
        assert part.process() is None
        shutil.rmtree(home, ignore_errors=True)


def opened(part: LabCloud, home: Path, url: str) -> Desk:
    loaded = load(catalog([part.name], home))
    assert loaded.errors == ()
    room, settings, variables = rooms.room(part.name), loaded.catalog.settings[part.name], part.variables()

    def connections(conn_id: str) -> Any:
        return parse(conn_id, variables[f"AIRFLOW_CONN_{conn_id.upper()}"])

    return Desk(
        cloud=part.name,
        loaded=loaded,
        ledger=open_ledger(url),
        stores=Stores([LocalStore("one", home / "evidence")]),
        source=room.backup_source(connections, settings),
        restore=room.database_restore(connections, settings),
        secret="a secret for the estate's sandboxes",
    )


def failed(checks: Any) -> set[str]:
    return {one.name for one in checks if one.outcome is Outcome.FAILED}


def test_a_night_finds_each_fault_by_name_and_nothing_else(estate: Estate) -> None:
    region = next(iter(estate.desk.datastores().values())).region
    records = verify_region(estate.desk, region)
    told = outcome(records)
    found = {one.service: failed(one.checks) for one in records if getattr(one, "service", None) and not one.canary}
    assert set(found) == set(estate.desk.loaded.catalog.services)
    assert {name for name in estate.drilled() if found[name]} == set(), found
    assert estate.unexplained(found, sorted(set(found) - estate.drilled())) == []
    stray = next(fault.service for fault in estate.part.faults if not fault.datastore)
    assert [subject for subject in told if subject.startswith(stray)] != []
    assert {text.split(":")[0] for subject, text in told.items() if "canary" in subject} == {"passed"}


def test_drills_find_the_rest_and_prove_a_healthy_one(estate: Estate) -> None:
    healthy = sorted(set(estate.desk.loaded.catalog.services) - set(estate.planted))[0]
    records = estate.drill([*sorted(estate.drilled()), healthy])
    assert estate.unexplained({name: failed(one.checks) for name, one in records.items()}, sorted(records)) == []
    assert records[healthy].verdict is Verdict.PASSED, records[healthy].summary
    assert estate.part.sandboxes() == []


@pytest.mark.full
def test_every_service_comes_back(estate: Estate) -> None:
    records = estate.drill(sorted(estate.desk.loaded.catalog.services))
    assert {name for name, one in records.items() if one.verdict is not Verdict.PASSED} == estate.drilled()
    assert estate.part.sandboxes() == []
