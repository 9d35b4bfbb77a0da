"""A restore drill beside the floor: the same copy, start, replay and SQL by hand, from one base backup of the largest database.

Both in turn, several times, in one run, each first in every other round: what the business writes meanwhile is replayed by who
comes second. The ratio is the median of the rounds' own. The drill runs without Airflow, as `drillyard drill` does it. The figure
is the wall of the whole drill (preflight, lease, walls, harmless, questions, PostgreSQL's checks, expectations, discard,
inventory, record).

The floor asks the same SQL as the drill: the business questions, amcheck of every table and index, checksums, constraints,
sequences, and the suite of expectations through Great Expectations, one after the other, because its statements are only to
be had from that library. It has no lease, no walls, no measures that make harmless, no journal, no inventory and no record,
and it copies with `cp` and replays with `gzip`, as a person would. Who holds that a person would not start that library finds
the stricter reading beside it: the same floor without the suite.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

ROWS = int(os.environ.get("DRILLYARD_BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("DRILLYARD_BENCH_ROUNDS", "6"))
SERVICE, DATASTORE = "order-intake", "order-intake/orders"


def run() -> list[dict[str, Any]]:
    """The wall of a drill and of the floor in seconds, their ratio, and the bar of 1.3."""
    from include.lab import environment, lab

    home = Path(tempfile.mkdtemp(prefix="drillyard-bench-", dir="/var/tmp"))
    home.chmod(0o755)
    before = dict(os.environ)
    try:
        state = lab.up(home, rows=ROWS, fixed_ports=False, tell=lambda _: None)
        os.environ.update(environment.read(state))
        return _measure()
    finally:
        os.environ.clear()
        os.environ.update(before)
        lab.down(home, tell=lambda _: None)
        shutil.rmtree(home, ignore_errors=True)


def _measure() -> list[dict[str, Any]]:
    from include.ledger import open_ledger, url_from_environment
    from include.ledger.migrations import migrate
    from include.recovery import expectations
    from include.recovery.desk import open_desk

    expectations.preload()
    migrate(open_ledger(url_from_environment()).url)
    desk = open_desk("selfhosted")
    drills, floors, barer, readies = [], [], [], []
    for number in range(ROUNDS):
        if number % 2:
            wall, ready = _drill(desk)
        floor, suite = _floor(desk)
        if not number % 2:
            wall, ready = _drill(desk)
        floors.append(floor)
        barer.append(floor - suite)
        drills.append(wall)
        readies.append(ready)
    drill, floor, bare = (statistics.median(walls) for walls in (drills, floors, barer))
    ratio = round(statistics.median(mine / theirs for mine, theirs in zip(drills, floors, strict=True)), 3)
    return [
        {
            "name": "restore-drill-wall",
            "value": round(drill, 3),
            "unit": "s",
            "peer": "same copy, start, replay and SQL by hand",
            "peer_value": round(floor, 3),
            "ratio": ratio,
            "bar": "<= 1.3",
            "holds": ratio <= 1.3,
        },
        {
            "name": "restore-drill-wall-strict",
            "value": round(drill, 3),
            "unit": "s",
            "peer": "the same by hand, without the suite of expectations",
            "peer_value": round(bare, 3),
            "ratio": round(drill / bare, 3),
            "bar": "reported",
            "holds": True,
        },
        {
            "name": "restore-drill-rto",
            "value": round(statistics.median(readies), 3),
            "unit": "s",
            "peer": "same copy, start, replay and SQL by hand",
            "peer_value": round(floor, 3),
            "ratio": round(statistics.median(readies) / floor, 3),
            "bar": "reported",
            "holds": True,
        },
    ]


def _drill(desk: Any) -> tuple[float, float]:
    """Seconds of a whole drill, and its measured RTO."""
    from include.connections import from_environment
    from include.recovery.requests import planned_by_cloud
    from include.recovery.run import run_drill
    from include.values import utcnow

    asked = {"services": [SERVICE], "reason": "benchmark"}
    item = planned_by_cloud(from_environment, asked, "ines-holm", utcnow(), scheduled=False)["selfhosted"][0]
    began = time.monotonic()
    record = run_drill(desk, item, None)
    wall = time.monotonic() - began
    if record.verdict.value != "passed" or record.rto_measured is None:
        raise RuntimeError(f"the benchmark's drill did not pass: {record.summary}")
    return wall, record.rto_measured.total_seconds()


def _floor(desk: Any) -> tuple[float, float]:
    """Copy the newest base backup, start a server on it that replays the same archive, ask the same SQL, throw it away.

    Seconds of it all, and of the suite of expectations in it.
    """
    from include.recovery import expectations, validation
    from include.recovery.digests import of
    from include.recovery.model import Access
    from include.values import utcnow

    datastore = desk.datastores()[DATASTORE]
    point = desk.source.survey({DATASTORE: datastore}, utcnow()).points[DATASTORE][0]
    folder = Path(tempfile.mkdtemp(prefix="dy-floor-", dir="/var/tmp"))
    shutil.chown(folder, "nobody") if os.geteuid() == 0 else None
    binaries = Path(os.environ["DRILLYARD_PG_BIN"])
    began = time.monotonic()
    try:
        _start(binaries, folder, Path(point.location), datastore.backups.wal)
        access = Access(
            host=str(folder), port=5432, database=datastore.database, admin="postgres", reader="postgres",
            admin_password="", reader_password="",
        )  # fmt: skip
        digests = of(point.facts["digests"], DATASTORE, desk.loaded.catalog.platform.trusted_keys)
        with validation.connect(access, admin=True) as connection:
            validation.ask_all(connection, datastore.validation, digests, lambda: None)
            validation.newest_business_time(connection, datastore.business_time)
            validation.check_database(connection, datastore.validation, digests)
        suite = expectations.read_suite(desk.loaded.base / "services" / datastore.validation.expectations)
        suite_began = time.monotonic()
        expectations.run_suite(access, suite, "floor", None)
        suite_took = time.monotonic() - suite_began
        _as_server([str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop"])
        return time.monotonic() - began, suite_took
    finally:
        shutil.rmtree(folder)


def _start(binaries: Path, folder: Path, backup: Path, wal: str) -> None:
    """What a person would type: cp, a restore_command, pg_ctl start, and wait until it takes writes."""
    data = folder / "data"
    _as_server(["/bin/cp", "-r", str(backup), str(data)])
    data.chmod(0o700)
    command = f"if [ -f {wal}/%f.gz ]; then gzip -dc {wal}/%f.gz > %p; else cp {wal}/%f %p; fi"
    (data / "postgresql.auto.conf").write_text("")
    (data / "pg_hba.conf").write_text("local all all trust\n")
    (data / "recovery.signal").touch()
    settings = {
        "listen_addresses": "", "unix_socket_directories": str(folder), "archive_mode": "off", "fsync": "off",
        "shared_preload_libraries": "", "session_preload_libraries": "", "max_logical_replication_workers": "0", "port": "5432",
    }  # fmt: skip
    options = " ".join(f"-c {name}={json.dumps(value)}" for name, value in settings.items())
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"\nrestore_command = '{command}'\n")
    _as_server([str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "-t", "120", "start"])


def _as_server(command: list[str]) -> None:
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]
