"""200 restores due in one night, through the DAG under a real scheduler, triggerer and LocalExecutor: real restores each.

Every service of the night restores the same small server of the lab into a sandbox of its own, is made harmless, answers its
questions, is checked, discarded and recorded. ``DRILLYARD_BENCH_DUE`` sets another number.

The restore host gets four slots for it: a slot is held from the restore to the discarding, and with 200 drills in one run a
round of Airflow's scheduler, of which a drill needs six, takes some eight seconds on two cores.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DUE = int(os.environ.get("DRILLYARD_BENCH_DUE", "200"))
SLOTS = 4
PATIENCE = 60.0 + 60.0 * DUE
LAB = Path(__file__).resolve().parents[1] / "lab"


def run() -> list[dict[str, Any]]:
    """The most restores at once beside the pool's slots, and the peaks of worker slots and memory."""
    sys.path[:0] = [str(LAB)]
    from due_night import POOL, platform_of, watched
    from lab_homes import running_lab
    from standalone import standalone_on

    folder = Path(tempfile.mkdtemp(prefix="dy-night-"))
    try:
        with running_lab() as lab:
            catalog = platform_of(folder / "platform", DUE)
            with standalone_on(lab, settings={"DRILLYARD_PLATFORM": str(catalog)}) as airflow:
                airflow.api.call("PATCH", f"/api/v2/pools/{POOL}", {"pool": POOL, "slots": SLOTS, "include_deferred": True})
                began = time.monotonic()
                night = airflow.api.trigger("drill_restores", {"reason": "benchmark"})
                peaks = watched(airflow, night, PATIENCE, every=5.0)
                return figures(airflow, night, peaks, time.monotonic() - began)
    finally:
        shutil.rmtree(folder)


def figures(airflow: Any, night: str, peaks: Any, wall: float) -> list[dict[str, Any]]:
    """What the night took."""
    from due_night import POOL, outcomes, tried_again

    slots = airflow.api.call("GET", f"/api/v2/pools/{POOL}")["slots"]
    proven = outcomes(airflow, night, "drill_selfhosted.verdict").get("success", 0)
    again = tried_again(airflow, night, "drill_selfhosted.restore")
    plain = {"peer": None, "peer_value": None, "ratio": None, "bar": "reported", "holds": True}
    return [
        {
            "name": f"night-of-{DUE}-restores-at-once",
            "value": peaks.restores,
            "unit": "restores",
            "peer": f"slots of the pool {POOL}",
            "peer_value": slots,
            "ratio": round(peaks.restores / slots, 3),
            "bar": "<= 1",
            "holds": peaks.restores <= slots,
        },
        plain
        | {
            "name": f"night-of-{DUE}-proven",
            "value": proven,
            "unit": "drills",
            "bar": f"{DUE} of {DUE}",
            "holds": proven == DUE,
        },
        plain | {"name": f"night-of-{DUE}-tried-again", "value": again, "unit": "restores"},
        plain | {"name": f"night-of-{DUE}-sandboxes", "value": peaks.sandboxes, "unit": "sandboxes at once"},
        plain | {"name": f"night-of-{DUE}-worker-slots", "value": peaks.workers, "unit": "slots"},
        plain | {"name": f"night-of-{DUE}-memory", "value": round(peaks.memory / 2**20), "unit": "MB"},
        plain | {"name": f"night-of-{DUE}-wall", "value": round(wall, 1), "unit": "s"},
    ]
