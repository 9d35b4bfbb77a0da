"""Which recovery point serves a target."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.recovery.model import RecoveryPoint, Target
from include.recovery.targets import NoPoint, choose_point

START = datetime(2026, 11, 20, tzinfo=UTC)


def point(hours: int, reach: int = 24) -> RecoveryPoint:
    taken = START + timedelta(hours=hours)
    return RecoveryPoint(
        id=f"p{hours}",
        kind="base_backup",
        taken_at=taken,
        restorable_until=taken + timedelta(hours=reach),
        region="dc-north",
        failure_domain="dc-north",
        location="/x",
    )


def test_the_newest_point_serves_the_latest_state_whatever_the_order() -> None:
    assert choose_point([point(1), point(5), point(3)], Target()).id == "p5"


def test_a_point_is_found_by_its_id_and_a_wrong_id_names_those_that_are_there() -> None:
    assert choose_point([point(1), point(5)], Target(point_id="p1")).id == "p1"
    with pytest.raises(NoPoint, match=r"no recovery point 'p9'; the newest are: p5, p1"):
        choose_point([point(1), point(5)], Target(point_id="p9"))


def test_no_point_at_all_says_where_to_look() -> None:
    with pytest.raises(NoPoint, match="look at the backup job"):
        choose_point([], Target())


@given(st.lists(st.integers(0, 200), min_size=1, max_size=20, unique=True), st.integers(0, 300))
def test_a_time_is_served_by_the_newest_point_before_it_that_reaches_it(hours: list[int], wanted: int) -> None:
    points, time = [point(h) for h in hours], START + timedelta(hours=wanted)
    able = [h for h in hours if h <= wanted <= h + 24]
    if able:
        assert choose_point(points, Target(time=time)).id == f"p{max(able)}"
    else:
        with pytest.raises(NoPoint, match="restorable from"):
            choose_point(points, Target(time=time))
