"""The lease's mark as Cloud SQL labels: values take lower case, digits, ``-`` and ``_`` only, 63 characters each.

Every other character becomes ``_`` and two or more hex digits and ``_``, so that the lease's id can be read back exactly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

KEY = "drillyard-lease"
_LIMIT = 63


def labels(lease_id: str) -> dict[str, str]:
    """The labels of a lease: one, or numbered ones when it is long."""
    text = re.sub(r"[^a-z0-9-]", lambda found: f"_{ord(found[0]):x}_", lease_id)
    parts = [text[start : start + _LIMIT] for start in range(0, len(text), _LIMIT)]
    return {KEY if number == 0 else f"{KEY}-{number + 1}": part for number, part in enumerate(parts)}


def lease_of(found: Mapping[str, str]) -> str | None:
    """The lease's id that labels carry, or None."""
    if KEY not in found:
        return None
    text, number = found[KEY], 2
    while f"{KEY}-{number}" in found:
        text, number = text + found[f"{KEY}-{number}"], number + 1
    return re.sub(r"_([0-9a-f]+)_", lambda code: chr(int(code[1], 16)), text)
