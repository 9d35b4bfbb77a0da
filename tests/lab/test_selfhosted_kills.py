"""A restore whose processes are killed converges: one sandbox, one server, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from selfhosted_steps import SECRET, Plane, Site, lease_of, orders, plan_item, plane

from include.clouds.selfhosted import sandbox
from include.clouds.selfhosted.sandbox import Folder
from include.recovery.model import RecoveryPoint, Status
from include.settings import PROJECT
from include.values import utcnow


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with plane() as made:
        made.back_up("one")
        # Enough log that replaying it takes a moment.
        for _ in range(4):
            made.order(20_000)
        made.archived()
        yield Site(made)


@pytest.fixture
def point(site: Site) -> RecoveryPoint:
    return site.points(site.plane.datastore())["one"]


def reached(folder: Folder, moment: str) -> bool:
    state = folder.state()
    match moment:
        case "accepted":
            return True
        case "copying":
            return state.phase == "copy" and folder.data.exists()
        case "starting":
            return state.phase == "start"
        case "replaying":
            return state.server is not None and (folder.data / "postmaster.pid").exists()
    raise ValueError(moment)


def kill_at(folder: Folder, moment: str) -> None:
    """SIGKILL the runner at a moment of its work, and whatever it has not yet handed over."""
    deadline = time.monotonic() + 30
    while not (reached(folder, moment) and runner_of(folder)):
        assert time.monotonic() < deadline, (moment, folder.state())
        assert folder.state().status is not Status.SUCCEEDED, f"it was done before it could be killed while {moment}"
        time.sleep(0.0005)
    for process in runner_of(folder):
        process.kill()
    # A server that was just being started keeps the lock until it is PostgreSQL.
    while folder.is_worked_on():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def runner_of(folder: Folder) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[-2:] == ["include.clouds.selfhosted.runner", str(folder.path)] and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.mark.parametrize("moment", ["accepted", "copying", "starting", "replaying"])
def test_a_runner_that_is_killed_is_started_again_and_there_is_one_sandbox(site: Site, point: RecoveryPoint, moment: str) -> None:
    datastore = site.plane.datastore()
    item = plan_item(f"shop.kill.{moment}")
    lease = lease_of(item)
    try:
        site.restore.create(datastore, point, item, lease)
        kill_at(site.folder(lease), moment)
        # Another run of the same drill asks again, from the beginning.
        site.restore.create(datastore, point, item, lease)
        found = site.wait(lease, datastore)
        assert found.status is Status.SUCCEEDED, found.detail
        assert len(list(sandbox.marked(site.root))) == 1
        assert len(sandbox.servers(site.root)) == 1
        site.restore.secure(lease.sandbox, datastore, SECRET)
        assert orders(site.restore.access(lease.sandbox, datastore, SECRET)) == site.plane.scalar("SELECT count(*) FROM orders")
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)
    assert list(site.restore.inventory([datastore])) == []
    assert sandbox.servers(site.root) == {}
    assert list(site.root.iterdir()) == []


def test_looking_is_enough_to_go_on(site: Site, point: RecoveryPoint) -> None:
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    try:
        kill_at(site.folder(lease), "copying")
        found = site.wait(lease, datastore)
        assert found.status is Status.SUCCEEDED, found.detail
        assert "started 2 times" in found.detail
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


def test_a_runner_that_is_killed_three_times_has_failed(site: Site, point: RecoveryPoint) -> None:
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    try:
        for _ in range(3):
            site.restore.find(lease.sandbox, datastore)
            kill_at(site.folder(lease), "copying")
        found = site.restore.find(lease.sandbox, datastore)
        assert found is not None
        assert found.status is Status.FAILED
        assert "killed 3 times" in found.detail
        assert "copy" in found.detail
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)
    assert list(site.root.iterdir()) == []


def test_a_sandbox_whose_lease_has_ended_is_not_worked_on_again(site: Site, point: RecoveryPoint) -> None:
    datastore = site.plane.datastore()
    item = plan_item("shop.kill.expired")
    lease = lease_of(item, utcnow() - timedelta(hours=2))
    site.restore.create(datastore, point, item, lease)
    try:
        assert runner_of(site.folder(lease)) == []
        found = site.restore.find(lease.sandbox, datastore)
        assert found is not None
        assert found.status is Status.FAILED
        assert "lease ended" in found.detail
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


_CALLER = """
import os, sys
sys.path[:0] = sys.argv[1:4]
from pathlib import Path
from selfhosted_steps import Site, Plane, plan_item, lease_of
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.clouds.selfhosted.restore import SelfHostedRestore
from include.recovery.model import RecoveryPoint
restore = SelfHostedRestore(RestoreHost.model_validate_json(sys.argv[4]))
item = plan_item("shop.kill.caller")
restore.create(Datastore.model_validate_json(sys.argv[5]), RecoveryPoint.model_validate_json(sys.argv[6]), item, lease_of(item))
os.killpg(0, 9)
"""


def test_the_death_of_who_asked_changes_nothing(site: Site, point: RecoveryPoint) -> None:
    datastore, host = site.plane.datastore(), site.plane.host()
    here = Path(__file__).resolve().parent
    paths = [str(PROJECT), str(here), str(here.parent / "contract")]
    texts = [one.model_dump_json(by_alias=True) for one in (host, datastore, point)]
    lease = lease_of(plan_item("shop.kill.caller"))
    try:
        done = subprocess.run([sys.executable, "-c", _CALLER, *paths, *texts], start_new_session=True, check=False)
        assert done.returncode == -signal.SIGKILL
        found = site.wait(lease, datastore)
        assert found.status is Status.SUCCEEDED
        assert "started" not in found.detail
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


def test_a_restored_server_that_dies_is_seen(site: Site, point: RecoveryPoint) -> None:
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    try:
        assert site.wait(lease, datastore).status is Status.SUCCEEDED
        server = site.folder(lease).state().server
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        process = server.process()
        assert process is None or sandbox.gone([process], 5) == []
        found = site.restore.find(lease.sandbox, datastore)
        assert found is not None
        assert found.status is Status.FAILED
        assert "gone" in found.detail
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


def test_a_half_made_folder_is_found_and_ended(site: Site, point: RecoveryPoint) -> None:
    """Between the making of a folder and its name, a call may be killed: the draft carries the mark, so it is ours."""
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    site.restore.find(lease.sandbox, datastore)
    sandbox.end_runner(site.folder(lease))
    sandbox.end_server(site.folder(lease))
    site.folder(lease).path.rename(site.root / f".{lease.sandbox}.0a1b2c3d")
    assert site.restore.find(lease.sandbox, datastore) is None
    assert [one.name.startswith(lease.sandbox) for one in site.restore.inventory([datastore])] == [True]
    site.restore.discard(lease.sandbox, datastore, lease)
    assert list(site.root.iterdir()) == []


def test_a_server_without_its_folder_is_in_the_inventory(site: Site, point: RecoveryPoint) -> None:
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    assert site.wait(lease, datastore).status is Status.SUCCEEDED
    mark = site.folder(lease).path / "lease.json"
    text = mark.read_text()
    mark.unlink()
    try:
        left = site.restore.inventory([datastore])
        assert [one.kind for one in left] == ["server"]
        assert left[0].name.startswith(lease.sandbox)
        with pytest.raises(PermissionError):
            site.restore.discard(lease.sandbox, datastore, lease)
    finally:
        mark.write_text(text)
        site.restore.discard(lease.sandbox, datastore, lease)
    assert list(site.restore.inventory([datastore])) == []


def test_the_plane_is_untouched(site: Site) -> None:
    made: Plane = site.plane
    assert int(made.scalar("SELECT count(*) FROM orders")) > 0


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_discard_at_any_moment_ends_the_runner_and_leaves_nothing(site: Site, point: RecoveryPoint, delay: float) -> None:
    datastore = site.plane.datastore()
    lease = site.start(datastore, point)
    time.sleep(delay)
    folder = site.folder(lease)
    site.restore.discard(lease.sandbox, datastore, lease)
    assert runner_of(folder) == []
    assert sandbox.servers(site.root) == {}
    assert list(site.root.iterdir()) == []
