"""One fault at every call of a night's and a morning's sweep, on every kind of three clouds: it converges, sizes are exact.

Throttled, an internal error, an answer that is lost; and resources that somebody deletes between a look and its call.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Environment
from include.evidence.record import SuspensionRecord
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.settings import PROJECT
from include.suspension import run
from include.suspension.contracts import Transient
from include.suspension.desk import SleepDesk
from include.suspension.model import Answer, Batch, Power, Resource, Survey, Wake
from tests.lab.ledger.databases import database, postgres_server
from tests.lab.suspension_lab import MONDAY, PLATFORM

sys.path.insert(0, str(PROJECT / "tests" / "contract"))

from power_aws import aws_power
from power_azure import azure_power
from power_google import google_power
from power_harness import PowerHarness

CLOUDS = {"aws": aws_power, "azure": azure_power, "google": google_power}
KINDS = ("throttle", "error", "lost")
HOURS = {"timezone": "UTC", "periods": [{"begintime": "07:00", "endtime": "19:00"}]}
NIGHT, MORNING = timedelta(hours=21), timedelta(hours=31)
LOUD = (Transient, OSError)
"""What a sweep raises when nothing can be known: the task fails, and is tried again."""


@dataclass
class Meddled:
    """A switch under which somebody deletes resources after the look and before the call."""

    harness: PowerHarness
    victims: list[Resource] = field(default_factory=list)

    @property
    def kinds(self) -> Any:
        return self.harness.switch.kinds

    def survey(self, batch: Batch) -> Survey:
        return self.harness.switch.survey(batch)

    def stop(self, batch: Batch, resources: Any) -> dict[str, Answer]:
        self._delete()
        return dict(self.harness.switch.stop(batch, resources))

    def start(self, batch: Batch, wakes: list[Wake]) -> dict[str, Answer]:
        self._delete()
        return dict(self.harness.switch.start(batch, wakes))

    def _delete(self) -> None:
        while self.victims:
            one = self.victims.pop()
            self.harness.things[one.kind].delete(one.id)


@dataclass
class Town:
    """One cloud with two of every kind, one of which must never be stopped; a ledger, and two stores of evidence."""

    cloud: str
    harness: PowerHarness
    home: Path
    url: str
    mine: list[Resource] = field(default_factory=list)
    never: list[Resource] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    days: int = 0

    def furnish(self) -> None:
        self.mine, self.never = ([self.made(kind, f"{name}-{kind[:3]}") for kind in self.harness.things] for name in ("my", "no"))
        self.before = {one.key: self.exact(one) for one in (*self.mine, *self.never)}

    def made(self, kind: str, name: str) -> Resource:
        return self.harness.settled(self.harness.one(kind, self.harness.things[kind].make(name)), Power.ON)

    def exact(self, one: Resource) -> Any:
        return self.harness.things[one.kind].exact(one.id)

    def desk(self, power: Any = None) -> SleepDesk:
        batch = self.harness.batch
        scope = {"cloud": self.cloud, "account": batch.account, "connection": batch.connection, "regions": [batch.region]}
        suspension = {
            "accounts": [scope],
            "match": {"environment": "test"},
            "schedules": {"hours": HOURS},
            "schedule": "hours",
            "guards": {"opt_out": [one.id for one in self.never], "transactions": {"unchecked": True}},
        }
        mine = Environment.model_validate({"environment": "test", "owner": "platform", "suspension": suspension})
        catalog = Catalog(platform=PLATFORM, services={}, environments={"test": mine})
        return SleepDesk(
            cloud=self.cloud,
            loaded=Loaded(catalog=catalog, base=self.home, revision="0" * 64),
            open_ledger=lambda: open_ledger(self.url),
            stores=Stores([LocalStore(name, self.home / name, name) for name in ("one", "two")]),
            power=power or self.harness.switch,
            activity=self.harness.activity,
            tell=lambda *_: None,
        )

    def sweep(self, now: datetime, desk: SleepDesk) -> bool:
        """Whether nothing is left to do."""
        try:
            swept = run.sweep(desk, self.harness.batch, now)
        except LOUD as loud:
            assert str(loud)
            return False
        return not swept.pending and not swept.unreadable and not swept.failed

    def converged(self, now: datetime, desk: SleepDesk) -> None:
        """Sweep as the DAG does until nothing is left to do. One that nobody asks to be swept again would stay as it is here."""
        deadline = time.monotonic() + 120
        while not self.sweep(now, desk):
            assert time.monotonic() < deadline, {one.id: self.seen(one) for one in self.mine}
            time.sleep(0.1)

    def seen(self, one: Resource) -> Power:
        return self.harness.switch.look(self.harness.batch, [one])[one.id].power

    def fault(self, kind: str, at: int) -> AbstractContextManager[None]:
        return self.harness.fault(kind, at)

    def night_and_morning(self, kind: str, at: int) -> None:
        """One fault at one call of the night's sweep, then of the morning's."""
        day, desk = MONDAY + timedelta(days=self.days), self.desk()
        self.days += 1
        for now, power in ((day + NIGHT, Power.OFF), (day + MORNING, Power.ON)):
            with self.fault(kind, at):
                self.sweep(now, desk)
            self.converged(now, desk)
            assert {one.id: self.seen(one) for one in self.mine} == {one.id: power for one in self.mine}, (kind, at)
            assert {one.id: self.exact(one) for one in self.never} == {one.id: self.before[one.key] for one in self.never}
        assert {one.id: self.exact(one) for one in self.mine} == {one.id: self.before[one.key] for one in self.mine}, (kind, at)
        desk.ledger.close()
        written = [(one.key, one.generation) for record in self.records("suspending") for one in record.former]
        assert len(written) == len(set(written)), (kind, at)  # once, whatever was lost

    def records(self, event: str) -> list[SuspensionRecord]:
        found = LocalStore("one", self.home / "one").records()
        return [one for one in found if isinstance(one, SuspensionRecord) and one.event == event]

    def calls(self) -> int:
        """The most calls that a sweep of a night and a morning without faults makes."""
        day, desk, most = MONDAY + timedelta(days=self.days), self.desk(), 0
        self.days += 1
        for now in (day + NIGHT, day + MORNING):
            self.harness.calls()
            self.sweep(now, desk)
            most = max(most, self.harness.calls())
            self.converged(now, desk)
        desk.ledger.close()
        return most


@pytest.fixture(scope="module", params=sorted(CLOUDS))
def town(request: pytest.FixtureRequest) -> Iterator[Town]:
    home = Path(tempfile.mkdtemp(prefix="dy-faults-"))
    try:
        with postgres_server() as server, CLOUDS[request.param]() as harness:
            url = database(server, "faults")
            migrate(url)
            town = Town(request.param, harness, home, url)
            town.furnish()
            yield town
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_lost_answer_converges(town: Town) -> None:
    """The sample of the matrix below that runs every time: one of the calls that change something."""
    town.night_and_morning("lost", town.calls() - 1)


def test_what_is_deleted_between_look_and_call_is_noted_and_stops_nobody(town: Town) -> None:
    kinds = list(town.harness.things)
    late = [town.made(kind, f"late-{kind[:3]}") for kind in kinds]
    gone = [town.made(kind, f"gone-{kind[:3]}") for kind in kinds]
    day, meddled = MONDAY + timedelta(days=town.days), Meddled(town.harness, list(gone))
    town.days += 1
    desk = town.desk(meddled)
    town.converged(day + NIGHT, desk)
    assert {one.id: town.seen(one) for one in (*town.mine, *late)} == {one.id: Power.OFF for one in (*town.mine, *late)}
    meddled.victims += late
    town.converged(day + MORNING, desk)
    desk.ledger.close()
    assert {one.id: town.exact(one) for one in town.mine} == {one.id: town.before[one.key] for one in town.mine}
    ended = {one.key: one.how for record in town.records("awake") for one in record.woken}
    assert {ended.get(one.key) for one in (*gone, *late)} == {"deleted by others"}


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_every_call_of_a_sweep(town: Town, kind: str) -> None:
    calls = town.calls()
    assert calls >= 8
    for at in range(1, calls + 1):
        town.night_and_morning(kind, at)
