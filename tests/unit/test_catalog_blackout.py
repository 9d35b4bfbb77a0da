from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.catalog.blackout import active, holds, named
from include.catalog.model import Blackout, Person

START = datetime(2026, 11, 27, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
PEOPLE = [
    Person(name="ada", email="ada@harbour.example", teams=["orders"]),
    Person(name="grace", email="grace@harbour.example", teams=["core", "finance"]),
]


def window(**changes: object) -> Blackout:
    fields = {"name": "peak", "starts": START, "ends": END, "verbs": ["drill_restores"], "reason": "peak"}
    return Blackout.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("now", "held"),
    [
        (START - timedelta(microseconds=1), False),
        (START, True),
        (END - timedelta(microseconds=1), True),
        (END, False),
    ],
)
def test_a_window_holds_from_its_start_until_before_its_end(now, held):
    assert holds(window(), "drill_restores", "tier-1", now) is held


def test_only_its_verbs_and_tiers():
    assert not holds(window(), "verify_backups", "tier-1", START)
    assert holds(window(tiers=["tier-2"]), "drill_restores", "tier-2", START)
    assert not holds(window(tiers=["tier-2"]), "drill_restores", "tier-1", START)


@given(
    st.datetimes(datetime(2026, 11, 26), datetime(2026, 12, 2)),
    st.integers(-14 * 4, 14 * 4),
)
def test_the_offset_a_time_is_written_in_changes_nothing(naive, quarters):
    now = naive.replace(tzinfo=UTC)
    elsewhere = now.astimezone(timezone(timedelta(minutes=15 * quarters)))
    assert holds(window(), "drill_restores", "tier-1", elsewhere) == holds(window(), "drill_restores", "tier-1", now)


def test_the_hour_that_comes_twice_in_autumn_is_two_instants():
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    night = window(starts=datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ends=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    assert holds(night, "drill_restores", "tier-1", first.astimezone(UTC))
    assert not holds(night, "drill_restores", "tier-1", second.astimezone(UTC))


def test_the_window_that_ends_last_comes_first():
    found = active([window(name="one"), window(name="two", ends=END + timedelta(days=1))], "drill_restores", "tier-1", START)
    assert [entry.name for entry in found] == ["two", "one"]


@pytest.mark.parametrize(
    ("who", "names", "expected"),
    [
        ("ada", ["ada"], True),
        ("ada@harbour.example", ["ada"], True),
        ("grace", ["finance"], True),
        ("grace", ["ada", "orders"], False),
        ("stranger", ["stranger"], False),
        ("core", ["core"], False),
        ("ada", [], False),
    ],
)
def test_who_is_named(who, names, expected):
    assert named(who, names, PEOPLE) is expected
