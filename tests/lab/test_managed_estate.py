"""A night on the lab's Cloud SQL and Flexible Servers: what was planted is found by name, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from managed_drills import desk, ledger_in
from managed_plane import lab_folder, served
from selfhosted_plane import plan_item

from include.catalog.model import Question, Service, Validation
from include.clouds import azure as azure_room
from include.clouds import google as google_room
from include.clouds.azure.clients import from_connection as azure_client
from include.clouds.google.clients import from_connection as google_client
from include.connections import ConnectionInfo
from include.lab.azure import cloud as azure_cloud
from include.lab.azure import estate as azure_estate
from include.lab.doubles import Running
from include.lab.google import cloud as google_cloud
from include.lab.google import estate as google_estate
from include.recovery.desk import Desk
from include.recovery.model import Outcome, Verdict
from include.recovery.nightly import verify_region
from include.recovery.run import run_drill
from include.values import utcnow

BEAT = "SELECT count(*) FROM recovery_heartbeat"


class Estate:
    """One cloud's estate, with a desk for all of its services."""

    def __init__(self, cloud: str, estate: ModuleType, server: Any, room: Any, folder: Any, ledger: str, port: int) -> None:
        self.cloud, self.estate, self.server, self.room = cloud, estate, server, room
        self.folder, self.ledger, self.port = folder, ledger, port

    def connections(self, conn_id: str) -> ConnectionInfo:
        return ConnectionInfo(conn_id=conn_id, **self.estate.connection(self.server.url))

    def desk(self) -> Desk:
        settings = self.room.settings.SETTINGS.model_validate(self.estate.settings(self.port))
        first, *_ = made = [self.datastore(service) for service in self.estate.SERVICES]
        opened = desk(self.cloud, self.room, self.connections, settings, first, self.folder, self.ledger)
        services = {
            entry.name: Service(service=entry.name, tier="tier-1", owner="shop-team", datastores=[one])
            for entry, one in zip(self.estate.SERVICES, made, strict=True)
        }
        opened.loaded.catalog.services.clear()
        opened.loaded.catalog.services.update(services)
        return opened

    def datastore(self, service: Any) -> Any:
        sql = BEAT if service.business == "heartbeat" else "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        question = Question(name="it answers", sql=sql, expect=">", value=0)
        entry = self.estate.datastore(service)
        time = "SELECT now()" if service.business != "heartbeat" else "SELECT max(beat_at) FROM recovery_heartbeat"
        return self.room.settings.Datastore.model_validate(
            {**entry, "business_time": time, "validation": Validation(questions=[question])}
        )


def build(cloud: str, estate: ModuleType, running: Running, url: str) -> None:
    info = ConnectionInfo(conn_id="lab", **estate.connection(url))
    client: Any = {"google": google_client, "azure": lambda one: azure_client(one, azure_estate.SUBSCRIPTION)}[cloud](info)
    estate.build(running, client, utcnow())


@pytest.fixture(scope="module", params=["google", "azure"])
def estate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    modules = {
        "google": (google_cloud.google, google_estate, google_room),
        "azure": (azure_cloud.azure, azure_estate, azure_room),
    }
    made, module, room = modules[request.param]
    with lab_folder() as folder:
        plane = made(folder, pace=0.02)
        assert plane.data is not None
        with served(plane, plane.data) as server:
            build(request.param, module, Running(folder, server.url, None), server.url)  # type: ignore[arg-type]
            ledger = ledger_in(plane.data)
            yield Estate(request.param, module, server, room, tmp_path_factory.mktemp("evidence"), ledger, plane.data.port)


def test_a_night_finds_what_was_planted_and_nothing_else(estate: Estate) -> None:
    desk = estate.desk()
    region = next(iter(desk.datastores().values())).region
    records = verify_region(desk, region)
    found = {
        (one.service, check.name)
        for one in records
        if getattr(one, "checks", None) and not one.canary
        for check in one.checks
        if check.outcome is Outcome.FAILED
    }
    planted = {(one.name, one.fault) for one in estate.estate.SERVICES if one.fault not in ("", "restore-ready")}
    assert planted <= found, found
    follows = {"restorable-time-age", "copy-age"}
    assert {pair for pair in found if pair[1] not in follows} == planted, found
    canary = next(one for one in records if getattr(one, "canary", False))
    assert canary.verdict is Verdict.PASSED


def drilled(estate: Estate, name: str) -> Any:
    service = next(one for one in estate.estate.SERVICES if one.name == name)
    desk = estate.desk()
    place = {"cloud": estate.cloud, "region": desk.datastore(name, service.database).region, "service": name}
    item = plan_item(f"{name}.{service.database}.tonight").model_copy(update={**place, "datastore": service.database})
    return run_drill(desk, item, None)


def test_a_backup_that_nothing_tells_from_a_good_one_fails_its_drill(estate: Estate) -> None:
    broken = next(one.name for one in estate.estate.SERVICES if one.fault == "restore-ready")
    record = drilled(estate, broken)
    assert record.verdict is Verdict.FAILED
    assert [check.name for check in record.checks if check.outcome is Outcome.FAILED] == ["restore-ready"]
    assert record.created == record.removed


def test_a_good_service_is_proven(estate: Estate) -> None:
    record = drilled(estate, estate.estate.SERVICES[0].name)
    assert record.verdict is Verdict.PASSED, record.summary
