"""Cloud Custodian's off-hours tags (`maid_offhours`, `custodian_downtime`), read as a state and not as an hour to hit. Pure.

Source: Cloud Custodian's documentation of its `offhour` and `onhour` filters. It acts within the exact hour only; here the
newest switch before now holds, so a run that is missed is made up for, and within each of its hours the answer is its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from include.catalog.schedules import Custodian, Holidays
from include.suspension.schedule import is_holiday
from include.suspension.spans import Span, State, instant, state_at

DAYS = "mtwhfsu"
ZONES = {
    **dict.fromkeys(("pdt", "pt", "pst"), "America/Los_Angeles"),
    **dict.fromkeys(("ast", "at"), "America/Phoenix"),
    **dict.fromkeys(("est", "edt", "et"), "America/New_York"),
    **dict.fromkeys(("cst", "cdt", "ct"), "America/Chicago"),
    **dict.fromkeys(("mst", "mdt", "mt"), "America/Denver"),
    **dict.fromkeys(("gmt", "gt"), "Etc/GMT"),
    "bst": "Europe/London",
    "ist": "Europe/Dublin",
    "cet": "Europe/Berlin",
    "it": "Asia/Kolkata",
    "jst": "Asia/Tokyo",
    "kst": "Asia/Seoul",
    "sgt": "Asia/Singapore",
    "aet": "Australia/Sydney",
    "brt": "America/Sao_Paulo",
    "utc": "Etc/UTC",
}
"""Its short names, each a place with its own daylight saving."""
OPTED_OUT = "off"
Switches = tuple[tuple[frozenset[int], int], ...]
"""Days of the week (0 is Monday) and the hour."""


class UnreadableTag(ValueError):
    """A tag that says nothing we can read: its resource is left alone, and its owner is told."""


@dataclass(frozen=True)
class TagSchedule:
    """When a tag switches off and on."""

    zone: ZoneInfo
    off: Switches
    on: Switches


def tag_of(options: Custodian, tags: dict[str, str]) -> str | None:
    """The value of the first of its tags that is there, in lower case and without quotes; None: no tag."""
    lower = {key.lower(): value for key, value in tags.items()}
    for key in options.tags:
        if key.lower() in lower:
            return lower[key.lower()].lower().strip("'").strip('"')
    return "" if options.opt_out else None


def opted_out(value: str) -> bool:
    """The tag's value ``off``: this resource is left alone."""
    return value == OPTED_OUT


@lru_cache(maxsize=4096)
def _parsed(value: str, zone: str, off: Switches, on: Switches) -> TagSchedule:
    value = ";".join(part for part in value.split(";") if part)
    pairs = [piece.split("=") for part in value.split(" ") for piece in part.split(";")]
    given = dict(pair for pair in pairs if len(pair) == 2)
    if unknown := sorted(set(given) - {"on", "off", "tz"}):
        raise UnreadableTag(f"{value!r}: {unknown[0]!r} is none of on, off, tz")
    if {"on", "off"} & set(given) and any(len(part.split("=")) != 2 for part in value.split(";")):
        raise UnreadableTag(f"{value!r}: parts are parted by a semicolon, each name=value")
    return TagSchedule(
        zone=_zone(given.get("tz") or zone, value),
        off=_switches(given["off"], value) if "off" in given else off,
        on=_switches(given["on"], value) if "on" in given else on,
    )


def read_tag(options: Custodian, value: str) -> TagSchedule:
    """What a tag's value says, with the options for what it leaves out. Raises UnreadableTag.

    Empty, ``on`` and words that are no name=value mean the options' hours, as in Cloud Custodian.
    """
    days = frozenset(range(5)) if options.weekends else frozenset(range(7))
    off_days, on_days = (frozenset({4}), frozenset({0})) if options.weekends_only else (days, days)
    return _parsed(value, options.default_tz, ((off_days, options.offhour),), ((on_days, options.onhour),))


def _zone(name: str, value: str) -> ZoneInfo:
    try:
        return ZoneInfo(ZONES.get(name) or _spelled(name))
    except (LookupError, ValueError, OSError):
        raise UnreadableTag(f"{value!r}: {name!r} is no time zone") from None


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    from zoneinfo import available_timezones

    return {name.lower(): name for name in available_timezones()}


def _spelled(name: str) -> str:
    """A zone's name as the database spells it: the tag was put into lower case."""
    return _zones().get(name.lower(), name)


def _switches(text: str, value: str) -> Switches:
    found = []
    for part in text.replace("[", "").replace("]", "").split(",("):
        days, comma, hour = part.replace("(", "").replace(")", "").partition(",")
        if not comma or not re.fullmatch(r"\d+", hour) or int(hour) > 23:
            raise UnreadableTag(f"{value!r}: {part!r} is no (days,hour) such as (M-F,19)")
        found.append((_days(days, value), int(hour)))
    return tuple(found)


def _days(text: str, value: str) -> frozenset[int]:
    """One letter, or a range of two that may go around the weekend."""
    ends = [DAYS.index(letter) for letter in text.split("-") if len(letter) == 1 and letter in DAYS]
    if len(ends) != text.count("-") + 1 or len(ends) > 2:
        raise UnreadableTag(f"{value!r}: {text!r} are no days such as M-F; letters: M T W H F S U")
    first, last = ends[0], ends[-1]
    return frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))


_BACK, _AHEAD = 24, 16
"""Days around now: a week for the newest switch, more for skipped days (a company's year-end break) in between."""


def tag_state(
    schedule: TagSchedule, now: datetime, skip: frozenset[date] = frozenset(), holidays: Holidays | None = None
) -> State:
    """What holds now: the newest switch. On skipped days nothing is switched. Before any switch: as it is."""
    today = now.astimezone(schedule.zone).date()
    switches: list[tuple[datetime, bool]] = []
    for offset in range(-_BACK, _AHEAD):
        day = today + timedelta(days=offset)
        if day in skip or is_holiday(holidays, day):
            continue
        for up, wanted in ((False, schedule.off), (True, schedule.on)):
            moments = [instant(day, hour * 60, schedule.zone, end=not up) for days, hour in wanted if day.weekday() in days]
            switches += [(moment, up) for moment in moments]
    switches.sort()  # at one moment off comes before on: up wins
    if not any(moment <= now for moment, _ in switches):
        return State(None, None, switches[0][0] if switches else None, next((m for m, up in switches if up), None))
    return state_at(_spans(switches), now)


def _spans(switches: list[tuple[datetime, bool]]) -> tuple[Span, ...]:
    spans, start = [], None
    for moment, up in switches:
        if up and start is None:
            start = moment
        elif not up and start is not None:
            spans.append(Span(start, moment))
            start = None
    if start is not None:
        spans.append(Span(start, switches[-1][0] + timedelta(days=_AHEAD)))
    return tuple(spans)
