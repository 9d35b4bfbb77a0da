"""1,000 Cloud SQL instances, control plane only: a survey's API calls grow with pages, not with instances."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from include.clouds.google.clients import from_connection
from include.clouds.google.settings import Datastore, Sandboxes
from include.clouds.google.source import CloudSqlBackups
from include.connections import ConnectionInfo
from include.lab.double import DoubleServer, knock
from include.lab.google.cloud import google
from include.values import utcnow

RUNS = 7
NETWORK = "projects/sandboxes/global/networks/sandboxes"


def datastore(number: int) -> Datastore:
    return Datastore(
        name=f"seeded-{number:05}",
        cloud="google",
        region="europe-west1",
        project="p",
        instance=f"seeded-{number:05}",
        database="shop",
        business_time="SELECT now()",
        size_hint_gb=Decimal(1),
    )


def survey(instances: int) -> tuple[int, float, int]:
    """Calls, seconds and points of one survey of so many instances, all of them catalogued."""
    with DoubleServer(google(None, pace=0.0)) as server:
        knock(server.url, "seed", {"project": "p", "instances": instances, "runs": RUNS})
        info = ConnectionInfo(conn_id="g", conn_type="google", extra={"is_anonymous": True, "endpoint": server.url})
        source = CloudSqlBackups(from_connection(info), Sandboxes(project="sandboxes", network=NETWORK))
        mine = {f"shop/{one.name}": one for one in (datastore(number) for number in range(instances))}
        began = time.perf_counter()
        found = source.survey(mine, utcnow())
        took = time.perf_counter() - began
        assert not found.unreadable
        return knock(server.url, "calls")["total"], took, sum(len(points) for points in found.points.values())


def run() -> list[dict[str, Any]]:
    """Calls for 1,000 instances with 7,000 backup runs: pages of 1,000, and recovery times a hundred to a call."""
    few, _, _ = survey(10)
    calls, took, points = survey(1000)
    assert points == 1000 * RUNS
    pages = 1 + RUNS + 1000 // 100
    return [
        {
            "name": "google-survey-calls-1000", "value": calls, "unit": "calls", "peer": "pages", "peer_value": pages,
            "ratio": calls / pages, "bar": "ratio <= 1.1", "holds": calls / pages <= 1.1,
        },
        {
            "name": "google-survey-calls-10", "value": few, "unit": "calls", "peer": "pages", "peer_value": 3,
            "ratio": few / 3, "bar": "ratio <= 1.1", "holds": few / 3 <= 1.1,
        },
        {
            "name": "google-survey-seconds-1000", "value": round(took, 2), "unit": "s", "peer": None, "peer_value": None,
            "ratio": None, "bar": "value <= 30", "holds": took <= 30,
        },
    ]  # fmt: skip
