"""Fields that choose days, as AWS Instance Scheduler writes them: weekdays, days of the month, months. Pure.

Source: Instance Scheduler on AWS, implementation guide, "Period reference".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

DayRule = Callable[[date], bool]


def _number(text: str, names: Sequence[str], low: int) -> int:
    """A name (three letters or more) or a number, as a number from `low`."""
    if text[:3] in names and calendar_name(text, names):
        return names.index(text[:3]) + low
    if text.isdigit() and low <= int(text) < low + len(names):
        return int(text)
    raise ValueError(f"{text!r} is none of {', '.join(names)} or {low}-{low + len(names) - 1}")


def calendar_name(text: str, names: Sequence[str]) -> bool:
    """Whether it is one of the names, short or in full."""
    full = calendar.day_name if len(names) == 7 else list(calendar.month_name)[1:]
    return text in names or text in {name.lower() for name in full}


def _span(text: str, names: Sequence[str], low: int) -> set[int]:
    """``*``, one value, ``a-b`` (around the end too), each with ``/step``."""
    body, _, step = text.partition("/")
    size = len(names)
    if step and not (step.isdigit() and int(step)):
        raise ValueError(f"{text!r}: the step after / is a number from 1")
    if body in ("*", "?", ""):
        first, last = low, low + size - 1
    else:
        begin, dash, end = body.partition("-")
        first = _number(begin, names, low)
        last = _number(end, names, low) if dash else (low + size - 1 if step else first)
    length = (last - first) % size + 1
    return {(first - low + offset) % size + low for offset in range(0, length, int(step or 1))}


@lru_cache(maxsize=512)
def weekday_rule(text: str) -> DayRule:
    """``mon-fri``, ``mon,wed``, ``0-4`` (0 is Monday), ``mon#1`` (a month's first), ``friL`` (its last). Raises ValueError."""
    rules: list[DayRule] = []
    for part in (one.strip().lower() for one in text.split(",")):
        if nth := re.fullmatch(r"(\w+)#([1-5])", part):
            rules.append(_nth(_number(nth[1], DAYS, 0), int(nth[2])))
        elif part.endswith("l") and len(part) > 1 and part not in DAYS:
            rules.append(_last(_number(part[:-1].strip(), DAYS, 0)))
        else:
            chosen = frozenset(_span(part, DAYS, 0))
            rules.append(lambda day, chosen=chosen: day.weekday() in chosen)  # type: ignore[misc]
    return lambda day: any(rule(day) for rule in rules)


def _nth(weekday: int, number: int) -> DayRule:
    return lambda day: day.weekday() == weekday and (day.day - 1) // 7 + 1 == number


def _last(weekday: int) -> DayRule:
    return lambda day: day.weekday() == weekday and day.day + 7 > _length(day)


@lru_cache(maxsize=512)
def monthday_rule(text: str) -> DayRule:
    """``1``, ``1-7``, ``1/7`` (every seventh), ``L`` (the last), ``15W`` (the weekday nearest the 15th). Raises ValueError."""
    days = [str(number) for number in range(1, 32)]
    rules: list[DayRule] = []
    for part in (one.strip().lower() for one in text.split(",")):
        if part == "l":
            rules.append(lambda day: day.day == _length(day))
        elif nearest := re.fullmatch(r"(\d{1,2})w", part):
            rules.append(_nearest(_number(nearest[1], days, 1)))
        else:
            chosen = frozenset(_span(part, days, 1))
            rules.append(lambda day, chosen=chosen: day.day in chosen)  # type: ignore[misc]
    return lambda day: any(rule(day) for rule in rules)


def _nearest(number: int) -> DayRule:
    def holds(day: date) -> bool:
        """The nearest weekday within the same month, as in cron."""
        length = _length(day)
        aim = min(number, length)
        weekday = date(day.year, day.month, aim).weekday()
        if weekday == 5:
            aim += -1 if aim > 1 else 2
        elif weekday == 6:
            aim += 1 if aim < length else -2
        return day.day == aim

    return holds


@lru_cache(maxsize=512)
def month_rule(text: str) -> DayRule:
    """``jan-mar``, ``1,7``, ``1/3`` (every third), ``*``. Raises ValueError."""
    chosen = frozenset(number for part in text.split(",") for number in _span(part.strip().lower(), MONTHS, 1))
    return lambda day: day.month in chosen


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
