"""The example's services on AWS: each fault of the lab's estate is found by name in a night, and nothing else is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.catalog.load import load
from include.connections import parse
from include.evidence.record import DrillRecord
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab import clouds
from include.lab.aws import estate
from include.lab.aws.part import AwsPart
from include.lab.platform import example_without
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.recovery.desk import Desk
from include.recovery.model import Outcome, Verdict
from include.recovery.nightly import outcome, verify_region
from include.recovery.plan import plan
from include.recovery.run import run_drill
from include.values import utcnow

KEY = "05aca8039a888f64c33a0858f2503cb1fd0405ac3512794730128fd86a3c1f3c"


def catalog(folder: Path) -> Path:
    """The example platform with its services on AWS, and without the others."""
    merged = example_without(set(clouds.ALL) - {"aws"}, folder / "platform")
    for path in (merged / "services").glob("*.yaml"):
        entry = yaml.safe_load(path.read_text())
        if any(one["cloud"] != "aws" for one in entry.get("datastores", [])):
            path.unlink()
        elif "datastores" in entry:
            path.write_text(yaml.safe_dump(entry | {"depends_on": []}))
    return merged


@pytest.fixture(scope="module")
def night() -> Iterator[Desk]:
    home = Path(tempfile.mkdtemp(prefix="dy-estate-"))
    home.chmod(0o755)
    part = AwsPart(home)
    patched = pytest.MonkeyPatch()
    try:
        assert part.up()
        assert not part.up()
        lab = part.lab()
        for fault in AwsPart.faults:
            fault.plant(part)
        variables = part.variables() | {"DRILLYARD_LAB_HOME": str(home), "DRILLYARD_BACKUP_KEY": KEY}
        for name, value in variables.items():
            patched.setenv(name, value)
        rds = lab.client("rds", estate.COPY_REGION)
        rds.create_db_instance(
            DBInstanceIdentifier="ledger",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion=estate.ENGINE_VERSION,
            AllocatedStorage=20,
            MasterUsername=estate.MASTER,
            MasterUserPassword=estate.MASTER_PASSWORD,
            DBName="ledger",
            BackupRetentionPeriod=0,
        )
        port = estate.available(lab, "ledger", estate.COPY_REGION)["Endpoint"]["Port"]
        url = f"postgresql+psycopg2://{estate.MASTER}:{estate.MASTER_PASSWORD}@127.0.0.1:{port}/ledger"
        migrate(url)
        yield opened(home, url, variables)
    finally:
        patched.undo()
        part.stop()
        shutil.rmtree(home, ignore_errors=True)


def opened(home: Path, url: str, variables: dict[str, str]) -> Desk:
    from include import clouds

    loaded = load(catalog(home))
    assert loaded.errors == ()
    room, settings = clouds.room("aws"), loaded.catalog.settings["aws"]

    def connections(conn_id: str) -> Any:
        return parse(conn_id, variables[f"AIRFLOW_CONN_{conn_id.upper()}"])

    return Desk(
        cloud="aws",
        loaded=loaded,
        ledger=open_ledger(url),
        stores=Stores([LocalStore("one", home / "evidence")]),
        source=room.backup_source(connections, settings),
        restore=room.database_restore(connections, settings),
        secret="a secret for the estate's sandboxes",
    )


def failed(checks: Any) -> set[str]:
    return {one.name for one in checks if one.outcome is Outcome.FAILED}


DRILLED = ("price-feeds", "gift-cards")
"""Services whose fault is found by restoring; the others' are found by a sweep."""
PLANTED = {fault.service: fault for fault in AwsPart.faults}


def explained(service: str, found: set[str]) -> bool:
    """Whether what must be found is, and nothing else that the fault does not explain."""
    fault = PLANTED.get(service)
    must, may = (set(fault.must), set(fault.may)) if fault else (set(), set())
    return must <= found <= must | may


def test_a_night_finds_each_fault_by_name_and_nothing_else(night: Desk) -> None:
    records = verify_region(night, estate.HOME_REGION)
    told = outcome(records)
    found = {one.service: failed(one.checks) for one in records if getattr(one, "service", None) and not one.canary}
    assert set(found) == {one.name for one in estate.INSTANCES}
    assert {name for name, checks in found.items() if checks and name in DRILLED} == set()
    assert [name for name, checks in found.items() if name not in DRILLED and not explained(name, checks)] == [], found
    assert [subject for subject in told if estate.UNCATALOGUED in subject] != []
    assert {text.split(":")[0] for subject, text in told.items() if "canary" in subject} == {"passed"}


def test_the_drills_find_the_rest(night: Desk) -> None:
    now = utcnow()
    items = plan(night.loaded, night.ledger.history(), now, only=None, request=None, ignore_due=True)
    assert [item.held for item in items] == [None] * len(estate.INSTANCES)
    with ThreadPoolExecutor(2) as pool:
        records: list[DrillRecord] = list(pool.map(lambda item: run_drill(night, item, None), items))
    found = {one.service: failed(one.checks) for one in records}
    assert [name for name in DRILLED if not explained(name, found[name])] == [], found
    assert {one.service for one in records if one.verdict is Verdict.PASSED} == set(found) - set(DRILLED), found
    assert list(night.restore.inventory([])) == []
