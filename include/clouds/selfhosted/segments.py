"""The names of WAL segments, as PostgreSQL gives them (src/include/access/xlog_internal.h)."""

from __future__ import annotations

import re

SEGMENT = re.compile(r"^[0-9A-F]{24}$")


def name_of(timeline: int, number: int, size: int) -> str:
    """The file name of a segment. `size`: bytes of a segment."""
    per_log = (1 << 32) // size
    return f"{timeline:08X}{number // per_log:08X}{number % per_log:08X}"


def following(name: str, count: int, size: int) -> list[str]:
    """The names of the next `count` segments on the same timeline."""
    timeline, log, place = (int(name[at : at + 8], 16) for at in (0, 8, 16))
    number = log * ((1 << 32) // size) + place
    return [name_of(timeline, number + ahead, size) for ahead in range(1, count + 1)]
