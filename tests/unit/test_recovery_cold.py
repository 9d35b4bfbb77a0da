"""Decisions of the way back: which place is left, what is due from which store, and what a notebook remembers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include import clouds
from include.catalog.load import load
from include.catalog.loaded import Loaded
from include.clouds import CLOUDS
from include.clouds.aws.settings import Datastore as AwsDatastore
from include.connections import ConnectionInfo
from include.evidence.kit import COLD_DRILL
from include.evidence.naming import new_record_id
from include.evidence.record import NoteRecord
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.recovery import cold, cold_drills, recover
from include.recovery.contracts import Unsupported
from include.recovery.model import Request, Target
from include.recovery.naming import is_cold, sandbox_name
from include.recovery.notebook import Notebook
from include.settings import PROJECT
from tests.unit.evidence_samples import T0
from tests.unit.kit_samples import a_kit, harbour

DAY = timedelta(days=1)
STORES = ("near", "far")


def a_note(service: str, store: str, at: Any, verdict: str = "passed") -> NoteRecord:
    return NoteRecord(
        record_id=new_record_id(f"note-{COLD_DRILL}", f"{service}.main-{store}", at),
        written_at=at,
        event=COLD_DRILL,
        by="schedule",
        subject=f"{service}/main",
        detail={"store": store, "verdict": verdict},
    )


def test_what_was_never_brought_back_is_due_from_the_first_store() -> None:
    items = {one.service: one for one in cold_drills.due(harbour(), [], T0)}
    assert set(items) == {name for name, service in harbour().catalog.services.items() if service.datastores}
    assert {one.store for one in items.values()} == {"near"}


def test_stores_take_turns_and_a_failure_does_not_count() -> None:
    notes = [a_note("orders", "near", T0)]
    (second,) = cold_drills.due(harbour(), notes, T0 + 28 * DAY, only=["orders"])
    assert second.store == "far"
    notes.append(a_note("orders", "far", T0 + 28 * DAY, "failed"))
    (third,) = cold_drills.due(harbour(), notes, T0 + 29 * DAY, only=["orders"])
    assert third.store == "far"
    notes.append(a_note("orders", "far", T0 + 29 * DAY))
    (fourth,) = cold_drills.due(harbour(), notes, T0 + 57 * DAY, only=["orders"])
    assert fourth.store == "near"


@given(days=st.lists(st.integers(0, 200), max_size=12), now=st.integers(0, 260))
def test_due_exactly_when_the_newest_from_any_store_is_old_enough(days: list[int], now: int) -> None:
    notes = [a_note("orders", STORES[number % 2], T0 + day * DAY) for number, day in enumerate(days) if day <= now]
    due = [one for one in cold_drills.due(harbour(), notes, T0 + now * DAY) if one.service == "orders"]
    past = [day for day in days if day <= now]
    assert bool(due) == (not past or now - max(past) >= 27)


def test_points_of_another_domain_are_those_that_lie_there_or_have_a_copy_there() -> None:
    known = a_kit().services[0].datastores[0]
    (moved,) = cold.as_known(known, "site-b", "hall-2")
    assert (moved.failure_domain, moved.region, moved.taken_at) == ("hall-2", "site-b", known.points[0].taken_at)
    assert moved.restorable_until == moved.taken_at  # nobody knows how far the log was copied
    assert cold.as_known(known, "site-a", "hall-1") == known.points
    assert cold.as_known(known, "site-c", "hall-3") == ()


def test_a_recovery_is_found_again_by_kit_place_and_target() -> None:
    kit = a_kit()
    service = next(one for one in kit.services if one.datastores)
    known = service.datastores[0]
    place = cold.Place(domain="hall-2", region="site-b", points=known.points, basis="read now", read_now=True, datastore=None)

    def name(**changed: Any) -> str:
        values: dict[str, Any] = {"place": place, "target": Target(), "salt": "", **changed}
        return cold.plan_item(kit, service, known, values["place"], values["target"], Request(), values["salt"]).drill_id

    assert name() == name()
    assert (
        len(
            {name(), name(target=Target(point_id="x")), name(salt="1"), name(place=place.model_copy(update={"domain": "hall-1"}))}
        )
        == 4
    )
    assert is_cold(name()) and not is_cold("orders.main.2026-11-25") and sandbox_name(name()).startswith("dy-")


def test_a_named_service_comes_with_all_that_it_needs() -> None:
    kit = a_kit()
    assert [one.service for one in recover.services_of(kit, ["orders"], everything=False, alone=False)] == [
        "identity",
        "inventory",
        "orders",
    ]
    assert [one.service for one in recover.services_of(kit, ["orders"], everything=False, alone=True)] == ["orders"]
    assert recover.services_of(kit, [], everything=True, alone=False) == list(kit.services)
    with pytest.raises(LookupError, match="no service 'ordres'"):
        recover.services_of(kit, ["ordres"], everything=False, alone=False)


def test_a_kits_catalog_loads_with_the_machines_own_values_first_and_no_file_escapes() -> None:
    kit = a_kit(environ={"HARBOUR_SANDBOX": "/old"})
    with cold.unpacked(kit, {}) as loaded:
        assert loaded.revision == harbour().revision
        assert loaded.catalog.settings["selfhosted"].sandbox_root == "/old"
    with cold.unpacked(kit, {"HARBOUR_SANDBOX": "/new"}) as loaded:
        assert loaded.catalog.settings["selfhosted"].sandbox_root == "/new"
    evil = kit.model_copy(update={"files": {**kit.files, "../../etc/cron.d/x": "boom"}})
    with pytest.raises(ValueError, match="outside of its folder"), cold.unpacked(evil, {}):
        pass


def test_a_notebook_answers_like_a_ledger() -> None:
    heard: list[str] = []
    book = Notebook(on_record=lambda record: heard.append(record.record_id))
    assert book.append("d", "decided", T0, {}, key="decided") is True
    assert book.append("d", "decided", T0 + DAY, {}, key="decided") is False
    assert book.append("other", "decided", T0, {}, key="decided") is True
    assert [(one.event, one.at) for one in book.journal("d")] == [("decided", T0)]
    assert book.stopped() is None and book.lease("d") is None and book.open_leases() == []
    note = a_note("orders", "near", T0)
    assert book.project(note) and heard == [note.record_id]


def test_every_room_says_where_its_backups_are_and_how_it_stands_elsewhere() -> None:
    for cloud in CLOUDS:
        assert callable(clouds.room(cloud).elsewhere) and callable(clouds.room(cloud).places), cloud
    (mine,) = harbour().catalog.services["orders"].datastores
    room = clouds.room(mine.cloud)
    moved: Any = room.elsewhere(mine, "site-b", "hall-2")
    assert (moved.region, moved.backups.location, moved.backups.wal) == ("site-b", "/vault/orders/base", "/vault/orders/wal")
    assert moved.backups.copies == []
    assert room.places(mine, "hall-1") == {
        "hall-1": ["/backups/orders/base", "/backups/orders/wal"],
        "hall-2": ["/vault/orders/base", "/vault/orders/wal"],
    }
    with pytest.raises(Unsupported, match="no copy of main's backups in hall-3"):
        room.elsewhere(mine, "site-c", "hall-3")


def test_a_managed_cloud_is_asked_in_the_region_of_the_copy() -> None:
    copies = [{"region": "eu-west-1", "connection": "aws_vault_account"}]
    common = {"name": "main", "region": "eu-central-1", "database": "shop", "business_time": "SELECT now()"}
    mine = AwsDatastore.model_validate({**common, "cloud": "aws", "connection": "aws", "instance": "shop", "copies": copies})
    moved: Any = clouds.room("aws").elsewhere(mine, "eu-west-1", "west")
    assert (moved.region, moved.connection, moved.copies) == ("eu-west-1", "aws_vault_account", [])
    assert clouds.room("aws").places(mine, "central") == {}
    with pytest.raises(Unsupported):
        clouds.room("aws").elsewhere(mine, "us-east-1", "far")


def example() -> Loaded:
    """The example platform: services on all clouds, stores in two sites, in AWS and in Google Cloud."""
    return load(PROJECT / "include" / "platforms" / "example")


HOMES = {"web-shop": "frankfurt", "freight-quotes": "belgium", "customs-filing": ""}


@pytest.mark.parametrize(("service", "burnt"), HOMES.items())
def test_what_a_cloud_backs_up_is_drilled_from_every_store_but_the_one_that_burns_with_it(service: str, burnt: str) -> None:
    loaded = example()
    stores = [one.name for one in loaded.catalog.platform.evidence]
    assert cold_drills.beside(loaded, loaded.catalog.services[service]) == [one for one in stores if one != burnt]


@pytest.mark.parametrize("service", HOMES)
def test_the_home_of_what_a_cloud_backs_up_counts_as_lost_and_its_other_regions_do_not(service: str, tmp_path: Path) -> None:
    loaded = example()
    (datastore,) = loaded.catalog.services[service].datastores
    item = cold_drills.ColdItem(service=service, store="north", tier="tier-2", why="test")
    order = cold_drills.order_of(item, loaded, loaded.catalog.platform.evidence[0], tmp_path, nobody)
    regions = loaded.catalog.platform.clouds[datastore.cloud].regions
    home = next(one.failure_domain for one in regions if one.name == datastore.region)
    assert home in order.lost and not order.offline
    assert {one.failure_domain for one in regions} - set(order.lost) == {one.failure_domain for one in regions} - {home}
    others = {one.failure_domain for name, cloud in loaded.catalog.platform.clouds.items() for one in cloud.regions
              if name != datastore.cloud}  # fmt: skip
    assert others - {"dc-north"} <= set(order.lost)


def nobody(conn_id: str) -> ConnectionInfo:
    raise LookupError(f"connection {conn_id!r} is not known here")


def test_a_store_that_cannot_be_opened_fails_its_drill_and_says_why(tmp_path: Path) -> None:
    loaded = example()
    written: list[NoteRecord] = []
    ledger = type("Ledger", (), {"project": lambda self, note: written.append(note)})()
    stores = Stores([LocalStore("one", tmp_path)])
    item = cold_drills.ColdItem(service="customs-filing", store="frankfurt", tier="tier-2", why="test")
    outcome = cold_drills.run(item, loaded, ledger, stores, nobody)
    assert not outcome.passed and "store frankfurt cannot be opened" in outcome.summary and "evidence_aws" in outcome.summary
    assert [one.detail["verdict"] for one in written] == ["failed"]


def test_when_nothing_can_be_read_home_is_what_burns(monkeypatch: pytest.MonkeyPatch) -> None:
    kit, reading = a_kit(), cold.Reading(harbour(), nobody)
    service = next(one for one in kit.services if one.datastores)
    known = service.datastores[0].model_copy(update={"failure_domain": "home"})
    monkeypatch.setattr(cold, "domains", lambda _: ["home", "away"])

    def unread(service: str, known: Any, domain: str, now: Any) -> cold.Place:
        age = DAY if domain == "away" else 0 * DAY
        points = tuple(one.model_copy(update={"restorable_until": T0 - age}) for one in known.points)
        return cold.Place(domain=domain, region="x", points=points, basis="as the kit knows", read_now=False, datastore=None)

    monkeypatch.setattr(reading, "place", unread)
    assert reading.best(service, known, T0)[0].domain == "away"
