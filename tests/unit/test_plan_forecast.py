from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.catalog.model import Rate
from include.recovery.forecast import forecast, price

RATE = Rate(compute_per_hour=Decimal("0.12"), storage_per_gb_month=Decimal("0.05"), transfer_per_gb=Decimal("0.01"))


def of(**changes: object):
    fields = {
        "size_bytes": 30 * 10**9,
        "size_hint_gb": Decimal(1),
        "restore_seconds": (),
        "rate": RATE,
        "cap": Decimal(5),
        "currency": "EUR",
    }
    return forecast(**(fields | changes))


def test_measured_drills_give_the_duration():
    found = of(restore_seconds=(90.0, 100.0, 500.0))
    assert found.duration == timedelta(seconds=100)
    assert found.basis == "median of 3 measured drills; 30.00 GB (measured) at the rates of rates.yaml"


def test_only_the_newest_drills_count():
    assert of(restore_seconds=(10, 10, 10, 10, 10, 9000, 9000, 9000, 9000, 9000, 9000)).duration == timedelta(seconds=10)


def test_the_size_gives_the_duration_until_a_drill_is_measured():
    found = of()
    assert found.duration == timedelta(seconds=60 + 600)
    assert found.basis.startswith("no drill measured yet: 60 s and 50 MB/s assumed; 30.00 GB (measured)")


def test_the_hint_stands_in_for_a_size():
    found = of(size_bytes=None, size_hint_gb=Decimal("2.5"))
    assert found.duration == timedelta(seconds=110) and "2.50 GB (size_hint_gb)" in found.basis


def test_the_price_by_hand():
    # one hour: 0.12; 73 GB for 1/730 of a month at 0.05: 0.005; 73 GB brought in at 0.01: 0.73
    assert price(RATE, Decimal(73), timedelta(hours=1)) == Decimal("0.8550")


def test_keeping_is_paid_for():
    kept = of(restore_seconds=(3600.0,), keep=timedelta(hours=9))
    assert kept.duration == timedelta(hours=1), "the drill itself takes no longer"
    assert kept.cost == price(RATE, Decimal(30), timedelta(hours=10))


@given(
    st.decimals(0, 100, places=4),
    st.decimals(0, 100, places=4),
    st.decimals(0, 100, places=4),
    st.decimals(0, 10_000, places=3),
    st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_prices_are_exact_never_under_and_in_hundredths_of_cents(compute, storage, transfer, gb, held):
    rate = Rate(compute_per_hour=compute, storage_per_gb_month=storage, transfer_per_gb=transfer)
    found = price(rate, gb, held)
    hours = Decimal(held // timedelta(microseconds=1)) / Decimal(3_600_000_000)
    exact = compute * hours + storage * gb * hours / 730 + transfer * gb
    assert found.as_tuple().exponent == -4
    assert Decimal(0) <= found - exact < Decimal("0.0001")


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=9), st.integers(0, 10**13))
def test_a_forecast_lies_within_what_was_measured(seconds, size):
    found = of(restore_seconds=seconds, size_bytes=size)
    assert min(seconds[:5]) - 1 <= found.duration.total_seconds() <= max(seconds[:5]) + 1


@pytest.mark.parametrize("size", [0, 1, 10**13])
def test_any_size_has_a_forecast(size):
    assert of(size_bytes=size).cost >= 0
