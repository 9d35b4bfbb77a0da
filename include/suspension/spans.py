"""Wall-clock times as instants, and the spans of up time around a moment. Pure; right over DST changes and midnight.

A time that a clock shows twice begins at the first and ends at the second; one that it skips is the moment of the skip. So
nobody waits for a machine, and nothing is switched twice, in the night when the clocks change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Span:
    """Up from `start` until before `end`. A `lenient` one starts nothing: what runs may go on."""

    start: datetime
    end: datetime
    lenient: bool = False


@dataclass(frozen=True)
class State:
    """What holds at a moment, since when, and until when (None: farther than was looked)."""

    up: bool | None
    """True: up. False: down. None: as it is (nothing is started, nothing stopped)."""
    since: datetime | None
    until: datetime | None
    next_up: datetime | None
    """When the next up time begins."""


@lru_cache(maxsize=65_536)
def instant(day: date, minute: int, zone: ZoneInfo, *, end: bool) -> datetime:
    """The instant (UTC) of a wall-clock minute of a day; `minute` 1440 is the next midnight."""
    day = day + timedelta(days=minute // 1440)
    wall = datetime.combine(day, time((minute % 1440) // 60, minute % 60))
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return first
    if first < second:  # the clock shows it twice
        return second if end else first
    return _skip(second, first, zone)


def _skip(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between two instants at which a zone's clock is put forward."""
    offset = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def state_at(spans: tuple[Span, ...], now: datetime) -> State:
    """What a list of spans says of a moment. Overlapping and adjacent spans of up time are one."""
    firm = merged([span for span in spans if not span.lenient])
    next_up = min((span.start for span in firm if span.start > now), default=None)
    for span in firm:
        if span.start <= now < span.end:
            return State(True, span.start, span.end, next_up)
    for span in spans:
        if span.lenient and span.start <= now < span.end:
            return State(None, span.start, span.end, next_up)
    since = max((span.end for span in spans if span.end <= now), default=None)
    until = min((span.start for span in spans if span.start > now), default=None)
    return State(False, since, until, next_up)


def merged(spans: list[Span]) -> list[Span]:
    """Spans in order, those that touch joined."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined
