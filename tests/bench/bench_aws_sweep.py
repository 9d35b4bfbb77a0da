"""A sweep over 1,000 RDS instances and 5,000 snapshots in two regions against a bare boto3 loop: calls and wall time.

Control plane only: no PostgreSQL is behind these instances. Both sides talk to the same double in the same run, in turns,
and the best of three turns of each counts, because the machine is shared.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from include.clouds.aws import backup_source
from include.clouds.aws.settings import Datastore, Sandboxes
from include.connections import ConnectionInfo, parse
from include.lab.aws import control
from include.lab.aws.control import AwsLab
from include.values import utcnow

REGIONS = ["eu-central-1", "eu-west-1"]
INSTANCES, AUTOMATED, COPIES = 1000, 4, 1
TURNS = 3


def bare(lab: AwsLab) -> int:
    """What anybody would write: every instance and every snapshot of both regions, 100 at a time. Gives the pages."""
    pages = 0
    for region in REGIONS:
        rds = lab.client("rds", region)
        for call in ("describe_db_instances", "describe_db_snapshots"):
            for page in rds.get_paginator(call).paginate(PaginationConfig={"PageSize": 100}):
                assert page
                pages += 1
    return pages


def datastores() -> dict[str, Datastore]:
    found = {}
    for number in range(INSTANCES):
        home, other = REGIONS[number % 2], REGIONS[(number + 1) % 2]
        name = f"db-{number:05d}"
        found[f"svc-{number}/main"] = Datastore.model_validate(
            {
                "name": "main",
                "cloud": "aws",
                "region": home,
                "connection": "aws_backups",
                "instance": name,
                "database": "app",
                "business_time": "SELECT now()",
                "encrypted": True,
                "copies": [{"region": other}],
            }
        )
    return found


def sweep(lab: AwsLab, wanted: dict[str, Datastore]) -> Any:
    """One survey over everything, with new clients, as a task of the DAG makes it."""

    def connections(conn_id: str) -> ConnectionInfo:
        return parse(conn_id, lab.connection())

    group = {"subnet_group": "s", "security_groups": ["sg-1"], "parameter_groups": {"18": "p"}}
    settings = Sandboxes.model_validate({"connection": "aws_backups", "networks": dict.fromkeys(REGIONS, group)})
    return backup_source(connections, settings).survey(wanted, utcnow())


def timed(work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def run() -> list[dict[str, Any]]:
    """Rows of the benchmark report."""
    home = Path(tempfile.mkdtemp(prefix="dy-bench-aws-"))
    lab = control.launch(home, hollow=True)
    try:
        made = lab.seed(regions=REGIONS, instances=INSTANCES, automated=AUTOMATED, copies=COPIES)
        wanted = datastores()
        ours, peers, calls, pages = [], [], 0, 0
        for _ in range(TURNS):
            lab.calls(clear=True)
            seconds, pages = timed(lambda: bare(lab))
            peers.append(seconds)
            assert len(lab.calls(clear=True)) == pages
            seconds, survey = timed(lambda: sweep(lab, wanted))
            ours.append(seconds)
            calls = len(lab.calls(clear=True))
            assert made["snapshots"] == INSTANCES * (AUTOMATED + COPIES)
            assert len(survey.points) == INSTANCES
            assert all(len(points) == AUTOMATED and points[0].copies for points in survey.points.values())
            assert survey.uncatalogued == ()
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)
    wall, peer = min(ours), min(peers)
    return [
        row("aws sweep: API calls, 1,000 instances and 5,000 snapshots in 2 regions", calls, "calls", pages, 1.2),
        row("aws sweep: wall time", round(wall, 2), "s", round(peer, 2), 1.5),
    ]


def row(name: str, value: float, unit: str, peer_value: float, bar: float) -> dict[str, Any]:
    ratio = round(value / peer_value, 3)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "peer": "bare paginated boto3 loop",
        "peer_value": peer_value,
        "ratio": ratio,
        "bar": f"<= {bar} x",
        "holds": ratio <= bar,
    }


if __name__ == "__main__":
    for line in run():
        print(line)
