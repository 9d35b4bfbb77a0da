"""1,000 Flexible Servers, control plane only: a survey's API calls grow with pages.

Azure has no list of backups across servers, so a catalogued server's backups are a page of their own: that is the floor.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from include.clouds.azure.clients import from_connection
from include.clouds.azure.settings import Datastore, Sandboxes
from include.clouds.azure.source import FlexibleServerBackups
from include.connections import ConnectionInfo
from include.lab.azure.cloud import azure
from include.lab.azure.flexible import PAGE
from include.lab.double import DoubleServer, knock
from include.values import utcnow

SUBSCRIPTION, GROUP, BACKUPS = "5d1c7f4e-0000-4000-8000-000000000002", "production", 7
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/sandboxes/providers/Microsoft.Network"


def datastore(number: int) -> Datastore:
    return Datastore(
        name=f"seeded-{number:05}",
        cloud="azure",
        region="westeurope",
        resource_group=GROUP,
        server=f"seeded-{number:05}",
        database="shop",
        business_time="SELECT now()",
        size_hint_gb=Decimal(1),
    )


def survey(servers: int, catalogued: int) -> tuple[int, float, int]:
    """Calls, seconds and points of one survey of a subscription with so many servers."""
    settings = Sandboxes.model_validate(
        {
            "subscription": SUBSCRIPTION,
            "resource_group": "sandboxes",
            "networks": {
                "westeurope": {"subnet": f"{PLACE}/virtualNetworks/n/subnets/s", "dns_zone": f"{PLACE}/privateDnsZones/z"}
            },
        }
    )
    with DoubleServer(azure(None, pace=0.0)) as server:
        knock(server.url, "seed", {"subscription": SUBSCRIPTION, "group": GROUP, "servers": servers, "backups": BACKUPS})
        info = ConnectionInfo(conn_id="a", conn_type="azure", extra={"endpoint": server.url})
        source = FlexibleServerBackups(from_connection(info, SUBSCRIPTION), settings)
        mine = {f"shop/{one.name}": one for one in (datastore(number) for number in range(catalogued))}
        began = time.perf_counter()
        found = source.survey(mine, utcnow())
        took = time.perf_counter() - began
        assert not found.unreadable
        return knock(server.url, "calls")["total"], took, sum(len(points) for points in found.points.values())


def figure(name: str, calls: int, pages: int) -> dict[str, Any]:
    return {
        "name": name, "value": calls, "unit": "calls", "peer": "pages", "peer_value": pages,
        "ratio": calls / pages, "bar": "ratio <= 1.0", "holds": calls <= pages,
    }  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Calls for 1,000 servers with 12 of them catalogued, and with all."""
    pages = 1000 // PAGE
    few, _, _ = survey(1000, 12)
    every, took, points = survey(1000, 1000)
    assert points == 1000 * BACKUPS
    return [
        figure("azure-survey-calls-1000-servers-12-catalogued", few, pages + 12),
        figure("azure-survey-calls-1000-servers-all-catalogued", every, pages + 1000),
        {
            "name": "azure-survey-seconds-1000", "value": round(took, 2), "unit": "s", "peer": None, "peer_value": None,
            "ratio": None, "bar": "value <= 60", "holds": took <= 60,
        },
    ]  # fmt: skip
