"""Evidence when its stores fail: a truly full disk, one store down for a night, both down. Nothing is lost, and it is loud."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from test_drill_life import desk, planned, records_of, remains

from include.connections import from_environment
from include.evidence import chain
from include.evidence.record import DrillRecord
from include.evidence.stores import StoresDown
from include.lab.state import LabState
from include.recovery import kits
from include.recovery.desk import Desk
from include.recovery.model import Verdict
from include.recovery.run import run_drill
from include.recovery.sealing import NotWhole, seal_all
from include.settings import PROJECT

__all__ = ["desk"]


def test_a_full_disk_is_loud_loses_nothing_and_is_repaired_by_the_next_run(tmp_path: Path) -> None:
    script = Path(__file__).with_name("full_disk.py")
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(
        command, cwd=PROJECT, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(f"no file system of its own can be mounted here: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["said"]["before"] == {"record": {}, "kit": {}, "seal": {}, "repair": {}}
    full = told["said"]["full"]
    assert all("No space left on device" in full[step]["one"] for step in ("record", "kit", "seal", "repair"))
    assert told["said"]["after"] == told["said"]["before"]
    assert told["half"] == [] and told["findings"] == [] and told["equal"] and told["files"] >= 15


@contextmanager
def down(lab: LabState, *domains: str) -> Iterator[None]:
    """The stores of these domains are unreachable: something else is in their place. Put back afterwards."""
    with ExitStack() as undo:
        for domain in domains:
            folder = lab.home / domain / "evidence"
            aside = folder.rename(folder.with_name("evidence-unreachable"))
            folder.write_text("no folder")
            undo.callback(lambda folder=folder, aside=aside: (folder.unlink(), aside.rename(folder)))
        yield


def test_one_store_down_for_a_night_is_loud_and_repaired_by_the_next_run(
    desk: Desk, lab: LabState, caplog: pytest.LogCaptureFixture
) -> None:
    seal_all(from_environment)
    with down(lab, "dc-south"):
        record = run_drill(desk, planned(), None)
        assert record.verdict is Verdict.PASSED, record.summary
        assert "evidence store south did not take" in caplog.text
        exported = kits.export_all(from_environment)
        assert set(exported.failures) == {"south"}
        with pytest.raises(kits.NotEverywhere, match="south"):
            kits.demand_everywhere(exported)
        with pytest.raises(NotWhole, match=r"store south: .*repairs"):
            seal_all(from_environment)
    with pytest.raises(FileNotFoundError):
        desk.stores.stores[1].read(f"records/{record.written_at:%Y/%m/%d}/{record.record_id}.json")
    seal_all(from_environment)
    assert kits.export_all(from_environment).failures == {}
    north, south = desk.stores.stores
    assert north.list() == south.list()
    assert record in list(south.records())
    looks = chain.verify_stores([north, south], [])
    assert {found.kind for look in looks for found in look.findings} <= {"untrusted"}


def test_both_stores_down_stops_the_drill_where_it_is_and_it_goes_on_when_one_is_back(desk: Desk, lab: LabState) -> None:
    item = planned()
    with down(lab, "dc-north", "dc-south"):
        with pytest.raises(StoresDown, match="nothing is lost"):
            run_drill(desk, item, None)
        assert remains(desk) == [], "nothing may be created before its lease is written"
        with pytest.raises(StoresDown):
            kits.export_all(from_environment)
    record = run_drill(desk, item, None)
    assert record.verdict is Verdict.PASSED, record.summary
    assert len([one for one in records_of(desk, item.drill_id) if isinstance(one, DrillRecord)]) == 1
    assert remains(desk) == []
    seal_all(from_environment)
