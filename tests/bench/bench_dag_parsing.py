"""DAG parsing does not grow with the catalog: 1,000 services beside 12, each measured in fresh processes.

Two figures, in CPU seconds (others on the machine do not count), medians of alternating processes:
`dag_parsing` is a process that imports, parses and serialises all DAG files, as `airflow dags reserialize` does;
`dag_parsing_again` is the same files parsed again in that process, where imports cost nothing and only growth is left.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from include.lab import airflow_home
from include.settings import PROJECT

FEW, MANY, ROUNDS, BAR = 12, 1000, 5, 1.2
TEMPLATE = "pricing"

PROBE = """
import json, sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def parse():
    began = time.process_time()
    bag = DagBag(dag_folder=sys.argv[1])
    assert not bag.import_errors and bag.dags, bag.import_errors
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
    return time.process_time() - began

print("SECONDS" + json.dumps([parse(), min(parse() for _ in range(5))]))
"""


def catalog(folder: Path, services: int) -> Path:
    """A platform of so many services: the example's, its TEMPLATE copied under new names or others left out."""
    example = PROJECT / "include" / "platforms" / "example"
    shutil.copytree(example, folder)
    files = sorted(file for file in (folder / "services").glob("*.yaml") if "." not in file.stem)
    for file in [file for file in files if file.stem != TEMPLATE][services - 1 :]:
        file.unlink()
    model = yaml.safe_load((folder / "services" / f"{TEMPLATE}.yaml").read_text())
    have = sum("." not in file.stem for file in (folder / "services").glob("*.yaml"))
    for number in range(services - have):
        model["service"] = f"{TEMPLATE}-{number:04}"
        (folder / "services" / f"{model['service']}.yaml").write_text(yaml.safe_dump(model, sort_keys=False))
    return folder


def seconds(platform: Path, env: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of one fresh process: the first parse, and the best of five more in it."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(PROJECT / "dags")],
        env={**env, "DRILLYARD_PLATFORM": str(platform)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"parsing failed: {done.stderr.strip()[-1500:]}")
    first, again = json.loads(done.stdout.rpartition("SECONDS")[2])
    return first, again


def run() -> list[dict[str, Any]]:
    """The two figures."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        env = airflow_home.airflow_environment(place / "airflow", {})
        env["PYTHONPATH"] = os.pathsep.join([str(PROJECT), str(PROJECT / "plugins")])
        platforms = {count: catalog(place / str(count), count) for count in (FEW, MANY)}
        for count, platform in platforms.items():
            there = sum("." not in file.stem for file in (platform / "services").glob("*.yaml"))
            if there != count:
                raise RuntimeError(f"{there} services were made instead of {count}")
        measured = [{count: seconds(platform, env) for count, platform in platforms.items()} for _ in range(ROUNDS)]
    figures = []
    for index, name in enumerate(("dag_parsing", "dag_parsing_again")):
        few, many = (statistics.median(one[count][index] for one in measured) for count in (FEW, MANY))
        figures.append(
            {
                "name": name,
                "value": many,
                "unit": "s CPU",
                "peer": f"{FEW} services",
                "peer_value": few,
                "ratio": many / few,
                "bar": f"{MANY} services <= {BAR} x {FEW} services",
                "holds": many / few <= BAR,
            }
        )
    return figures
