"""A night on RDS with one fault, or one SIGKILL, at each of its calls: loud or kept, and a clean run afterwards converges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from aws_account import AwsAccount, aws, desk, handed_over, plan_item

from include.recovery import drill, leases, reaper
from include.recovery.conclude import conclude
from include.recovery.contracts import Transient
from include.recovery.model import Verdict
from include.recovery.naming import sandbox_name
from include.recovery.run import run_drill
from include.settings import PROJECT

__all__ = ["aws"]

KINDS = ("throttle", "error", "lost", "expired")
LOUD = (Transient, OSError)
"""What a step raises when it could not be finished: the task fails, and is tried again."""


def clean_run(account: AwsAccount, evidence: Path, drill_id: str) -> int:
    """A whole drill without faults; gives how many calls it made."""
    account.lab.calls(clear=True)
    record = run_drill(desk(account, evidence), plan_item(drill_id), None)
    assert record.verdict is Verdict.PASSED, record.summary
    return len([call for call in account.lab.calls(clear=True) if call["access_key"] != ""])


def one_fault(account: AwsAccount, evidence: Path, kind: str, nth: int) -> None:
    """A drill with one fault at one call, then the same drill again as Airflow's retry does it."""
    item = plan_item(f"shop.main.{kind}-{nth}")
    account.lab.fault(kind=kind, nth=nth)
    try:
        first = run_drill(desk(account, evidence), item, None)
    except LOUD as loud:
        assert str(loud)
        first = None
    account.lab.clear_faults()
    if first is None:
        opened = desk(account, evidence)
        again = run_drill(opened, item, None)
        assert again.verdict in (Verdict.PASSED, Verdict.FAILED), (kind, nth, again.summary)
        assert opened.ledger.lease(item.drill_id) is None or opened.ledger.lease(item.drill_id).closed_at is not None
    else:
        # Ridden out by the SDK, or the drill was ended and says so: green only with everything proven.
        assert first.verdict is Verdict.PASSED or first.summary, (kind, nth)
    assert len(account.sandboxes()) <= 1
    assert account.gone(), (kind, nth)
    assert reaper.unexplained(desk(account, evidence)) == []


@pytest.mark.parametrize(
    "kind", ["lost", "expired", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("throttle", "error"))]
)
def test_a_fault_while_the_restore_is_asked_for(aws: AwsAccount, tmp_path: Path, kind: str) -> None:
    """The call that matters most: whatever comes of it, there is one sandbox, and in the end none."""
    item = plan_item(f"shop.main.asked-{kind}")
    aws.lab.fault(kind=kind, action="RestoreDBInstanceToPointInTime")
    opened = desk(aws, tmp_path)
    try:
        drill.begin(opened, item)
    except LOUD as loud:
        assert str(loud)
    assert aws.lab.clear_faults() == 1
    assert len(aws.sandboxes()) == (0 if kind == "expired" else 1)
    assert run_drill(desk(aws, tmp_path), item, None).verdict is Verdict.PASSED
    assert aws.gone()


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_every_call_of_a_drill(aws: AwsAccount, tmp_path: Path, kind: str) -> None:
    calls = clean_run(aws, tmp_path, "shop.main.clean")
    assert calls >= 15
    for nth in range(1, calls + 1):
        one_fault(aws, tmp_path, kind, nth)


def test_one_fault_at_one_call_of_a_drill(aws: AwsAccount, tmp_path: Path) -> None:
    """The sample of the matrix above that runs every time: credentials expire in the middle."""
    one_fault(aws, tmp_path, "expired", 9)


def test_a_control_plane_that_is_down_all_night_is_unknown_and_not_failed(aws: AwsAccount, tmp_path: Path) -> None:
    item = plan_item("shop.main.dark")
    aws.lab.down()
    with pytest.raises(drill.Halted, match="cannot be read"):
        drill.begin(desk(aws, tmp_path), item)
    record = conclude(desk(aws, tmp_path), item)
    assert record.verdict is Verdict.UNKNOWN
    aws.lab.down(down=False)
    assert aws.sandboxes() == []


def killed(account_file: Path, item_file: Path, action: str, when: str, evidence: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("aws_killed_drill.py"))]
    return subprocess.run(
        [*command, str(account_file), str(item_file), action, when, str(evidence)],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def kill_and_converge(account: AwsAccount, folder: Path, action: str, when: str) -> None:
    """SIGKILL at one call; then the same drill again; then the control plane is asked what is left."""
    item = plan_item(f"shop.main.kill-{when}-{action.lower()[:8]}")
    item_file = folder / f"item-{when}-{action}.json"
    item_file.write_text(item.model_dump_json())
    with handed_over(account, folder) as account_file:
        done = killed(account_file, item_file, action, when, folder)
        assert done.returncode == -9, (action, when, done.stderr[-2000:])
        assert len(account.sandboxes()) <= 1
        done = killed(account_file, item_file, "", when, folder)
        assert done.returncode == 0, (action, when, done.stderr[-2000:])
    assert done.stdout.split()[-1] in ("passed", "failed")
    assert account.gone()
    lease = desk(account, folder).ledger.lease(item.drill_id)
    assert lease is None or lease.closed_at is not None


PHASES = {"restore asked for": "RestoreDBInstanceToPointInTime", "password": "ModifyDBInstance", "end": "DeleteDBInstance"}


SLOW = pytest.mark.full


@pytest.mark.parametrize(
    ("phase", "when"),
    [
        pytest.param("restore asked for", "before", marks=SLOW),
        ("restore asked for", "after"),
        pytest.param("password", "before", marks=SLOW),
        pytest.param("password", "after", marks=SLOW),
        pytest.param("end", "before", marks=SLOW),
        pytest.param("end", "after", marks=SLOW),
    ],
)
def test_killed_at_a_phase_it_converges(aws: AwsAccount, tmp_path: Path, phase: str, when: str) -> None:
    kill_and_converge(aws, tmp_path, PHASES[phase], when)


def test_the_reaper_ends_what_a_killed_drill_left(aws: AwsAccount, tmp_path: Path) -> None:
    item = plan_item("shop.main.left")
    opened = desk(aws, tmp_path)
    drill.begin(opened, item)
    assert len(aws.sandboxes()) == 1
    leases.expire_now(opened, item)
    assert reaper.reap(opened) == [sandbox_name(item.drill_id)]
    assert aws.gone()
    assert opened.ledger.lease(item.drill_id).closed_at is not None


@pytest.mark.full
def test_somebody_elses_instance_is_never_touched(aws: AwsAccount, tmp_path: Path) -> None:
    before = aws.lab.client("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]
    run_drill(desk(aws, tmp_path), plan_item("shop.main.bystander"), None)
    assert reaper.reap(desk(aws, tmp_path)) == []
    after = aws.lab.client("rds").describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"][0]
    changing = ("LatestRestorableTime",)
    assert {k: v for k, v in before.items() if k not in changing} == {k: v for k, v in after.items() if k not in changing}
