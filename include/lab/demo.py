"""``make demo``: the main job from end to end. Lab up, faults planted, two DAGs run for real, what they found compared.

A lab and an Airflow home of its own below ``build/demo``, thrown away at the start and stopped at the end, so that it can be
run again and never disturbs a lab that is up.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from include.catalog.load import load
from include.evidence import publish
from include.evidence.record import DrillRecord, NoteRecord, VerificationRecord
from include.evidence.table import print_table
from include.lab import airflow_home, clouds, demo_sleep, home, lab
from include.lab.faults import board
from include.lab.findings import compare
from include.ledger import open_ledger, url_from_environment
from include.ledger.migrations import migrate
from include.settings import PROJECT, platform_dir
from include.values import utcnow

Say = Callable[[str], None]

FOLDER = PROJECT / "build" / "demo"
WHY = {
    "reason": "demo",
    "requested_by": "jonas-falk",
    "override_blackout": "the lab's sandboxes share nothing with production",
}


def main() -> int:
    """Run it. Exit status 0 when every planted fault was found by name and nothing else was, and what slept is as it was."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f}s] {text}", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a stop from outside cleans up as well
    place = demo_home()
    discard(place)
    try:
        say("starting the lab: real PostgreSQL servers, seeded data, backups in two failure domains, doubles of clouds")
        lab.up(place, clouds=clouds.ALL, tell=say)
        say("planting faults: " + ", ".join(fault.fault for fault in board.plant_all(place, tell=lambda _: None)))
        environment = prepare(place, say)
        say("DAG verify_backups: every backup checked, a canary known to be bad among them")
        run_dags(environment, "verify_backups", [{"full": True}])
        say("DAG drill_restores: every database restored, made harmless, questioned, measured, discarded")
        with ThreadPoolExecutor(1) as beside:
            say(
                f"DAG {demo_sleep.DAG}, beside it: the environment {demo_sleep.ENVIRONMENT} put to sleep on all clouds, and woken"
            )
            log = FOLDER / f"{demo_sleep.DAG}.log"
            night = beside.submit(demo_sleep.sleep_and_wake, environment, WHY["requested_by"], log)
            run_dags(environment, "drill_restores", [{**WHY, "services": services} for services in lanes()])
            saving = night.result()
        return report(place, say, saving)
    finally:
        say("stopping the lab")
        lab.down(place, tell=lambda _: None)


def demo_home() -> Path:
    """The demo's lab: beside the usual one, wherever the server user can reach."""
    usual = home.lab_home()
    return usual.with_name(f"{usual.name}-demo")


def discard(place: Path) -> None:
    """Stop and remove what an earlier demo left."""
    if (place / "lab.json").exists():
        lab.down(place, purge=True, tell=lambda _: None)
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)


def prepare(place: Path, say: Say) -> dict[str, str]:
    """Airflow's metadata and the ledger on the lab's servers; returns the environment for everything that follows."""
    variables = json.loads((place / "env.json").read_text()) | {"DRILLYARD_REPORTS": str(FOLDER / "reports")}
    os.environ.update(variables)
    say("preparing Airflow (metadata, pools, connections) and the ledger")
    environment = airflow_home.airflow_environment(FOLDER / "airflow", variables)
    airflow_home.prepare(environment)
    migrate(open_ledger(url_from_environment()).url)
    return environment


def lanes() -> list[list[str]]:
    """The services in two runs, side by side: those on servers of our own, and those on clouds, where a drill mostly waits."""
    catalog = load(platform_dir()).catalog
    away = {name for name, service in catalog.services.items() if any(one.cloud in clouds.ALL for one in service.datastores)}
    return [sorted(set(catalog.services) - away), sorted(away)]


def run_dags(environment: Mapping[str, str], dag_id: str, confs: Sequence[Mapping[str, object]]) -> None:
    """`airflow dags test`, once for each configuration, side by side: real task runs in one process each. A red verdict ends
    one with status 1, as it should here.

    Raises RuntimeError, with the last words, when they left no evidence: then something broke.
    """
    before = len(open_ledger(url_from_environment()).answers())

    def run(number: int) -> str:
        command = ["dags", "test", dag_id, "--conf", json.dumps(confs[number])]
        try:
            output = airflow_home.run_airflow(environment, command, timeout=1800)
        except airflow_home.CommandFailed as red:
            output = red.output
        (FOLDER / f"{dag_id}-{number}.log").write_text(output)
        return output

    with ThreadPoolExecutor(len(confs)) as pool:
        outputs = list(pool.map(run, range(len(confs))))
    if len(open_ledger(url_from_environment()).answers()) == before:
        raise RuntimeError(f"{dag_id} wrote no record; its last words:\n{outputs[0][-3000:]}")


def report(place: Path, say: Say, saving: str) -> int:
    """The table, the page, what slept, and the planted faults that were found. `saving`: of a night, in words."""
    run_sealed = publish.current()
    page = publish.publish_readiness()
    print()
    print_table(run_sealed, utcnow(), sys.stdout, width=None if sys.stdout.isatty() else 200)
    ledger = open_ledger(url_from_environment())
    records: list[DrillRecord | VerificationRecord | NoteRecord] = [
        *ledger.latest_drills().values(),
        *ledger.latest_verifications().values(),
        *ledger.notes(event=clouds.UNCATALOGUED),
    ]
    planted = board.planted(place)
    result = compare(planted, records)
    print()
    for line in result.found:
        print(f"  found   {line}")
    for line in result.missed:
        print(f"  MISSED  {line}")
    for line in result.false:
        print(f"  FALSE   {line}")
    canaries = "every canary was caught" if run_sealed.canary and run_sealed.canary.caught else "THE CANARY WAS NOT CAUGHT"
    left = leftovers(place)
    say(f"{canaries}; left behind: {', '.join(left) or 'nothing'}")
    slept, as_before = demo_sleep.back()
    say(f"{slept}; {saving}")
    print(f"\nreport: {page}")
    print(f"found {len(result.found)} of {len(planted)} planted faults, {len(result.false)} false findings")
    caught = run_sealed.canary is not None and run_sealed.canary.caught
    return 0 if result.exact and caught and not left and as_before else 1


def leftovers(place: Path) -> list[str]:
    """Sandboxes that are still there after the drills: there must be none."""
    own = [path.name for path in (place / "sandboxes").iterdir()]
    return sorted([*own, *(name for cloud in clouds.ALL for name in clouds.part(cloud, place).sandboxes())])


if __name__ == "__main__":
    sys.exit(main())
