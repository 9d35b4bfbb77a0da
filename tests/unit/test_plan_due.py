from datetime import UTC, datetime, timedelta

import pytest
from catalog_files import HARBOUR, loaded

from include.catalog.load import load
from include.recovery.model import PlanItem, Request, Target
from include.recovery.naming import sandbox_name
from include.recovery.plan import History, UnknownService, plan

NIGHT = datetime(2026, 11, 23, 2, tzinfo=UTC)
DAY = timedelta(days=1)
PLATFORM = load(HARBOUR, {})
PERSON = Request(requested_by="ada", reason="after the migration")


def proven(ago: timedelta, slot: str = "2026-11-01", **more: object) -> History:
    return History(last_passed=NIGHT - ago, last_attempt=NIGHT - ago, last_slot=slot, **more)


EVERYTHING_PROVEN = {key: proven(DAY) for key in PLATFORM.catalog.datastores()}


def one(past: History, now: datetime = NIGHT, **more: object) -> PlanItem | None:
    items = plan(PLATFORM, EVERYTHING_PROVEN | {"orders/main": past}, now, only=["orders"], **more)
    assert len(items) <= 1
    return items[0] if items else None


def test_what_was_never_proven_is_due_in_the_order_of_recovery():
    items = plan(PLATFORM, {}, NIGHT)
    assert [item.label for item in items] == ["identity/main", "inventory/main", "orders/main", "analytics/main"]
    assert {item.why for item in items} == {"never proven"}
    assert all(item.held is None for item in items)


def test_tiers_order_what_no_dependency_orders(tmp_path):
    found = loaded(
        tmp_path,
        ("services/inventory.yaml", "depends_on: [identity]", "depends_on: []"),
        ("services/inventory.yaml", "tier: tier-2", "tier: tier-3"),
        ("services/analytics.yaml", "depends_on: [orders, inventory]", "depends_on: []"),
        ("services/analytics.yaml", "tier: tier-3", "tier: tier-2"),
    )
    assert [item.service for item in plan(found, {}, NIGHT)] == ["identity", "analytics", "inventory", "orders"]


def test_an_item_is_complete():
    item = one(History())
    assert item.drill_id == "orders.main.2026-11-23"
    assert (item.cloud, item.region, item.tier) == ("selfhosted", "site-a", "tier-1")
    assert (item.rpo, item.rto) == (timedelta(minutes=15), timedelta(minutes=30))
    assert item.planned_at == NIGHT and item.catalog_revision == PLATFORM.revision
    assert item.target.latest and item.request == Request()
    assert len(item.model_dump_json()) < 2000, "small enough for XCom"
    assert PlanItem.model_validate_json(item.model_dump_json()) == item
    assert sandbox_name(item.drill_id).startswith("dy-orders-main-2026-11-23-")


@pytest.mark.parametrize(
    ("ago", "due"),
    [
        (timedelta(hours=1), False),
        (6 * DAY, False),
        (6 * DAY + timedelta(minutes=1), True),
        (7 * DAY, True),
        (30 * DAY, True),
    ],
)
def test_due_before_the_proof_is_older_than_the_cadence(ago, due):
    assert (one(proven(ago)) is not None) is due


def test_why_it_is_due_is_said():
    assert one(proven(8 * DAY)).why == "proof is 1w1d old, due every 1w"
    assert one(History()).why == "never proven"
    failed = History(last_passed=NIGHT - 3 * DAY, last_attempt=NIGHT - DAY, last_slot="2026-11-22")
    assert one(failed).why == "the last drill (2026-11-22 02:00 UTC) did not pass"


def test_a_failed_drill_is_tried_again_the_next_night_not_the_same():
    tonight = History(last_attempt=NIGHT, last_slot="2026-11-23")
    assert one(tonight, NIGHT + timedelta(hours=3)) is None
    assert one(tonight, NIGHT + DAY).drill_id == "orders.main.2026-11-24"


def test_the_slot_is_the_date_in_utc():
    local = datetime.fromisoformat("2026-11-23T00:30:00+01:00")
    assert one(History(), local).drill_id == "orders.main.2026-11-22"
    assert one(History(), local).planned_at.utcoffset() == timedelta(0)


def test_ignore_due_plans_what_is_not_due():
    assert one(proven(DAY)) is None
    assert one(proven(DAY), ignore_due=True).drill_id == "orders.main.2026-11-23"


