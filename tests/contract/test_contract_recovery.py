"""What every cloud must do for recovery, whatever it is: `include.recovery.contracts`, method by method."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg2
import pytest
from harness import Harness
from selfhosted_plane import SECRET, lease_of, plan_item

from include.recovery.contracts import Transient, Unsupported
from include.recovery.model import Access, Check, Lease, Outcome, PlanItem, RecoveryPoint, Sandbox, Status, Target
from include.recovery.naming import sandbox_name
from include.values import utcnow

ID = "shop/main"


def newest(cloud: Harness) -> RecoveryPoint:
    return cloud.source.survey({ID: cloud.datastore}, utcnow()).points[ID][0]


def an_item(cloud: Harness, target: Target | None = None) -> PlanItem:
    return plan_item(f"shop.main.{uuid.uuid4().hex[:8]}", target).model_copy(
        update={"cloud": cloud.cloud, "region": cloud.datastore.region}
    )


def ready(cloud: Harness, lease: Lease) -> Sandbox:
    deadline = time.monotonic() + cloud.patience
    while True:
        found = cloud.restore.find(lease.sandbox, cloud.datastore, lease.lease_id)
        assert found is not None
        if found.status in (Status.SUCCEEDED, Status.FAILED):
            assert found.status is Status.SUCCEEDED, found.detail
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@contextmanager
def restored(cloud: Harness, item: PlanItem, point: RecoveryPoint) -> Iterator[tuple[Lease, Sandbox]]:
    lease = lease_of(item)
    try:
        cloud.restore.create(cloud.datastore, point, item, lease)
        yield lease, ready(cloud, lease)
    finally:
        cloud.restore.discard(lease.sandbox, cloud.datastore, lease)


def ask(access: Access, sql: str, *, admin: bool = False) -> object:
    user, password = (access.admin, access.admin_password) if admin else (access.reader, access.reader_password)
    with closing(
        psycopg2.connect(host=access.host, port=access.port, dbname=access.database, user=user, password=password)
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            return row[0] if row else None


def harmless(cloud: Harness, lease: Lease) -> Sequence[Check]:
    """Secure it, however often the cloud says that it is still at it."""
    deadline = time.monotonic() + cloud.patience
    while True:
        try:
            return cloud.restore.secure(lease.sandbox, cloud.datastore, SECRET)
        except Transient:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def orders_in(cloud: Harness, item: PlanItem, point: RecoveryPoint) -> int:
    with restored(cloud, item, point) as (lease, _):
        checks = harmless(cloud, lease)
        assert {check.outcome for check in checks} <= {Outcome.PASSED, Outcome.UNSUPPORTED}
        return int(str(ask(cloud.restore.access(lease.sandbox, cloud.datastore, SECRET), "SELECT count(*) FROM orders")))


# ---- the backup source -------------------------------------------------------------------------------------------


def test_survey_gives_every_point_newest_first(cloud: Harness) -> None:
    cloud.back_up()
    points = cloud.source.survey({ID: cloud.datastore}, utcnow()).points[ID]
    assert len(points) >= 2
    assert [one.taken_at for one in points] == sorted((one.taken_at for one in points), reverse=True)
    assert len({one.id for one in points}) == len(points)
    for one in points:
        assert one.taken_at <= one.restorable_until <= utcnow()
        assert one.engine_version == "18"
        assert one.region == cloud.datastore.region


def test_restorable_until_follows_the_log(cloud: Harness) -> None:
    before = newest(cloud)
    cloud.order(1)
    cloud.settle()
    after = newest(cloud)
    if after.log_end_known:
        assert after.restorable_until > before.restorable_until
    else:
        assert after.restorable_until == after.taken_at


def test_an_unreadable_datastore_hides_no_other(cloud: Harness) -> None:
    survey = cloud.source.survey({"shop/lost": cloud.unreadable, ID: cloud.datastore}, utcnow())
    assert survey.points[ID]
    assert "shop/lost" not in survey.points
    assert survey.unreadable["shop/lost"]


def test_survey_names_what_no_entry_names(cloud: Harness) -> None:
    survey = cloud.source.survey({ID: cloud.datastore}, utcnow())
    assert any(cloud.uncatalogued in one for one in survey.uncatalogued)
    assert not any(one.endswith(f"/{cloud.datastore.database}") for one in survey.uncatalogued)


def test_discover_drafts_what_no_entry_names(cloud: Harness) -> None:
    told = cloud.source.discover({ID: cloud.datastore})
    drafts = told.drafts
    assert told.unreadable == {}
    assert [one["database"] for one in drafts] == [cloud.uncatalogued]
    assert drafts[0]["cloud"] == cloud.cloud


def test_discover_tells_what_it_could_not_ask(cloud: Harness) -> None:
    with (cloud.silent or cloud.unreachable)():
        told = cloud.source.discover({ID: cloud.datastore})
    assert told.drafts == ()
    assert all(told.unreadable.values()) and told.unreadable


def test_a_good_point_passes_the_deep_look(cloud: Harness) -> None:
    found = cloud.source.inspect(cloud.datastore, newest(cloud), None, full=True)
    assert found.checks
    assert {check.outcome for check in found.checks} <= {Outcome.PASSED, Outcome.UNSUPPORTED}
    again = cloud.source.inspect(cloud.datastore, newest(cloud), found.cursor, full=False)
    assert {check.outcome for check in again.checks} <= {Outcome.PASSED, Outcome.UNSUPPORTED}


def test_a_spoiled_point_fails_and_the_original_stays_good(cloud: Harness) -> None:
    point = newest(cloud)
    try:
        with cloud.source.spoil(cloud.datastore, point) as bad:
            found = cloud.source.inspect(cloud.datastore, bad, None, full=True)
            assert Outcome.FAILED in {check.outcome for check in found.checks}
    except Unsupported as why:
        assert str(why)
        return
    after = cloud.source.inspect(cloud.datastore, point, None, full=True)
    assert Outcome.FAILED not in {check.outcome for check in after.checks}


# ---- the restore -------------------------------------------------------------------------------------------------


def test_preflight_passes_and_creates_nothing(cloud: Harness) -> None:
    item = an_item(cloud)
    checks = cloud.restore.preflight(cloud.datastore, newest(cloud), item)
    assert checks
    assert {check.layer for check in checks} == {"preflight"}
    assert {check.outcome for check in checks} <= {Outcome.PASSED, Outcome.UNSUPPORTED}, checks
    assert cloud.restore.find(sandbox_name(item.drill_id), cloud.datastore) is None


def test_preflight_refuses_another_version_and_names_both(cloud: Harness) -> None:
    checks = cloud.restore.preflight(cloud.datastore, cloud.other_version(newest(cloud)), an_item(cloud))
    version = next(check for check in checks if check.name == "version")
    assert version.outcome is Outcome.FAILED
    assert "9" in version.detail
    assert "18" in version.detail


def test_one_sandbox_however_often_it_is_asked_for(cloud: Harness) -> None:
    item, point = an_item(cloud), newest(cloud)
    lease = lease_of(item)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: cloud.restore.create(cloud.datastore, point, item, lease), range(4)))
    try:
        assert {one.name for one in made} == {lease.sandbox}
        ready(cloud, lease)
        again = cloud.restore.create(cloud.datastore, point, item, lease)
        assert again.status is Status.SUCCEEDED
        assert again.lease_id == lease.lease_id
        owned = [one for one in cloud.restore.inventory([cloud.datastore]) if one.lease_id == lease.lease_id]
        assert len({one.name for one in owned if one.kind != "server"}) == 1
        assert len([one for one in owned if one.kind == "server"]) <= 1
    finally:
        cloud.restore.discard(lease.sandbox, cloud.datastore, lease)
    assert not [one for one in cloud.restore.inventory([cloud.datastore]) if one.lease_id == lease.lease_id]


def test_what_was_never_made_is_not_found(cloud: Harness) -> None:
    assert cloud.restore.find(sandbox_name("shop.main.never"), cloud.datastore) is None


def test_discard_may_be_repeated_and_asked_before_anything_is_there(cloud: Harness) -> None:
    lease = lease_of(an_item(cloud))
    cloud.restore.discard(lease.sandbox, cloud.datastore, lease)
    cloud.restore.discard(lease.sandbox, cloud.datastore, lease)


def test_discard_ends_a_restore_that_still_runs(cloud: Harness) -> None:
    item = an_item(cloud)
    lease = lease_of(item)
    cloud.restore.create(cloud.datastore, newest(cloud), item, lease)
    cloud.restore.discard(lease.sandbox, cloud.datastore, lease)
    assert cloud.restore.find(lease.sandbox, cloud.datastore) is None
    assert not [one for one in cloud.restore.inventory([cloud.datastore]) if one.lease_id == lease.lease_id]


def test_discard_refuses_another_lease(cloud: Harness) -> None:
    item = an_item(cloud)
    with restored(cloud, item, newest(cloud)) as (lease, _):
        foreign = lease.model_copy(update={"lease_id": "somebody.else"})
        with pytest.raises(PermissionError, match=item.drill_id):
            cloud.restore.discard(lease.sandbox, cloud.datastore, foreign)
        assert ready(cloud, lease).lease_id == lease.lease_id


def test_a_look_alike_is_never_touched(cloud: Harness) -> None:
    item, point = an_item(cloud), newest(cloud)
    lease = lease_of(item)
    with cloud.look_alike(lease.sandbox) as untouched:
        with pytest.raises(PermissionError):
            cloud.restore.create(cloud.datastore, point, item, lease)
        with pytest.raises(PermissionError):
            cloud.restore.discard(lease.sandbox, cloud.datastore, lease)
        found = cloud.restore.find(lease.sandbox, cloud.datastore)
        assert found is None or found.lease_id is None
        assert not [one for one in cloud.restore.inventory([cloud.datastore]) if lease.sandbox in one.name]
        assert untouched()


def test_a_silent_control_plane_is_unknown_and_not_a_failure(cloud: Harness) -> None:
    item = an_item(cloud)
    lease = lease_of(item)
    point = newest(cloud)
    with cloud.unreachable():
        with pytest.raises(Transient):
            cloud.restore.find(lease.sandbox, cloud.datastore)
        with pytest.raises(Transient):
            cloud.restore.create(cloud.datastore, point, item, lease)
    assert cloud.restore.find(lease.sandbox, cloud.datastore) is None


def test_a_secured_sandbox_answers_our_roles_alone(cloud: Harness) -> None:
    with restored(cloud, an_item(cloud), newest(cloud)) as (lease, _):
        with pytest.raises(PermissionError):
            cloud.restore.access(lease.sandbox, cloud.datastore, SECRET)
        for _ in range(2):
            checks = harmless(cloud, lease)
            assert {check.layer for check in checks} == {"harmless"}
            assert {check.outcome for check in checks} <= {Outcome.PASSED, Outcome.UNSUPPORTED}, checks
            assert {"logins-disabled", "foreign-servers-cut", "event-triggers-disabled"} <= {check.name for check in checks}
        access = cloud.restore.access(lease.sandbox, cloud.datastore, SECRET)
        assert int(str(ask(access, "SELECT count(*) FROM orders"))) > 0
        assert int(str(ask(access, "SELECT count(*) FROM pg_roles WHERE rolname = 'shop_app' AND rolcanlogin", admin=True))) == 0
        with pytest.raises(psycopg2.OperationalError):
            ask(access.model_copy(update={"reader": "shop_app", "reader_password": "production"}), "SELECT 1")
        with pytest.raises(psycopg2.Error):
            ask(access, "INSERT INTO orders (placed_at) VALUES (now()) RETURNING id")
        with pytest.raises(psycopg2.Error):
            ask(access, "SET default_transaction_read_only = off; INSERT INTO orders (placed_at) VALUES (now()) RETURNING id")


def test_a_point_in_time_has_the_rows_of_that_time(cloud: Harness) -> None:
    cloud.back_up()
    cloud.order(7)
    expected = cloud.count()
    time.sleep(0.05)
    target = utcnow()
    time.sleep(0.05)
    cloud.order(500)
    cloud.settle()
    assert orders_in(cloud, an_item(cloud, Target(time=target)), newest(cloud)) == expected


def test_the_latest_state_has_everything_that_was_settled(cloud: Harness) -> None:
    cloud.order(11)
    cloud.settle()
    assert orders_in(cloud, an_item(cloud), newest(cloud)) == cloud.count()


def test_a_recovery_point_has_the_rows_it_was_taken_with(cloud: Harness) -> None:
    expected = cloud.count()
    cloud.back_up()
    cloud.order(13)
    cloud.settle()
    point = newest(cloud)
    assert orders_in(cloud, an_item(cloud, Target(point_id=point.id)), point) == expected


def test_preflight_refuses_a_time_that_the_point_cannot_reach(cloud: Harness) -> None:
    point = newest(cloud)
    for wanted in (point.taken_at.replace(year=point.taken_at.year - 1), point.restorable_until.replace(year=2999)):
        checks = cloud.restore.preflight(cloud.datastore, point, an_item(cloud, Target(time=wanted)))
        assert [check for check in checks if check.outcome is Outcome.FAILED and check.detail]
