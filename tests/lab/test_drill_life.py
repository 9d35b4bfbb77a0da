"""A restore drill on a healthy lab, killed and stopped and kept in every way a night can bring. Real servers, real ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from include.connections import from_environment
from include.evidence import chain
from include.evidence.record import DrillRecord, LeaseRecord
from include.lab.state import LabState
from include.ledger import open_ledger, url_from_environment
from include.ledger.migrations import migrate
from include.recovery import drill, leases, nightly, reaper, stops
from include.recovery.conclude import conclude
from include.recovery.desk import Desk, open_desk
from include.recovery.model import PlanItem, Status, Verdict
from include.recovery.requests import planned_by_cloud
from include.recovery.run import run_drill
from include.recovery.sealing import seal_all
from include.settings import PROJECT
from include.values import utcnow

SERVICE = "identity"
PERSON = "ines-holm"


@pytest.fixture
def desk(lab: LabState) -> Iterator[Desk]:
    """The self-hosted desk over the lab; no drill of an earlier test holds anything up."""
    migrate(open_ledger(url_from_environment()).url)
    opened = open_desk("selfhosted")
    yield opened
    if opened.ledger.stopped():
        stops.set_stop(from_environment, "resume", "test", "over")
    for lease in opened.ledger.open_leases():
        opened.restore.discard(lease.sandbox, opened.datastore(lease.service, lease.datastore), lease)
        opened.ledger.close_lease(lease.lease_id, utcnow())


def planned(service: str = SERVICE, **form: object) -> PlanItem:
    items = planned_by_cloud(
        from_environment, {"services": [service], "reason": "test", **form}, PERSON, utcnow(), scheduled=False
    )
    return items["selfhosted"][0]


def remains(desk: Desk) -> list[str]:
    """Sandboxes on the restore host and processes that run below its root."""
    root = Path(desk.loaded.catalog.settings["selfhosted"].sandbox_root)
    processes = [p.pid for p in psutil.process_iter() if str(root) in " ".join(_words(p))]
    return [path.name for path in root.iterdir()] + [f"process {pid}" for pid in processes]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def records_of(desk: Desk, drill_id: str) -> list[DrillRecord | LeaseRecord]:
    """What the evidence holds of one drill, oldest first."""
    found = [
        record
        for record in desk.stores.stores[0].records()
        if drill_id in (getattr(record, "drill_id", None), getattr(getattr(record, "lease", None), "lease_id", None))
    ]
    return sorted(found, key=lambda record: record.record_id)


def test_a_drill_that_passes_its_cap_is_stopped_while_it_runs_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    asked = planned()
    item = asked.model_copy(update={"forecast": asked.forecast.model_copy(update={"cap": Decimal(0)})})
    record = run_drill(desk, item, tmp_path)
    (line,) = [check for check in record.checks if check.name == "cost-cap"]
    assert record.verdict is Verdict.FAILED and "above the cap of 0 EUR" in line.detail
    assert record.created == record.removed != () and remains(desk) == []
    assert "questions" not in {phase.name for phase in record.phases}
    assert record.cost is not None and record.cost > 0


def test_a_drill_proves_measures_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    record = run_drill(desk, planned(), tmp_path)
    assert record.verdict is Verdict.PASSED, record.summary
    assert record.rto_measured is not None and record.rto_measured <= record.rto_target
    assert record.rpo_measured is not None and record.rpo_measured <= record.rpo_target
    assert record.created == record.removed != ()
    assert {phase.name for phase in record.phases} >= {
        "choose",
        "preflight",
        "create",
        "secure",
        "questions",
        "database",
        "discard",
    }
    assert all(phase.ended is not None for phase in record.phases)
    assert (tmp_path / "index.html").is_file()
    assert remains(desk) == []
    opened, closed, whole = records_of(desk, record.drill_id)
    assert (opened.kind, opened.event, closed.event, whole.kind) == ("lease", "opened", "closed", "drill")  # type: ignore[union-attr]
    assert seal_all(from_environment) >= 1
    assert all(
        not look.findings or {f.kind for f in look.findings} == {"untrusted"}
        for look in chain.verify_stores(desk.stores.stores, [])
    )


@pytest.mark.parametrize("last", [3, 14, 16, 40])
def test_killed_after_a_journal_line_it_converges_on_one_sandbox(desk: Desk, tmp_path: Path, last: int) -> None:
    killed_then_run(desk, tmp_path, last)


@pytest.mark.full
@pytest.mark.parametrize("last", range(2, 75))
def test_killed_after_every_journal_line(desk: Desk, tmp_path: Path, last: int) -> None:
    """The journal has about sixty lines: with the last of these the drill is run to its end, and then once more."""
    killed_then_run(desk, tmp_path, last)


def killed_then_run(desk: Desk, tmp_path: Path, last: int) -> None:
    item = planned()
    file = tmp_path / "item.json"
    file.write_text(item.model_dump_json())
    first = child(file, last)
    assert first.returncode in (-9, 0), first.stderr
    assert sum(name.startswith("dy-") for name in remains(desk)) <= 1
    again = child(file, 0)
    assert again.returncode == 0, again.stderr
    assert remains(desk) == []
    assert desk.ledger.open_leases() == ()
    written = [record for record in records_of(desk, item.drill_id) if isinstance(record, DrillRecord)]
    assert len({record.record_id for record in written}) == 1
    assert written[0].verdict is Verdict.PASSED, written[0].summary
    assert len(set(written[0].created)) == 1


def child(file: Path, last: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("killed_drill.py")), str(file), str(last)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=180, check=False)


def test_a_drill_that_was_concluded_is_not_restored_again(desk: Desk) -> None:
    """Its tasks were cleared, or it was killed between its conclusion and its record: the record is the journal's, and stays."""
    item = planned()
    first = run_drill(desk, item, None)
    lines = len(desk.ledger.journal(item.drill_id))
    with pytest.raises(drill.Halted, match=r"was concluded at .*: trigger a new drill"):
        drill.begin(desk, item)
    assert run_drill(desk, item, None) == first
    assert len(desk.ledger.journal(item.drill_id)) == lines
    assert remains(desk) == []


