"""A region of Google Cloud or Azure is lost: what the adapters find elsewhere, and what they ask for. Control plane only."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from include import clouds
from include.clouds.azure.settings import Datastore as AzureDatastore
from include.clouds.azure.settings import Sandboxes as AzureSandboxes
from include.clouds.google.settings import Datastore as GoogleDatastore
from include.clouds.google.settings import Sandboxes as GoogleSandboxes
from include.connections import ConnectionInfo
from include.lab.azure import estate as azure_estate
from include.lab.azure.cloud import azure
from include.lab.double import ControlPlane, DoubleServer, knock
from include.lab.google import estate as google_estate
from include.lab.google.cloud import google
from include.recovery.contracts import Transient
from include.recovery.model import Forecast, Lease, Outcome, PlanItem, RecoveryPoint, Request, Target
from include.values import utcnow

NAME = "seeded-00000"
WHY = "SELECT now()"


class Site:
    """One cloud with one production server and its backup, and nothing behind it."""

    def __init__(self, cloud: str, server: DoubleServer, kept: str, made: str, **changes: Any) -> None:
        self.cloud, self.server, self.kept, self.made = cloud, server, kept, made
        place = {"name": "main", "database": "main", "business_time": WHY, "cloud": cloud}
        self.mine: Any
        self.settings: Any
        if cloud == "google":
            self.mine = GoogleDatastore(**place, region="europe-west1", project=google_estate.PROJECT, instance=NAME)
            self.settings = GoogleSandboxes.model_validate(google_estate.settings(5432) | changes)
            seeds = {"project": google_estate.PROJECT, "instances": 1}
        else:
            self.mine = AzureDatastore(**place, region="westeurope", resource_group=azure_estate.PRODUCTION, server=NAME)
            self.settings = AzureSandboxes.model_validate(azure_estate.settings(5432) | changes)
            seeds = {"subscription": azure_estate.SUBSCRIPTION, "group": azure_estate.PRODUCTION, "servers": 1}
        knock(server.url, "seed", seeds)
        if cloud == "azure":
            knock(server.url, "geo", {"server": NAME, "on": True})
        estate = google_estate if cloud == "google" else azure_estate
        self.connection = ConnectionInfo(conn_id="x", **estate.connection(server.url))
        room = clouds.room(cloud)
        self.source = room.backup_source(lambda _: self.connection, self.settings)
        self.restore = room.database_restore(lambda _: self.connection, self.settings)
        self.away = room.elsewhere(self.mine, kept, kept)

    def points(self, datastore: Any) -> tuple[RecoveryPoint, ...]:
        return tuple(self.source.survey({"x": datastore}, utcnow()).points.get("x", ()))

    def item(self) -> PlanItem:
        now, hour = utcnow(), timedelta(hours=1)
        forecast = Forecast(duration=hour, cost=Decimal(0), cap=Decimal(1), currency="EUR", basis="test")
        return PlanItem(
            drill_id="seeded.main.cold", service="seeded", datastore="main", cloud=self.cloud, region=self.kept, tier="tier-1",
            why="fire", target=Target(), request=Request(reason="fire"), forecast=forecast, rpo=hour, rto=hour, planned_at=now,
            catalog_revision="test",
        )  # fmt: skip

    def lose(self) -> None:
        knock(self.server.url, "lose", {"region": self.mine.region})


def opened(cloud: str) -> ControlPlane:
    return google(None, pace=0.01) if cloud == "google" else azure(None, pace=0.01)


WHERE = {"google": ("eu", "europe-west4"), "azure": ("northeurope", "northeurope")}


@pytest.mark.parametrize("cloud", WHERE)
def test_what_is_kept_elsewhere_is_restored_there_although_home_tells_nothing(cloud: str) -> None:
    kept, made = WHERE[cloud]
    more = {"recovery_regions": {kept: made}} if cloud == "google" else {}
    with DoubleServer(opened(cloud)) as server:
        site = Site(cloud, server, kept, made, **more)
        known = site.points(site.mine)
        copies = [one for one in known if one.failure_domain == kept]
        copies += [
            one.model_copy(update={"region": kept, "failure_domain": kept, "copies": (), "restorable_until": one.taken_at})
            for one in known
            if any(copy.failure_domain == kept for copy in one.copies)
        ]
        point = copies[0]  # as the night before knew it
        site.lose()
        for found in site.points(site.away):
            assert found.failure_domain == kept and found.restorable_until == found.taken_at
        checks = site.restore.preflight(site.away, point, site.item())
        assert [one for one in checks if one.outcome is Outcome.FAILED] == []
        assert "version" in {one.name for one in checks if one.outcome is Outcome.UNSUPPORTED}
        now = utcnow()
        lease = Lease(
            lease_id="seeded.main.cold", service="seeded", datastore="main", cloud=cloud, requested_by="ines-holm",
            region=kept, sandbox="dy-seeded-main-cold", opened_at=now, expires_at=now + timedelta(hours=1),
        )  # fmt: skip
        site.restore.create(site.away, point, site.item(), lease)
        (owned,) = site.restore.inventory([site.away])
        assert owned.region == made


@pytest.mark.parametrize("cloud", WHERE)
def test_at_home_a_region_that_does_not_answer_is_unknown(cloud: str) -> None:
    kept, made = WHERE[cloud]
    with DoubleServer(opened(cloud)) as server:
        site = Site(cloud, server, kept, made)
        point = next(one for one in site.points(site.mine) if one.failure_domain == site.mine.region)
        site.lose()
        with pytest.raises(Transient):
            site.restore.preflight(site.mine, point, site.item())


def test_a_place_of_several_regions_is_no_region_to_restore_in() -> None:
    with DoubleServer(opened("google")) as server:
        site = Site("google", server, "eu", "eu")
        (point,) = site.points(site.away)
        (lacking,) = [one for one in site.restore.preflight(site.away, point, site.item()) if one.outcome is Outcome.FAILED]
        assert lacking.name == "recovery-region" and "recovery_regions" in lacking.detail
