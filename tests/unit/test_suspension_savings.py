"""What sleep saved, from rows of a bill: every amount exact, every hour once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from include.catalog.model import Rates
from include.ledger.sleeps import Sleep
from include.suspension.cli import app
from include.suspension.model import FormerState
from include.suspension.savings import HOUR, Charge, cents, foreseen, months, saved, touched
from tests.unit.suspension_samples import NIGHT, NOON, decision, environment, machine

RATES = Rates.model_validate({"rates": {"aws": {"sizes": {"m5.large": "0.12"}}}, "source": "a list"})
RESOURCE = machine(billed_as="i-1")


def sleep(begin: float, hours: float | None, generation: int = 1) -> Sleep:
    """From hours after noon, for hours; planned for twelve."""
    start = NOON + timedelta(hours=begin)
    former = FormerState(
        key=RESOURCE.key,
        generation=generation,
        environment="staging",
        taken_at=start,
        resource=RESOURCE,
        expected_until=start + timedelta(hours=12),
    )
    return Sleep(former, None if hours is None else start + timedelta(hours=hours), None)


def rows(cost: dict[int, str], storage: str = "0") -> list[Charge]:
    """Rows by hours after noon."""
    found = [Charge("i-1", NOON + HOUR * hour, NOON + HOUR * (hour + 1), Decimal(amount)) for hour, amount in cost.items()]
    if Decimal(storage):
        found += [Charge("i-1", one.start, one.end, Decimal(storage), True) for one in list(found)]
    return found


def settle(sleeps: list[Sleep], bill: list[Charge], now: float = 48) -> object:
    (found,) = saved(sleeps, bill, {"staging": environment()}, RATES, "2026-11", NOON + timedelta(hours=now), "EUR")
    return found


def test_hours_that_cost_nothing_are_saved_at_what_hours_cost_before() -> None:
    found = settle([sleep(2, 3)], rows({0: "0.10", 1: "0.20", 5: "0.15"}))
    assert (found.hours, found.settled, found.counterfactual) == (3, Decimal("0.45"), Decimal("0.45"))  # type: ignore[attr-defined]
    assert found.forecast == Decimal("1.44")  # type: ignore[attr-defined]


def test_storage_that_stays_and_a_failed_wake_up_are_paid_out_of_it() -> None:
    found = settle([sleep(2, 3)], rows({0: "0.10", 1: "0.10", 2: "0", 3: "0.07", 4: "0"}, storage="0.01"))
    assert (found.stays, found.other, found.settled) == (Decimal("0.03"), Decimal("0.07"), Decimal("0.23"))  # type: ignore[attr-defined]


def test_a_resource_without_rows_or_price_is_not_guessed() -> None:
    found = settle([sleep(2, 3)], [])
    assert found.settled is None and found.unknown == (RESOURCE.key,)  # type: ignore[attr-defined]


def test_a_second_sleep_does_not_take_the_first_for_its_hours_before() -> None:
    bill = rows({0: "0.10", 1: "0.10"} | dict.fromkeys(range(2, 8), "0"))
    found = settle([sleep(2, 2), sleep(4, 2, generation=2)], bill)
    assert found.settled == Decimal("0.40")  # type: ignore[attr-defined]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 9)), min_size=1, max_size=6))
def test_no_hour_is_touched_twice(gaps: list[tuple[float, float]]) -> None:
    sleeps, moment = [], 0.0
    for number, (gap, hours) in enumerate(gaps):
        sleeps.append(sleep(moment + gap, hours, number + 1))
        moment += gap + hours
    spans = touched(sleeps, NIGHT + timedelta(days=9))
    assert all(begin <= end for begin, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_months_and_cents() -> None:
    assert months([sleep(24 * 5, 24 * 3)], NOON) == ["2026-11", "2026-12"]
    halves = [cents(Fraction(one)) for one in ("1/200", "-1/200", "1/3", "0")]
    assert halves == [Decimal("0.01"), Decimal("-0.01"), Decimal("0.33"), Decimal("0.00")]


def test_a_plans_stops_are_forecast_until_each_is_woken_and_what_has_no_price_is_named() -> None:
    priced, other = machine(count=2), machine(id="i-2", name="odd", instance_type="x9.huge")
    stop = decision(priced)
    assert (stop.action, stop.until) == ("stop", NIGHT + timedelta(hours=9))
    endless = stop.model_copy(update={"name": "endless", "until": None})
    found = foreseen([(priced, stop), (other, decision(other)), (priced, endless)], NIGHT, RATES)
    assert found == (Decimal("2.16"), ("endless", "odd"))
    assert foreseen([(priced, stop)], NIGHT, None) == (Decimal("0.00"), ("build-1",))


@pytest.mark.parametrize("month", ["11", "2026-13", "2026-11-01", "../2026-11"])
def test_what_is_no_month_is_said_before_anything_is_read(month: str) -> None:
    done = CliRunner().invoke(app, ["savings", "--month", month])
    assert done.exit_code == 1
    assert "is no month; write YYYY-MM" in done.output
