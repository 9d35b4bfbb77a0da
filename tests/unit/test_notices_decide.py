"""What is told to whom: one message a change, grouped, whatever the number of rounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.audit.waivers import end_waiver, new_waiver, waived_now, waivers_in
from include.catalog.load import load
from include.catalog.model import Tier
from include.evidence.readiness import Evidence, readiness
from include.notices.conditions import PLATFORM, conditions
from include.notices.decide import LEFT, next_told
from include.notices.model import Condition, Recipient, Told
from include.notices.recipients import operators_of, recipients
from include.recovery.overdue import drill_due_by, overdue
from include.recovery.plan import History
from tests.unit.evidence_samples import a_drill, a_verification
from tests.unit.readiness_samples import NOW, a_loaded, a_service, proven

DAY = timedelta(days=1)
ANN = Recipient(via="smtp", to="ann@example.test", subjects=("orders/main", "stock/main"))


def holds(**words: str) -> dict[str, Condition]:
    named = {f"{service}/main": word for service, word in words.items()}
    return {subject: Condition(subject=subject, word=word, bad=word != "proven") for subject, word in named.items()}


def step(told: Told, now_holds: dict[str, Condition], to: Recipient = ANN) -> Told:
    return next_told(to, told, now_holds, NOW, platform="acme")


def test_a_first_look_tells_what_is_bad_and_not_that_all_is_well() -> None:
    assert step(Told(), holds(orders="proven", stock="proven")).pending == ()
    (one,) = step(Told(), holds(orders="failed", stock="proven")).pending
    assert one.title == "[acme] orders/main failed" and one.severity == "failure"


def test_all_changes_of_a_round_are_one_message() -> None:
    told = step(Told(), holds(orders="proven", stock="proven"))
    (one,) = step(told, holds(orders="failed", stock="stale")).pending
    assert "orders/main: failed (was proven)" in one.body and "stock/main: stale (was proven)" in one.body


def test_the_way_back_is_told_too() -> None:
    told = step(Told(), holds(orders="failed"))
    news = step(told, holds(orders="proven")).pending[-1]
    assert news.severity == "success" and news.title == "[acme] orders/main proven"


def test_a_subject_that_left_the_catalog_is_told_once() -> None:
    told = step(Told(), holds(orders="proven", stock="proven"))
    later = step(told, holds(orders="proven"))
    assert LEFT in later.pending[0].title and step(later, holds(orders="proven")) is later


def test_a_waiting_message_is_kept_and_the_next_one_follows_it() -> None:
    waiting = step(Told(), holds(orders="failed"))
    assert [one.title for one in step(waiting, holds(orders="proven")).pending] == [
        "[acme] orders/main failed",
        "[acme] orders/main proven",
    ]


WORDS = st.sampled_from(["proven", "failed", "stale", "unknown", "proven, overdue"])


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(1, 4)), max_size=20))
def test_there_is_one_message_a_change_and_not_one_a_run(history: list[tuple[str, str, int]]) -> None:
    told, before, changes = Told(), None, 0
    for orders, stock, rounds in history:
        for _ in range(rounds):
            told = step(told, holds(orders=orders, stock=stock))
        first = before is None and (orders, stock) != ("proven", "proven")
        changes += first or (before is not None and before != (orders, stock))
        before = (orders, stock)
    assert len(told.pending) == changes
    assert len({one.key for one in told.pending}) <= changes


def test_a_tenants_contact_is_told_how_a_service_stands_and_nothing_of_its_inside() -> None:
    to = Recipient(via="smtp", to="duty@shop.test", subjects=("orders",), outside=True)
    secret = Condition(subject="orders", word="failed", bad=True, detail="index orders_pkey is corrupt")
    (one,) = next_told(to, Told(), {"orders": secret}, NOW, platform="acme", link="https://inside").pending
    assert "orders: failed" in one.body and "corrupt" not in one.body and "inside" not in one.body


# ---- who ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> Path:
    return Path(__file__).parents[2] / "include" / "platforms" / "example"


def test_owners_contacts_channels_and_tenants_of_the_example_are_told(example: Path) -> None:
    catalog = load(example).catalog
    subjects = ["order-intake", "order-intake/orders", "analytics", f"{PLATFORM}drills"]
    told = {one.key: one for one in recipients(catalog, subjects)}
    assert told["smtp:mara.lind@example.test"].subjects == ("order-intake/orders",)
    assert "order-intake/orders" in told["smtp:jonas.falk@example.test"].subjects  # by `contacts: [integration]`
    assert told["apprise:operations_chat"].subjects == ("order-intake/orders", f"{PLATFORM}drills")
    tenant = told["smtp:duty@harbour-retail.example.test"]
    assert tenant.outside and tenant.subjects == ("analytics", "order-intake")
    assert "smtp:ops@corner-shops.example.test" not in told  # a shared tenant: its class is not told
    assert [one.key for one in operators_of(catalog)][-1] == "smtp:jonas.falk@example.test"


def test_without_notices_nobody_is_told() -> None:
    assert recipients(a_loaded(a_service("orders")).catalog, ["orders/main"]) == []


# ---- what holds -----------------------------------------------------------------------------------------------------


def test_conditions_say_state_lateness_and_what_concerns_the_platform() -> None:
    orders, stock = a_service("orders"), a_service("stock")
    report = readiness(a_loaded(orders, stock), proven(orders), None, NOW)
    found = conditions(report, {"orders/main": "no drill since the one that was due by yesterday"})
    assert (found["orders/main"].word, found["orders/main"].bad) == ("proven, overdue", True)
    assert "due by yesterday" in found["orders/main"].detail
    assert (found["stock/main"].word, found["stock"].word) == ("unknown", "unknown")
    assert found[f"{PLATFORM}drills"].word == "running"


# ---- what did not happen ----------------------------------------------------------------------------------------------

TIER = Tier(rpo=DAY, rto=DAY, drill_every=7 * DAY)


def test_the_next_drill_is_due_by_cadence_or_the_night_after_a_failed_one() -> None:
    assert drill_due_by(History(), TIER) is None
    assert drill_due_by(History(last_passed=NOW, last_attempt=NOW), TIER) == NOW + 7 * DAY
    assert drill_due_by(History(last_passed=NOW - DAY, last_attempt=NOW), TIER) == NOW + DAY


def test_a_night_that_nobody_ran_is_overdue_after_its_grace_even_when_all_slept() -> None:
    catalog = a_loaded(a_service("orders")).catalog
    grace = timedelta(hours=6)
    drilled = a_drill("orders", "main", NOW)
    night = a_verification("orders", "main", NOW)
    past = {"orders/main": History(last_passed=drilled.decided_at, last_attempt=drilled.decided_at)}
    verified = {"orders/main": night.written_at}

    def late(after: timedelta) -> str:
        return overdue(catalog, past, verified, grace, NOW + after).get("orders/main", "")

    assert late(DAY + grace) == ""
    assert "no verification since" in late(DAY + grace + timedelta(seconds=1))
    assert "no drill since" not in late(7 * DAY + grace)
    assert "no drill since" in late(7 * DAY + grace + timedelta(seconds=1))


def test_a_waived_drill_is_not_overdue_and_a_verification_is_all_the_same() -> None:
    catalog = a_loaded(a_service("orders")).catalog
    past = {"orders/main": History(last_passed=NOW - 30 * DAY, last_attempt=NOW - 30 * DAY)}
    late = overdue(catalog, past, {"orders/main": NOW - 3 * DAY}, timedelta(hours=6), NOW, {"orders/main"})
    assert "no drill since" not in late["orders/main"] and "no verification since" in late["orders/main"]
    assert "no drill since" in overdue(catalog, past, {}, timedelta(hours=6), NOW, {"stock/main"})["orders/main"]


def test_a_waiver_stands_beside_the_state_and_changes_none() -> None:
    loaded = a_loaded(a_service("orders"), a_service("stock"))
    waiver = new_waiver(loaded.catalog, "orders", "ann", "moves to another cloud", NOW + DAY, NOW - DAY)
    for now, counts in ((NOW - 2 * DAY, False), (NOW, True), (NOW + DAY, False)):
        report = readiness(loaded, replace(proven(a_service("orders")), waived=waived_now([waiver], now)), None, NOW)
        states = {one.service: one.state for one in report.services}
        assert states == {"orders": "proven", "stock": "unknown"}
        reasons = {one.service: " ".join(one.reasons) for one in report.services}
        assert ("waived by ann until" in reasons["orders"]) is counts and "waived" not in reasons["stock"]
    ended = end_waiver(waivers_in([waiver]), waiver.record_id, "ann", "it stays", NOW)
    assert waived_now([waiver, ended], NOW - timedelta(hours=1)) != {} and waived_now([waiver, ended], NOW) == {}


def test_what_never_happened_is_unknown_and_not_overdue() -> None:
    catalog = a_loaded(a_service("orders")).catalog
    assert overdue(catalog, {}, {}, timedelta(0), NOW) == {}
    assert readiness(a_loaded(a_service("orders")), Evidence(), None, NOW).services[0].state == "unknown"
