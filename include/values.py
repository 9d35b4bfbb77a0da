"""The few value types that every room shares: frozen models, durations, instants, digests."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+[smhdw])*(?:\d+\.\d{1,6}s)?")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class Frozen(BaseModel):
    """A model that cannot be changed and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_duration(value: Any) -> timedelta:
    """Read a duration such as ``90s``, ``15m``, ``1h30m``, ``7d``.

    Numbers without a unit are refused: 15 minutes and 15 seconds must not look alike.
    Raises ValueError, with an example of what is accepted.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if not text or not _DURATION.fullmatch(text):
        raise ValueError(f"{value!r} is not a duration; write a number and s, m, h, d or w, for example 15m or 1h30m")
    micros = sum(round(Decimal(n) * _UNITS[u] * 1_000_000) for n, u in _PART.findall(text))
    return timedelta(microseconds=micros)


def format_duration(value: timedelta) -> str:
    """The text that `parse_duration` reads back exactly: ``1h30m``, ``3.421s``. Raises ValueError for a negative one."""
    if value < timedelta(0):
        raise ValueError(f"a duration cannot be negative: {value}")
    rest, micros = value.days * 86400 + value.seconds, value.microseconds
    parts = []
    for unit in ("w", "d", "h", "m"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    if micros:
        parts.append(f"{rest}.{micros:06d}".rstrip("0") + "s")
    elif rest or not parts:
        parts.append(f"{rest}s")
    return "".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]
"""A timedelta written as ``15m`` in YAML and JSON."""

Instant = AwareDatetime
"""A datetime that carries its offset. A naive one is refused: nobody can tell its hour."""


def utcnow() -> datetime:
    """The current instant in UTC. Decisions take ``now`` as an argument; only edges call this."""
    return datetime.now(UTC)


def canonical_json(value: Any) -> bytes:
    """One byte form for one value: sorted keys, no spaces, UTF-8. Digests and signatures are taken of this."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """SHA-256 in hex of the canonical JSON of a value, or of the bytes when bytes are given."""
    data = value if isinstance(value, bytes) else canonical_json(value)
    return hashlib.sha256(data).hexdigest()
