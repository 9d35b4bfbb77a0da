"""One sweep over 1,000 EC2 instances side by side with Cloud Custodian: wall time of the whole process, and API calls.

Both are processes that start, look, stop all 1,000 and end, on the same lab server, one after the other, on instances that
were just started again. Ours writes 1,000 former states to a PostgreSQL ledger and two evidence stores besides. Cloud
Custodian (`c7n`) is installed from PyPI into ``build/c7n``. First by schedule only, then by CPU below 5 percent over an hour.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.lab.aws import control
from include.lab.aws.control import CREDENTIALS, AwsLab
from include.ledger.migrations import migrate
from include.settings import PROJECT
from tests.bench.suspension_estate import REGION, instances, later, readings
from tests.lab.ledger.databases import database, postgres_server

COUNT, TURNS = 1000, 3
C7N = "c7n==0.9.53"
IDLE = {"families": ["machine"], "metric": "cpu", "below": 5, "window": "1h", "period": "5m", "warn": "1m"}


def custodian() -> Path:
    """The program, installed once."""
    home = PROJECT / "build" / "c7n"
    program = home / "bin" / "custodian"
    if not program.is_file():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", C7N], check=True)
    return program


def theirs(lab: AwsLab, home: Path, filters: list[dict[str, Any]]) -> float:
    """Wall seconds of Cloud Custodian stopping what its filters find."""
    policy = {"name": "stop", "resource": "aws.ec2", "filters": [{"State.Name": "running"}, *filters], "actions": ["stop"]}
    (home / "policy.json").write_text(json.dumps({"policies": [policy]}))
    keys = {key.upper(): value for key, value in CREDENTIALS.items()}
    env = {
        **os.environ,
        **keys,
        "AWS_ENDPOINT_URL": lab.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    env.pop("PYTHONPATH", None)
    command = [custodian(), "run", "-s", str(home / "out"), "--cache-period", "0", "-r", REGION, str(home / "policy.json")]
    began = time.monotonic()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.monotonic() - began


def ours(lab: AwsLab, home: Path, url: str, now: str, suspension: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Wall seconds of one sweep of ours in a process of its own, and what it did."""
    connection = lab.connection(region=REGION)
    command = [sys.executable, "-m", "tests.bench.suspension_estate", connection, url, str(home), now, json.dumps(suspension)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    began = time.monotonic()
    done = subprocess.run(command, env=env, cwd=PROJECT, check=True, capture_output=True, text=True)
    return time.monotonic() - began, json.loads(done.stdout.splitlines()[-1])


def up(lab: AwsLab, names: list[str]) -> None:
    """All of them run again."""
    for begin in range(0, len(names), 500):
        lab.client("ec2", REGION).start_instances(InstanceIds=names[begin : begin + 500])
    running(lab, len(names))


def running(lab: AwsLab, wanted: int) -> None:
    """Wait until that many run. Raises AssertionError after a minute."""
    ec2, deadline = lab.client("ec2", REGION), time.monotonic() + 60
    only = [{"Name": "instance-state-name", "Values": ["running"]}]
    while True:
        pages = ec2.get_paginator("describe_instances").paginate(Filters=only)
        found = sum(len(held["Instances"]) for page in pages for held in page["Reservations"])
        if found == wanted:
            return
        assert time.monotonic() < deadline, f"{found} of {wanted} run"
        time.sleep(0.2)


def counted(lab: AwsLab, work: Callable[[], Any]) -> tuple[Any, int]:
    lab.calls(clear=True)
    done = work()
    return done, len(lab.calls(clear=True))


def measured(lab: AwsLab, names: list[str], home: Path, server: str, *, idle: bool) -> dict[str, float]:
    """The best of some turns of each: walls and calls."""
    best: dict[str, float] = {}
    for turn in range(TURNS):
        now = datetime.now(UTC)
        if idle and not turn:
            readings(lab, names, [now + timedelta(minutes=5 * step) for step in range(-24, 48)])
        up(lab, names)
        filters: list[dict[str, Any]] = [{"type": "offhour", "default_tz": "utc", "offhour": now.hour, "weekends": False}]
        if idle:
            filters = [{"type": "metrics", "name": "CPUUtilization", "days": 0.05, "period": 300, "value": 5, "op": "lt"}]
        wall, calls = counted(lab, lambda filters=filters: theirs(lab, home, filters))
        running(lab, 0)
        _keep(best, "their", wall, calls)
        up(lab, names)
        url = database(server, f"bench{turn}{'idle' if idle else ''}")
        migrate(url)
        hours = {"default_tz": "utc", "offhour": now.hour, "onhour": (now.hour + 12) % 24, "weekends": False}
        suspension: dict[str, Any] = {"custodian": hours}
        moment = later(now, 24)
        if idle:
            suspension = {"idle": [IDLE]}
            ours(lab, home, url, later(now, 2.5), suspension)  # warns
            moment = later(now, 2.6)
        (wall, did), calls = counted(lab, lambda url=url, m=moment, s=suspension: ours(lab, home, url, m, s))
        assert did["stopped"] == COUNT, did
        running(lab, 0)
        _keep(best, "our", wall, calls)
    return best


def _keep(best: dict[str, float], who: str, wall: float, calls: int) -> None:
    best[f"{who} wall"] = min(wall, best.get(f"{who} wall", wall))
    best[f"{who} calls"] = max(calls, best.get(f"{who} calls", calls))


def figures(name: str, best: dict[str, float], wall_bar: float, calls_bar: float) -> list[dict[str, Any]]:
    ratio = best["our wall"] / best["their wall"]
    return [
        {
            "name": f"suspension of 1,000 EC2 instances, {name}: wall",
            "value": round(best["our wall"], 2),
            "unit": "s",
            "peer": "Cloud Custodian 0.9.53, same lab",
            "peer_value": round(best["their wall"], 2),
            "ratio": round(ratio, 2),
            "bar": f"ratio <= {wall_bar}",
            "holds": ratio <= wall_bar,
        },
        {
            "name": f"suspension of 1,000 EC2 instances, {name}: API calls",
            "value": best["our calls"],
            "unit": "calls",
            "peer": "Cloud Custodian 0.9.53, same lab",
            "peer_value": best["their calls"],
            "ratio": None,
            "bar": f"value <= {calls_bar:g}",
            "holds": best["our calls"] <= calls_bar,
        },
    ]


def run() -> list[dict[str, Any]]:
    """Both comparisons."""
    home = Path(tempfile.mkdtemp(prefix="dy-bench-suspension-"))
    custodian()
    lab = control.launch(home / "aws", hollow=True)
    try:
        with postgres_server() as server:
            names = instances(lab, COUNT)
            running(lab, COUNT)
            schedule = measured(lab, names, home, server, idle=False)
            idle = measured(lab, names, home, server, idle=True)
    finally:
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)
    calls = min(6.0, schedule["their calls"])
    return [*figures("schedule only", schedule, 1.0, calls), *figures("CPU idleness", idle, 0.5, 10)]
