"""Cloud SQL and Flexible Server asleep: the real server behind them refuses, and is back with every row."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from include import clouds
from include.settings import PROJECT as ROOT
from include.suspension.model import Batch, Outcome, Power, Resource, Wake

sys.path.insert(0, str(ROOT / "tests" / "contract"))

from azure_plane import SUBSCRIPTION, flexible_server
from google_plane import PROJECT, cloud_sql

SHOPS = {
    "google": (cloud_sql, PROJECT, "europe-west1", "cloud-sql"),
    "azure": (flexible_server, SUBSCRIPTION, "westeurope", "flexible-server"),
}


def until(done: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("cloud", sorted(SHOPS))
def test_a_stopped_database_refuses_and_is_back_with_its_rows(cloud: str) -> None:
    opened, account, region, kind = SHOPS[cloud]
    with opened() as shop:
        room: Any = clouds.room(cloud)
        switch = room.power_switch(shop.connection)
        batch = Batch(cloud=cloud, account=account, region=region, connection="power", kinds=(kind,))
        found: Resource = next(one for one in switch.survey(batch).resources if one.name == "shop")
        rows = shop.count()
        assert switch.stop(batch, [found])[found.id].outcome is Outcome.ACCEPTED
        until(lambda: switch.look(batch, [found])[found.id].power is Power.OFF)
        with pytest.raises(psycopg2.OperationalError, match="refused"):
            shop.count()
        assert switch.start(batch, [Wake(resource=found, size=found.size)])[found.id].outcome is Outcome.ACCEPTED
        until(lambda: switch.look(batch, [found])[found.id].power is Power.ON)
        assert shop.count() == rows
