"""What a restore drill should take, in time and money, before it runs. The bill settles it later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from statistics import median

from include.catalog.model import Rate
from include.recovery.model import Forecast

BYTES_PER_GB = 10**9
HOURS_PER_MONTH = 730
"""A year's 8,760 hours by twelve: what cloud providers' price lists count as a month."""
ASSUMED_BYTES_PER_SECOND = 50_000_000
"""Restore speed until a first drill is measured: cautious for a copy between disks or from an object store in the region."""
ASSUMED_FIXED_SECONDS = 60.0
"""Start, securing and validation, until a first drill is measured."""
RECENT = 5
"""How many measured drills the median is taken of."""
CENT_OF_A_CENT = Decimal("0.0001")
"""Prices of small drills would all be one cent otherwise. Rounded up: a forecast under the cap is under the cap."""


def forecast(
    *,
    size_bytes: int | None,
    size_hint_gb: Decimal,
    restore_seconds: Sequence[float],
    rate: Rate,
    cap: Decimal,
    currency: str,
    keep: timedelta = timedelta(0),
) -> Forecast:
    """Duration and cost of one restore drill.

    Duration: the median of the newest `RECENT` of `restore_seconds` (newest first); without any,
    ``ASSUMED_FIXED_SECONDS + bytes / ASSUMED_BYTES_PER_SECOND``, with `size_hint_gb` when no size was measured.

    Cost, in the platform's currency, with ``hours = (duration + keep) / 3600 s`` and ``gb = bytes / 10^9``::

        compute_per_hour * hours + storage_per_gb_month * gb * hours / 730 + transfer_per_gb * gb

    rounded up to 0.0001. `basis` says which of these were measured.
    """
    size = Decimal(size_bytes) if size_bytes is not None else size_hint_gb * BYTES_PER_GB
    gb = size / BYTES_PER_GB
    recent = list(restore_seconds[:RECENT])
    if recent:
        seconds = median(recent)
        basis = f"median of {len(recent)} measured drill{'s' if len(recent) > 1 else ''}"
    else:
        seconds = ASSUMED_FIXED_SECONDS + float(size / ASSUMED_BYTES_PER_SECOND)
        speed = ASSUMED_BYTES_PER_SECOND // 1_000_000
        basis = f"no drill measured yet: {ASSUMED_FIXED_SECONDS:g} s and {speed} MB/s assumed"
    origin = "measured" if size_bytes is not None else "size_hint_gb"
    duration = timedelta(seconds=round(seconds))
    return Forecast(
        duration=duration,
        cost=price(rate, gb, duration + keep),
        cap=cap,
        currency=currency,
        basis=f"{basis}; {gb.quantize(Decimal('0.01'))} GB ({origin}) at the rates of rates.yaml",
    )


def price(rate: Rate, gb: Decimal, held: timedelta) -> Decimal:
    """The formula of `forecast`: `gb` brought in once and held for a time."""
    hours = Decimal(held // timedelta(microseconds=1)) / Decimal(3_600_000_000)
    cost = rate.compute_per_hour * hours + rate.storage_per_gb_month * gb * hours / HOURS_PER_MONTH + rate.transfer_per_gb * gb
    return cost.quantize(CENT_OF_A_CENT, rounding=ROUND_CEILING)
