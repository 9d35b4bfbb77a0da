"""What a schedule of the catalog says of a moment: a function of now, so that a missed run catches up. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from include.catalog.dayfields import month_rule, monthday_rule, weekday_rule
from include.catalog.schedules import Holidays, Period, Schedule
from include.suspension.spans import Span, State, instant, state_at

_BACK, _AHEAD = 9, 40
"""Days around now that are looked at: the longest span is a week of whole days joined, the farthest next start a month."""
WHOLE_DAY = 1440


def schedule_state(schedule: Schedule, now: datetime) -> State:
    """What holds now by a schedule of the catalog or of Instance Scheduler."""
    if schedule.override_status is not None:
        return State(schedule.override_status == "running", None, None, None)
    zone = ZoneInfo(schedule.timezone)
    today = now.astimezone(zone).date()
    spans: list[Span] = []
    for offset in range(-_BACK, _AHEAD):
        day = today + timedelta(days=offset)
        if not is_holiday(schedule.holidays, day):
            spans += [span for period in schedule.periods if matches(period, day) for span in spans_of(period, day, zone)]
    return state_at(tuple(spans), now)


def matches(period: Period, day: date) -> bool:
    """Whether a period begins on a day."""
    return (
        (period.weekdays is None or weekday_rule(period.weekdays)(day))
        and (period.monthdays is None or monthday_rule(period.monthdays)(day))
        and (period.months is None or month_rule(period.months)(day))
    )


def spans_of(period: Period, day: date, zone: ZoneInfo) -> list[Span]:
    """The span that a period begins on a day. With only one of its times, the rest of the day is lenient.

    Source: Instance Scheduler, "Period reference": with a start time only the instance must be stopped by hand, at the latest
    at the end of the day; with a stop time only it must be started by hand.
    """
    begin, end = _minute(period.begintime), _minute(period.endtime)
    if end is not None and end % 60 == 59:
        end += 1
    lenient = begin is None and end is not None
    begin = begin or 0
    if end is None:
        end = WHOLE_DAY
    elif end <= begin:
        end += WHOLE_DAY
    start, stop = instant(day, begin, zone, end=False), instant(day, end, zone, end=True)
    return [Span(start, stop, lenient)] if start < stop else []


def _minute(clock: str | None) -> int | None:
    return None if clock is None else int(clock[:2]) * 60 + int(clock[3:])


def is_holiday(holidays: Holidays | None, day: date) -> bool:
    """Whether a day begins no period."""
    if holidays is None or day in holidays.working:
        return False
    return day in holidays.extra or day in _public(holidays.country, holidays.subdivision, day.year)


@lru_cache(maxsize=256)
def _public(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))
