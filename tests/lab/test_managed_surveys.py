"""What a survey of Google Cloud or Azure names as uncatalogued: databases of its own region that somebody should know of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import managed_drills  # noqa: F401  puts the contract folder on the path
import pytest
from azure_plane import GROUP, FlexibleShop
from google_plane import PROJECT, CloudSqlShop

from include.catalog.model import Tier
from include.clouds import azure as azure_room
from include.clouds import google as google_room
from include.lab.azure.cloud import azure
from include.lab.double import DoubleServer, knock
from include.lab.google.cloud import google
from include.recovery import verification
from include.recovery.model import Outcome
from include.values import utcnow

PLACE = {"settings": {"ipConfiguration": {"ipv4Enabled": True}}}


class Hollow:
    """No servers behind a double."""

    port = 5432


def instance(shop: CloudSqlShop, name: str, **more: Any) -> None:
    shop.do(shop.api.sql.instances().insert(project=PROJECT, body={"name": name, **PLACE, **more}))


def test_cloud_sql_names_postgresql_of_its_region_alone() -> None:
    with DoubleServer(google(None, pace=0.0)) as server:
        shop = CloudSqlShop(server, Hollow())
        instance(shop, "shop", region="europe-west1")
        instance(shop, "known-elsewhere", region="europe-north1")
        instance(shop, "forgotten", region="europe-west1")
        instance(shop, "wordpress", region="europe-west1", databaseVersion="MYSQL_8_0")
        knock(server.url, "backup", {"project": PROJECT, "instance": "shop"})
        source = google_room.backup_source(shop.connection, shop.settings())
        found = source.survey({"shop/main": shop.datastore()}, utcnow())
        assert found.uncatalogued == (f"{PROJECT}/forgotten",)
        (point,) = found.points["shop/main"]
        assert point.restorable_until == point.taken_at


def test_flexible_server_names_servers_of_its_region_alone() -> None:
    with DoubleServer(azure(None, pace=0.0)) as server:
        shop = FlexibleShop(server, Hollow())
        servers = shop.api.postgres.servers
        bodies: Mapping[str, dict[str, Any]] = {
            "shop": shop.body(GROUP),
            "known-elsewhere": {**shop.body(GROUP), "location": "northeurope"},
            "forgotten": shop.body(GROUP),
            "ours": {**shop.body(GROUP), "tags": {"drillyard-lease": "shop.main.x"}},
        }
        for name, body in bodies.items():
            servers.begin_create_or_update(GROUP, name, body).result()
        source = azure_room.backup_source(shop.connection, shop.settings())
        knock(server.url, "backup", {"server": "shop"})
        found = source.survey({"shop/main": shop.datastore()}, utcnow())
        assert found.uncatalogued == (f"{GROUP}/forgotten",)
        assert [point.id for point in found.points["shop/main"]][-1] == "geo"


@pytest.mark.parametrize("told", [True, False])
def test_what_a_cloud_does_not_tell_is_unsupported_and_not_green(told: bool) -> None:
    with DoubleServer(azure(None, pace=0.0)) as server:
        shop = FlexibleShop(server, Hollow())
        body = shop.body(GROUP)
        body["properties"]["backup"]["geoRedundantBackup"] = "Enabled" if told else "Disabled"
        shop.api.postgres.servers.begin_create_or_update(GROUP, "shop", body).result()
        knock(server.url, "backup", {"server": "shop"})
        source, mine, now = azure_room.backup_source(shop.connection, shop.settings()), shop.datastore(), utcnow()
        survey = source.survey({"shop/main": mine}, now)
        looked = source.inspect(mine, survey.points["shop/main"][0], None, full=True)
        tier = Tier(rpo=timedelta(minutes=5), rto=timedelta(minutes=15), drill_every=timedelta(days=7))
        checks = verification.verify(mine, tier, survey, looked, (), now, datastore_id="shop/main")
        outcomes = {check.name: check.outcome for check in checks}
        for name in ("manifest", "wal-continuity", "restorable-time-age", "size-history", "deletion-protection"):
            assert outcomes[name] is Outcome.UNSUPPORTED, name
        assert outcomes["copy-exists"] is (Outcome.PASSED if told else Outcome.FAILED)
        assert outcomes["copy-age"] is (Outcome.UNSUPPORTED if told else Outcome.UNKNOWN)