def test_killed_and_never_run_again_the_reaper_ends_it_and_the_record_says_how_far_it_got(desk: Desk, tmp_path: Path) -> None:
    item = planned()
    file = tmp_path / "item.json"
    file.write_text(item.model_dump_json())
    assert child(file, 17).returncode == -9
    assert reaper.reap(desk) == []  # the lease still holds: a retry may come
    later = utcnow() + leases.longest(item) + leases.CLEANING_MARGIN + timedelta(minutes=1)
    assert len(reaper.reap(desk, lambda: later)) == 1
    assert remains(desk) == []
    record = next(r for r in records_of(desk, item.drill_id) if isinstance(r, DrillRecord))
    assert record.verdict in (Verdict.UNKNOWN, Verdict.PARTIAL)
    assert "rto" in {check.name for check in record.checks if check.outcome == "unknown"}


def test_a_stop_ends_a_running_drill_and_blocks_the_next(desk: Desk) -> None:
    item = planned()
    assert drill.begin(desk, item).status in (Status.PENDING, Status.RUNNING, Status.SUCCEEDED)
    stops.set_stop(from_environment, "stop", PERSON, "smoke in the hall")
    with pytest.raises(drill.Halted, match="smoke in the hall"):
        drill.watch(desk, item)
    assert leases.close(desk, item)
    assert conclude(desk, item).verdict is not Verdict.PASSED
    assert remains(desk) == []
    held = planned()
    assert held.held is not None and "smoke in the hall" in held.held
    with pytest.raises(drill.Held):
        run_drill(desk, held, None)
    assert [note.subject for note in desk.ledger.notes(event="drill-held")][-1] == held.datastore_id
    stops.set_stop(from_environment, "resume", PERSON, "it was toast")
    assert planned().held is None


def test_a_new_request_supersedes_what_a_dead_one_left(desk: Desk) -> None:
    old = planned()
    drill.begin(desk, old)
    record = run_drill(desk, planned(reason="again"), None)
    assert record.verdict is Verdict.PASSED, record.summary
    assert remains(desk) == []
    assert [r.verdict for r in records_of(desk, old.drill_id) if isinstance(r, DrillRecord)] != [Verdict.PASSED]


def test_kept_then_adopted_then_released(desk: Desk) -> None:
    item = planned(keep_minutes=5)
    record = run_drill(desk, item, None)
    assert record.kept is not None and PERSON in record.kept
    assert any(name.startswith("dy-") for name in remains(desk))
    stops.set_adoption(from_environment, "adopt", item.drill_id, PERSON, 8, "still looking")
    assert reaper.reap(desk, lambda: utcnow() + timedelta(days=1)) == []
    assert any(name.startswith("dy-") for name in remains(desk))
    stops.set_adoption(from_environment, "release", item.drill_id, PERSON, 0, "done")
    assert reaper.reap(desk, lambda: utcnow() + timedelta(seconds=1)) == [desk.ledger.lease(item.drill_id).sandbox]  # type: ignore[union-attr]
    assert remains(desk) == []
    with pytest.raises(ValueError, match="did you mean 'ines-holm'"):
        stops.set_adoption(from_environment, "adopt", item.drill_id, "ines-holn", 8, "typo")


def test_a_look_alike_is_never_touched(desk: Desk) -> None:
    item = planned()
    root = Path(desk.loaded.catalog.settings["selfhosted"].sandbox_root)
    alike = root / "dy-identity-accounts-2026-0000000000"
    alike.mkdir()
    (alike / "somebody's").write_text("data")
    try:
        assert run_drill(desk, item, None).verdict is Verdict.PASSED
        assert reaper.reap(desk, lambda: utcnow() + timedelta(days=30)) == []
        assert (alike / "somebody's").read_text() == "data"
    finally:
        (alike / "somebody's").unlink()
        alike.rmdir()


def test_a_canary_that_passes_makes_the_night_red(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    records = nightly.verify_region(desk, "dc-south", full=True)
    assert nightly.green(records), nightly.outcome(records)
    from contextlib import contextmanager

    @contextmanager
    def untouched(self: object, datastore: object, point: object) -> Iterator[object]:
        yield point

    monkeypatch.setattr(type(desk.source), "spoil", untouched)
    blind = nightly.verify_region(desk, "dc-south", full=True)
    assert not nightly.green(blind)
    assert "trust no green of this night" in json.dumps(nightly.outcome(blind))


def test_a_point_in_time_gives_the_state_of_that_time(desk: Desk) -> None:
    survey = desk.source.survey(desk.datastores(), utcnow())
    point = survey.points["order-intake/orders"][0]
    moment = min(point.taken_at + timedelta(seconds=25), point.restorable_until)
    record = run_drill(desk, planned("order-intake", target_time=moment.isoformat()), None)
    assert record.rpo_measured is not None and record.rpo_measured < timedelta(minutes=5), record.summary
    assert record.verdict is Verdict.PASSED, record.summary


def test_who_may_not_ask_is_held_with_the_catalogs_words(desk: Desk) -> None:
    items = planned_by_cloud(from_environment, {"services": [SERVICE]}, "somebody-else", utcnow(), scheduled=False)
    assert "may not ask for drills" in (items["selfhosted"][0].held or "")
