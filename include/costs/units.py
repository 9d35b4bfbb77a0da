"""Units of quantity: which are data, and how many GB one of them is.

GB is 10^9 bytes. A unit that the provider itself calls GB counts as one GB, as on its invoice; a gibibyte is 1.073741824.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_SIZES = {
    "b": Decimal(1),
    "k": Decimal(10) ** 3,
    "m": Decimal(10) ** 6,
    "g": Decimal(10) ** 9,
    "t": Decimal(10) ** 12,
    "p": Decimal(10) ** 15,
    "ki": Decimal(2) ** 10,
    "mi": Decimal(2) ** 20,
    "gi": Decimal(2) ** 30,
    "ti": Decimal(2) ** 40,
    "pi": Decimal(2) ** 50,
}
_WORDS = {"kilo": "k", "mega": "m", "giga": "g", "tera": "t", "peta": "p", "kibi": "ki", "mebi": "mi", "gibi": "gi", "tebi": "ti"}
_UNIT = re.compile(
    r"^\s*(?P<count>[0-9.]+)?\s*(?:(?P<word>kilo|mega|giga|tera|peta|kibi|mebi|gibi|tebi)?bytes?|(?P<short>[kmgtp]i?)(?:b|by)|by?)\s*$",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def gb_factor(unit: str) -> Decimal | None:
    """GB in one unit: ``GB`` 1, ``100 GB`` 100, ``gibibyte`` 1.073741824, ``byte`` 0.000000001; None when it is no data.

    Azure writes a block before the unit (``10 GB``): its quantity counts blocks. No unit at all counts as GB, because
    bills that leave it out (older CUR without pricing columns) measure transfer in GB.
    """
    if not unit.strip():
        return Decimal(1)
    hit = _UNIT.match(unit)
    if hit is None:
        return None
    count = Decimal(hit["count"] or 1)
    size = _WORDS[hit["word"].lower()] if hit["word"] else (hit["short"] or "b").lower()
    return (count * _SIZES[size] / 10**9).normalize()


def is_data_unit(unit: str) -> bool:
    """True for GB, GiB, bytes and the like, and for no unit; False for hours, requests, GB-months."""
    return gb_factor(unit) is not None
