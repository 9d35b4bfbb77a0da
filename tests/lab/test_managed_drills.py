"""Google Cloud and Azure under faults: what the network, the control plane and a killed process do to a drill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fires import after_a_fire
from managed_drills import ID, SECRET, Site, persist, site

from include.clouds.managed import wait_for
from include.evidence.packing import Seen, pack
from include.lab.double import knock
from include.recovery import drill, leases, recover
from include.recovery.conclude import conclude
from include.recovery.contracts import Transient
from include.recovery.desk import Desk
from include.recovery.model import Lease, Outcome, Status, Target, Verdict
from include.recovery.nightly import verify_region
from include.recovery.reaper import reap
from include.recovery.run import run_drill
from include.settings import PROJECT
from include.values import utcnow

KINDS = ("throttle", "error", "lost", "drop")
CREATES = {"google": "instances.clone", "azure": "servers_create_or_update"}
DELETES = {"google": "instances.delete", "azure": "servers_delete"}
PASSWORDS = {"google": "users.insert", "azure": "servers_update"}
LISTS = {"google": "backupRuns.list", "azure": "servers_list_by_subscription"}
KILLED = PROJECT / "tests" / "lab" / "managed_kill.py"


@pytest.fixture(scope="session", params=["google", "azure"])
def where(request: pytest.FixtureRequest) -> Iterator[Site]:
    with site(request.param) as made:
        yield made


@pytest.fixture(autouse=True)
def _healthy(where: Site) -> Iterator[None]:
    business_goes_on(where)
    yield
    where.fault()
    knock(where.shop.server.url, "outage", {"on": False})


def test_a_drill_restores_secures_asks_and_leaves_nothing(where: Site) -> None:
    where.shop.order(5)
    where.shop.settle()
    record = run_drill(where.desk(), where.item(), None)
    assert record.verdict is Verdict.PASSED, record.summary
    names = {check.name for check in record.checks if check.outcome is Outcome.PASSED}
    assert {"no-public-address", "private-network", "logins-disabled", "nothing-left", "database-amcheck"} <= names
    assert record.created == record.removed != ()
    assert where.left() == []


def test_a_drill_that_was_over_can_be_repeated_though_its_name_is_reserved(where: Site) -> None:
    item = where.item("again")
    assert run_drill(where.desk(), item, None).verdict is Verdict.PASSED
    desk = where.desk()
    point = desk.source.survey({ID: where.mine()}, utcnow()).points[ID][0]
    lease = desk.ledger.lease(item.drill_id)
    assert lease is not None
    opened = lease.model_copy(update={"opened_at": utcnow(), "closed_at": None})
    assert desk.restore.create(where.mine(), point, item, opened).name == lease.sandbox
    ready(desk, where, opened)
    assert [name for name in where.left() if name.endswith(f"{lease.sandbox}-2")]
    desk.restore.discard(lease.sandbox, where.mine(), opened)
    assert where.left() == []


def business_goes_on(where: Site) -> None:
    """One more order, so that what a drill loses is measured from now."""
    where.shop.order(1)
    where.shop.settle()


def ready(desk: Desk, where: Site, lease: Lease) -> None:
    def restored() -> bool | None:
        found = desk.restore.find(lease.sandbox, where.mine(), lease.lease_id)
        assert found is not None
        return found.status is Status.SUCCEEDED or None

    wait_for(restored, timedelta(minutes=1), lease.sandbox)


@pytest.mark.parametrize(("kind", "at"), [("lost", CREATES), ("lost", DELETES), ("drop", PASSWORDS), ("throttle", LISTS)])
def test_one_fault_and_the_drill_gets_through(where: Site, kind: str, at: dict[str, str]) -> None:
    survey = kind == "throttle"
    where.fault(kind=kind, match=at[where.cloud])
    item = where.item()
    record = persist(where, item)
    if survey:
        # What cannot be read is unknown, never green: the drill of this slot says so.
        assert record.verdict is Verdict.UNKNOWN
    else:
        assert record.verdict is Verdict.PASSED, record.summary
    assert where.left() == []


def points(calls: list[str]) -> list[tuple[str, int]]:
    """Every call of a drill by its operation and number. A look that repeats until something is ready counts by its first three
    and its last: the ones between ask the same question in the same state."""
    counted = Counter(calls)
    return [(operation, at) for operation, count in counted.items() for at in sorted({1, 2, 3, count}) if at <= count]


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_every_call(where: Site, kind: str) -> None:
    where.calls(reset=True)
    persist(where, where.item())
    found = points(where.calls())
    assert len(found) >= 10
    for operation, at in found:
        where.fault()
        business_goes_on(where)
        where.fault(kind=kind, match=operation, at=at)
        record = persist(where, where.item())
        # Unknown when nothing could be chosen, partial when validation's one try met it: never failed, never green for nothing.
        assert record.verdict is not Verdict.FAILED, (kind, operation, at, record.summary)
        assert record.created == record.removed, (kind, operation, at)
        assert where.left() == [], (kind, operation, at)


def kill_at(where: Site, tmp_path: Path, line: int) -> tuple[str, int]:
    """Run a drill in another process that kills itself after so many lines of its journal; the drill, and how it ended."""
    item, file = where.item(f"kill-{line}-{where.cloud}"), tmp_path / f"{line}.json"
    told = {"cloud": where.cloud, "url": where.shop.server.url, "port": where.shop.data.port, "ledger": where.ledger}
    file.write_text(json.dumps({**told, "folder": str(where.folder), "item": item.model_dump(mode="json")}))
    command = [sys.executable, str(KILLED), str(file), str(line)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, -9), done.stderr
    return item.drill_id, done.returncode


def goes_on_after(where: Site, tmp_path: Path, line: int) -> bool:
    business_goes_on(where)
    drill_id, code = kill_at(where, tmp_path, line)
    record = persist(where, where.item(drill_id.rpartition(".")[2]))
    assert record.verdict is Verdict.PASSED, (line, record.summary)
    assert where.left() == [], line
    made = [name for name in where.calls() if CREATES[where.cloud] in name]
    assert made, line
    return code == -9


def test_a_killed_drill_goes_on_where_it_was(where: Site, tmp_path: Path) -> None:
    assert goes_on_after(where, tmp_path, 7)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_drill_killed_at_every_line_of_its_journal_goes_on(where: Site, tmp_path: Path) -> None:
    line = 1
    while goes_on_after(where, tmp_path, line):
        line += 1
    assert line > 12


def test_a_control_plane_that_is_down_at_night_is_unknown_with_the_reason(where: Site) -> None:
    knock(where.shop.server.url, "outage", {"on": True})
    region = where.mine().region
    records = verify_region(where.desk(), region)
    found = next(one for one in records if getattr(one, "service", "") == "shop" and not one.canary)
    assert found.verdict is Verdict.UNKNOWN
    assert "did not answer" in found.summary
    with pytest.raises(Transient):
        where.desk().restore.find("dy-x", where.mine())
    knock(where.shop.server.url, "outage", {"on": False})
    again = verify_region(where.desk(), region)
    assert not [one for one in again if getattr(one, "service", "") == "shop" and one.verdict is Verdict.UNKNOWN]


def test_a_restore_that_never_ends_is_halted_and_reaped_later(where: Site) -> None:
    item, desk = where.item(), where.desk(patience="2s")
    started = drill.begin(desk, item)
    key = "instance" if where.cloud == "google" else "server"
    knock(where.shop.server.url, "stall", {key: started.name})
    drill.begin(desk, item)
    with pytest.raises(drill.Halted, match="not ready after"):
        drill.watch(desk, item, lambda: utcnow() + timedelta(hours=2))
    with pytest.raises(Transient):
        leases.close(desk, item)
    knock(where.shop.server.url, "stall", {key: started.name, "on": False})
    leases.expire_now(desk, item)
    assert reap(where.desk()) == [started.name]
    assert where.left() == []


def test_a_control_plane_that_never_answers_again_does_not_hold_a_drill_for_ever(where: Site) -> None:
    item, desk = where.item(), where.desk()
    drill.begin(desk, item)
    knock(where.shop.server.url, "outage", {"on": True})
    with pytest.raises(Transient):
        drill.watch(desk, item)
    with pytest.raises(drill.Halted, match="not ready after"):
        drill.watch(desk, item, lambda: utcnow() + timedelta(hours=2))
    knock(where.shop.server.url, "outage", {"on": False})
    leases.close(desk, item)
    assert conclude(desk, item).verdict is Verdict.UNKNOWN
    assert where.left() == []


def test_one_server_that_does_not_tell_its_databases_is_named(where: Site) -> None:
    desk, mine = where.desk(), where.mine()
    where.fault(kind="error", match={"google": "batch", "azure": "databases_list_by_server"}[where.cloud])
    told = desk.source.discover({ID: mine})
    assert told.drafts == ()
    (place,) = told.unreadable
    assert place in (f"project {getattr(mine, 'project', '')}", "server shop-production/forgotten")
    assert desk.source.discover({ID: mine}).drafts


def documented(cloud: str) -> set[str]:
    """The calls of the table of rights on a cloud's page."""
    text = (PROJECT / "docs" / f"{cloud}.md").read_text()
    table = text.rpartition("| call | ")[2].partition("\n\n")[0]
    return {row.split("`")[1] for row in table.splitlines() if row.startswith("| `")}