def test_a_request_has_a_slot_of_its_own():
    first = one(proven(DAY), request=PERSON, ignore_due=True)
    assert first.drill_id.startswith("orders.main.r-") and len(first.drill_id) == len("orders.main.r-") + 10
    assert first.why == "after the migration" and first.request == PERSON
    assert one(proven(DAY), request=PERSON, ignore_due=True).drill_id == first.drill_id, "every try is the same drill"
    others = [
        one(proven(DAY), NIGHT + timedelta(seconds=1), request=PERSON, ignore_due=True),
        one(proven(DAY), request=PERSON.model_copy(update={"reason": "again"}), ignore_due=True),
        one(proven(DAY), request=PERSON, target=Target(point_id="2026-11-20"), ignore_due=True),
        one(proven(DAY), request=PERSON, target=Target(time=NIGHT - DAY), ignore_due=True),
    ]
    assert len({item.drill_id for item in [first, *others]}) == 5
    east = NIGHT.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:00").tzinfo)
    assert one(proven(DAY), east, request=PERSON, ignore_due=True).drill_id == first.drill_id


def test_a_drill_that_was_cut_off_goes_on_in_its_slot():
    cut = History(last_attempt=NIGHT, last_slot="2026-11-23", in_progress="orders.main.2026-11-23")
    item = one(cut, NIGHT + timedelta(hours=1))
    assert item.drill_id == "orders.main.2026-11-23" and item.why.startswith("goes on") and item.held is None


def test_a_scheduled_drill_of_last_night_goes_on_before_another_begins():
    cut = History(last_attempt=NIGHT - DAY, last_slot="2026-11-22", in_progress="orders.main.2026-11-22")
    assert one(cut).drill_id == "orders.main.2026-11-22"


def test_a_requested_drill_that_runs_is_left_alone():
    running = proven(8 * DAY, in_progress="orders.main.r-0123456789").model_copy(
        update={"last_attempt": NIGHT - timedelta(hours=1)}
    )
    item = one(running)
    assert item.drill_id == "orders.main.2026-11-23"
    assert item.held == "drill orders.main.r-0123456789 of this datastore has no conclusion yet"
    fresh = running.model_copy(update={"last_passed": NIGHT - DAY})
    assert one(fresh) is None, "it has not failed as long as it runs"
    dead = running.model_copy(update={"last_attempt": NIGHT - 2 * DAY})
    assert one(dead).held is None, "after a day it is dead, and holds nothing up"


def test_a_persons_request_takes_over_from_a_drill_that_runs_or_was_killed():
    running = History(last_attempt=NIGHT, last_slot="2026-11-23", in_progress="orders.main.2026-11-23")
    item = one(running, request=PERSON, ignore_due=True)
    assert item.held is None and item.drill_id != "orders.main.2026-11-23"


@pytest.mark.parametrize("name", ["orders", "orders/main"])
def test_only_what_was_asked_for(name):
    assert [item.label for item in plan(PLATFORM, {}, NIGHT, only=[name])] == ["orders/main"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ordres", "did you mean orders"),
        ("orders/mian", "did you mean orders/main"),
        ("xyz", "known services: analytics, identity"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, hint):
    with pytest.raises(UnknownService, match=hint):
        plan(PLATFORM, {}, NIGHT, only=["identity", name])


def test_a_verb_without_a_plan_and_a_time_without_offset_are_refused():
    with pytest.raises(ValueError, match="no plan for 'replay_queues'"):
        plan(PLATFORM, {}, NIGHT, verb="replay_queues")
    with pytest.raises(ValueError, match="no offset"):
        plan(PLATFORM, {}, NIGHT.replace(tzinfo=None))


def test_a_broken_service_is_shown_and_hides_no_other(tmp_path):
    found = loaded(tmp_path, ("services/inventory.yaml", "tier: tier-2", "tier: teir-2"))
    items = plan(found, {}, NIGHT)
    assert [item.service for item in items] == ["identity", "orders", "analytics", "inventory"]
    broken = items[-1]
    assert "services/inventory.yaml:2: tier: no tier named 'teir-2'" in broken.held
    assert (broken.cloud, broken.datastore, broken.drill_id) == ("unknown", "unknown", "inventory.unknown.2026-11-23")
    assert [item.service for item in plan(found, {}, NIGHT, only=["inventory"])] == ["inventory"]
    assert [item.service for item in plan(found, {}, NIGHT, only=["inventory/main"])] == ["inventory"]
    assert [item.service for item in plan(found, {}, NIGHT, only=["orders"])] == ["orders"]