def test_every_call_is_in_the_table_of_rights_and_no_other(where: Site) -> None:
    where.calls(reset=True)
    desk, mine = where.desk(), where.mine()
    desk.source.discover({ID: mine})
    verify_region(desk, mine.region)
    # The oldest there is: on Azure its copy in the paired region.
    point = desk.source.survey({ID: mine}, utcnow()).points[ID][-1]
    assert run_drill(where.desk(), where.item(), None).verdict is Verdict.PASSED
    named = where.item().model_copy(update={"target": Target(point_id=point.id)})
    record = run_drill(where.desk(), named, None)
    assert {check.name for check in record.checks if check.outcome is Outcome.FAILED} <= {"rpo"}
    assert [
        check.name for check in record.checks if check.name == "question:orders are there" and check.outcome is Outcome.PASSED
    ]
    lease = drill_and_secure_twice(where)
    desk.restore.discard(lease.sandbox, mine, lease)
    polls = {"operation_status"}
    assert set(where.calls()) - polls == documented(where.cloud)


def drill_and_secure_twice(where: Site) -> Lease:
    item, desk = where.item(), where.desk()
    drill.begin(desk, item)
    lease = desk.ledger.lease(item.drill_id)
    assert lease is not None
    ready(desk, where, lease)
    for _ in range(2):
        desk.restore.secure(lease.sandbox, where.mine(), desk.secret)
    return lease


AWAY = {
    "google": ({"recovery_regions": {"eu": "europe-west4"}}, "europe-west4", "eu"),
    "azure": ({}, "northeurope", "northeurope"),
}
"""Settings that a restore away from home needs, where it is made, and where the copy lies."""


@pytest.mark.parametrize("given", [True, False], ids=["given-as-lost", "found-lost"])
def test_a_region_burns_and_what_is_kept_elsewhere_is_restored_there(where: Site, given: bool) -> None:
    more, region, domain = AWAY[where.cloud]
    home = where.mine().region
    where.shop.order(3)
    where.shop.settle()
    where.shop.back_up()
    loaded = where.desk(**more).loaded
    tiers = {name: tier.model_copy(update={"rpo": timedelta(days=1)}) for name, tier in loaded.catalog.platform.tiers.items()}
    platform = loaded.catalog.platform.model_copy(update={"tiers": tiers})
    settings = {where.cloud: where.shop.settings(**more)}
    loaded = replace(loaded, catalog=replace(loaded.catalog, platform=platform, settings=settings))
    survey, now = where.desk().source.survey({ID: where.mine()}, utcnow()), utcnow()
    kit = pack(loaded, {}, {}, {ID: Seen(points=survey.points[ID], at=now)}, {}, now)
    assert kit.problems == ()
    said: list[str] = []
    lost = (home,) if given else ()
    job = after_a_fire(kit, loaded, where.desk().stores, where.shop.connection, SECRET, lost, said, salt=str(given))
    knock(where.shop.server.url, "lose", {"region": home})
    try:
        (done,) = recover.recover(job, kit.services)
    finally:
        knock(where.shop.server.url, "lose", {"region": home, "on": False})
    assert done.usable, "\n".join(said)
    assert any(f"from {domain}" in line for line in said), said
    record = next(one for one in job.stores.stores[0].records() if one.record_id == done.record_id)
    assert record.kind == "note" and record.detail["domain"] == domain
    assert any(region in str(check) for check in record.detail["drill"]["checks"]), record.detail["drill"]["checks"]
    assert where.left() == []
