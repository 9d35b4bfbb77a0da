"""Schedules: every zone, DST change and holiday, and the examples of the tools whose tags are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import holidays as library
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from include.catalog.dayfields import monthday_rule, weekday_rule
from include.catalog.model import Environment
from include.catalog.schedules import Custodian, Period, Schedule
from include.settings import PROJECT
from include.suspension.custodian import UnreadableTag, opted_out, read_tag, tag_of, tag_state
from include.suspension.schedule import schedule_state
from include.suspension.spans import instant

ZONES = sorted(name for name in available_timezones() if not name.startswith(("right/", "posix/")) and name != "localtime")
OFFICE = Period(weekdays="mon-fri", begintime="07:00", endtime="19:00")


def up(schedule: Schedule, text: str) -> bool | None:
    """What holds at a local time of the schedule's zone."""
    return schedule_state(schedule, local(text, schedule.timezone)).up


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


# ---- properties ---------------------------------------------------------------------------------------------------------


@settings(max_examples=250, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2024, 1, 1), date(2032, 12, 31)),
    minute=st.integers(0, 1439),
    end=st.booleans(),
)
def test_an_instant_shows_its_wall_time_or_is_the_skip(zone: str, day: date, minute: int, end: bool) -> None:
    place = ZoneInfo(zone)
    found = instant(day, minute, place, end=end)
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60)
    shown = found.astimezone(place).replace(tzinfo=None)
    if shown != wall:  # the clock skips that minute: the first moment after the skip, and one second earlier it was before
        assert shown > wall > (found - timedelta(seconds=1)).astimezone(place).replace(tzinfo=None)
    twin = local(wall.isoformat(), zone, fold=1)
    assert found == (max(found, twin) if end else min(found, twin)) or shown != wall


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 1)),
    begin=st.integers(0, 1439),
    length=st.integers(60, 1380),
)
def test_a_daily_period_switches_on_and_off_once_a_day_whatever_the_clock_does(
    zone: str, start: datetime, begin: int, length: int
) -> None:
    end = (begin + length) % 1440
    period = Period(begintime=f"{begin // 60:02}:{begin % 60:02}", endtime=f"{end // 60:02}:{end % 60:02}")
    schedule = Schedule(timezone=zone, periods=[period])
    now, stop, switches = start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(days=4), 0
    while now < stop:
        state = schedule_state(schedule, now)
        assert state.up is not None and state.until is not None and state.until > now
        before, after = schedule_state(schedule, state.until - timedelta(seconds=1)), schedule_state(schedule, state.until)
        assert before.up == state.up and after.up != state.up  # it holds until then, and not a second longer
        now, switches = state.until, switches + 1
    assert 7 <= switches <= 10


@settings(max_examples=80, deadline=None)
@given(zone=st.sampled_from(ZONES), now=st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 1)))
def test_office_hours_are_office_hours_in_every_zone(zone: str, now: datetime) -> None:
    moment = now.replace(tzinfo=UTC)
    wall = moment.astimezone(ZoneInfo(zone))
    state = schedule_state(Schedule(timezone=zone, periods=[OFFICE]), moment)
    if wall.utcoffset() == (moment - timedelta(hours=26)).astimezone(ZoneInfo(zone)).utcoffset():  # no change of clocks near
        assert state.up == (wall.weekday() < 5 and 7 <= wall.hour < 19)
    assert state.next_up is not None and moment < state.next_up <= moment + timedelta(days=4)


@settings(max_examples=60, deadline=None)
@given(country=st.sampled_from(sorted(library.list_supported_countries(include_aliases=False))), year=st.integers(2025, 2030))
def test_no_period_begins_on_a_public_holiday(country: str, year: int) -> None:
    schedule = Schedule(timezone="Europe/Berlin", periods=[OFFICE], holidays={"country": country})
    free = library.country_holidays(country, years=year)
    for day in list(free)[:6]:
        assert up(schedule, f"{day}T12:00") is False
    working = next(
        day for day in (date(year, 3, 1) + timedelta(days=step) for step in range(60)) if day.weekday() < 5 and day not in free
    )
    assert up(schedule, f"{working}T12:00") is True


@settings(max_examples=80, deadline=None)
@given(
    zone=st.sampled_from(["pt", "et", "cet", "aet", "utc", "Europe/London", "Asia/Kolkata"]),
    off=st.integers(0, 23),
    on=st.integers(0, 23),
    now=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 1)),
)
def test_a_tag_says_in_its_own_hours_what_custodian_does_and_keeps_it_between(
    zone: str, off: int, on: int, now: datetime
) -> None:
    assume(off != on)
    schedule = read_tag(Custodian(), f"off=(m-f,{off});on=(m-f,{on});tz={zone.lower()}")
    moment = now.replace(tzinfo=UTC)
    wall = moment.astimezone(schedule.zone)
    if wall.weekday() < 5:
        if wall.hour == off:
            assert tag_state(schedule, wall.replace(minute=59, fold=1).astimezone(UTC)).up is False
        if wall.hour == on:
            assert tag_state(schedule, wall.replace(minute=0, second=0, fold=1).astimezone(UTC)).up is True
    state = tag_state(schedule, moment)
    if state.until is not None:
        assert tag_state(schedule, state.until - timedelta(seconds=1)).up == state.up != tag_state(schedule, state.until).up


# ---- nights when the clocks change ----------------------------------------------------------------------------------------


def test_the_night_that_skips_an_hour_begins_up_time_at_the_skip() -> None:
    schedule = Schedule(timezone="Europe/Berlin", periods=[Period(begintime="02:30", endtime="05:00")])
    assert schedule_state(schedule, datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)).up is False
    assert schedule_state(schedule, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)).up is True  # 03:00, the clock's next minute


def test_an_hour_that_comes_twice_is_up_once_and_long() -> None:
    schedule = Schedule(timezone="Europe/Berlin", periods=[Period(begintime="02:15", endtime="02:45")])
    state = schedule_state(schedule, datetime(2026, 10, 25, 0, 15, tzinfo=UTC))
    assert (state.up, state.until) == (True, datetime(2026, 10, 25, 1, 45, tzinfo=UTC))


def test_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    schedule = Schedule(timezone="UTC", periods=[Period(weekdays="fri", begintime="22:00", endtime="06:00")])
    assert [up(schedule, text) for text in ("2026-11-27T21:59", "2026-11-27T22:00", "2026-11-28T05:59", "2026-11-28T06:00")] == [
        *(False, True, True, False)
    ]


# ---- Cloud Custodian's documentation of its off-hours filters ---------------------------------------------------------------

PACIFIC = "off=[(M-F,21),(U,18)];on=[(M-F,6),(U,10)];tz=pt"
DOCUMENTED = [
    # "up mon-fri from 7am-7pm; eastern time"
    ("off=(M-F,19);on=(M-F,7)", "America/New_York", "2026-11-25T06:59", False),
    ("off=(M-F,19);on=(M-F,7)", "America/New_York", "2026-11-25T07:00", True),
    ("off=(M-F,19);on=(M-F,7)", "America/New_York", "2026-11-25T18:59", True),
    ("off=(M-F,19);on=(M-F,7)", "America/New_York", "2026-11-25T19:00", False),
    ("off=(M-F,19);on=(M-F,7)", "America/New_York", "2026-11-28T12:00", False),
    # "up mon-fri from 6am-9pm; up sun from 10am-6pm; pacific time"
    (PACIFIC, "America/Los_Angeles", "2026-11-25T05:59", False),
    (PACIFIC, "America/Los_Angeles", "2026-11-25T06:00", True),
    (PACIFIC, "America/Los_Angeles", "2026-11-25T20:59", True),
    (PACIFIC, "America/Los_Angeles", "2026-11-25T21:00", False),
    (PACIFIC, "America/Los_Angeles", "2026-11-28T12:00", False),
    (PACIFIC, "America/Los_Angeles", "2026-11-29T09:59", False),
    (PACIFIC, "America/Los_Angeles", "2026-11-29T10:00", True),
    (PACIFIC, "America/Los_Angeles", "2026-11-29T18:00", False),
    # "stopping at 23:00 Eastern daily and starting at 06:00 Eastern daily": all letters, and a range around the weekend
    ("off=(M-U,23);on=(M-U,6)", "America/New_York", "2026-11-28T23:00", False),
    ("off=(M-U,23);on=(M-U,6)", "America/New_York", "2026-11-29T06:00", True),
    ("off=(F-M,19);on=(F-M,7)", "America/New_York", "2026-11-23T12:00", True),
    ("off=(F-M,19);on=(F-M,7)", "America/New_York", "2026-11-24T12:00", False),
    # an empty tag and "on": night and weekend off, in the policy's zone and hours
    ("", "America/New_York", "2026-11-25T12:00", True),
    ("on", "America/New_York", "2026-11-25T19:00", False),
    ("on", "America/New_York", "2026-11-28T12:00", False),
    # only a zone: the default hours there (aliases are places, with their daylight saving)
    ("tz=pt", "America/Los_Angeles", "2026-11-25T07:00", True),
    ("tz=america/los_angeles", "America/Los_Angeles", "2026-07-01T06:59", False),
    ("tz=america/los_angeles", "America/Los_Angeles", "2026-07-01T19:00", False),
    # only one of both: the other is the policy's; a semicolon at the end and quotes around it are harmless
    ("off=(m-f,1);", "America/New_York", "2026-11-25T00:59", True),
    ("off=(m-f,1);", "America/New_York", "2026-11-25T01:00", False),
    ("off=(m-f,1);", "America/New_York", "2026-11-25T07:00", True),
    ("'off=(m-f,19);on=(m-f,7)'", "America/New_York", "2026-11-25T19:30", False),
]


@pytest.mark.parametrize(("tag", "zone", "moment", "expected"), DOCUMENTED)
@pytest.mark.parametrize("key", ["maid_offhours", "custodian_downtime", "Maid_Offhours"])
def test_custodian_as_documented(key: str, tag: str, zone: str, moment: str, expected: bool) -> None:
    options = Custodian()
    value = tag_of(options, {"Name": "x", key: tag})
    assert value is not None
    assert tag_state(read_tag(options, value), local(moment, zone)).up is expected


def test_custodian_policy_that_overrides_the_defaults() -> None:
    """The documentation's example: weekends: false, default_tz: pt, tag: downtime, opt-out: true, onhour: 8, offhour: 20."""
    options = Custodian(weekends=False, default_tz="pt", tags=["downtime"], opt_out=True, onhour=8, offhour=20)
    value = tag_of(options, {"maid_offhours": "off"})
    assert value == ""  # opt-out: without its tag, the defaults hold
    schedule = read_tag(options, value)
    for moment, expected in (("2026-11-28T08:00", True), ("2026-11-29T19:59", True), ("2026-11-28T20:00", False)):
        assert tag_state(schedule, local(moment, "America/Los_Angeles")).up is expected


def test_custodian_weekends_only() -> None:
    schedule = read_tag(Custodian(weekends_only=True), "")
    for moment, expected in (("2026-11-26T23:00", True), ("2026-11-27T19:00", False), ("2026-11-30T07:00", True)):
        assert tag_state(schedule, local(moment, "America/New_York")).up is expected


def test_custodian_opt_in_and_out() -> None:
    assert tag_of(Custodian(), {"Name": "x"}) is None
    assert opted_out(str(tag_of(Custodian(), {"maid_offhours": "OFF"})))


def test_custodian_switches_nothing_on_skipped_days() -> None:
    """The documentation's example: onhour 6, skip-days 2017-12-25 would not start stopped instances on a public holiday."""
    schedule = read_tag(Custodian(tags=["custodian_downtime"], onhour=6), "")
    skip = frozenset({date(2017, 12, 25)})  # a Monday
    assert tag_state(schedule, local("2017-12-25T12:00", "America/New_York"), skip).up is False
    assert tag_state(schedule, local("2017-12-25T12:00", "America/New_York")).up is True
    assert tag_state(schedule, local("2017-12-26T06:00", "America/New_York"), skip).up is True


@pytest.mark.parametrize(
    "tag",
    ["off=(M-F,25)", "off=(X-F,19)", "off=(M-F)", "up=(M-F,7)", "off=(M-F,19);on=(M-F,7);tz=nowhere", "off=(M-F,19) on=(M-F,7)"],
)
def test_a_tag_that_cannot_be_read_says_so(tag: str) -> None:
    with pytest.raises(UnreadableTag, match=r"."):
        read_tag(Custodian(), tag.lower())


# ---- AWS Instance Scheduler's documentation -----------------------------------------------------------------------------------


def test_instance_scheduler_from_monday_nine_to_friday_five() -> None:
    periods = [
        Period(weekdays="mon", begintime="09:00", endtime="23:59"),
        Period(weekdays="tue-thu"),
        Period(weekdays="fri", begintime="00:00", endtime="16:59"),
    ]
    schedule = Schedule(timezone="America/New_York", periods=periods)
    assert up(schedule, "2026-11-23T08:59") is False
    state = schedule_state(schedule, local("2026-11-25T12:00", "America/New_York"))  # adjacent periods do not stop in between
    assert (state.since, state.until) == (
        local("2026-11-23T09:00", "America/New_York"),
        local("2026-11-27T17:00", "America/New_York"),
    )


def test_instance_scheduler_with_one_time_only() -> None:
    begin = Schedule(timezone="UTC", periods=[Period(weekdays="mon-fri", begintime="09:00")])
    assert [up(begin, f"2026-11-27T{text}") for text in ("08:00", "09:00", "23:59")] == [False, True, True]
    assert up(begin, "2026-11-28T00:00") is False  # "stopped at 11:59 PM on Friday"
    end = Schedule(timezone="UTC", periods=[Period(weekdays="mon-fri", endtime="17:00")])
    assert [up(end, f"2026-11-27T{text}") for text in ("08:00", "17:00")] == [None, False]  # "must be started manually"


@pytest.mark.parametrize(
    ("field", "text", "days"),
    [
        ("weekdays", "mon#1", {2}),
        ("weekdays", "friL", {27}),
        ("weekdays", "sat-mon", {1, 2, 7, 8, 9, 14, 15, 16, 21, 22, 23, 28, 29, 30}),
        ("weekdays", "0,wednesday", {2, 4, 9, 11, 16, 18, 23, 25, 30}),
        ("monthdays", "L", {30}),
        ("monthdays", "15W", {16}),
        ("monthdays", "1/7", {1, 8, 15, 22, 29}),
        ("monthdays", "1-3", {1, 2, 3}),
    ],
)
def test_fields_that_choose_days(field: str, text: str, days: set[int]) -> None:
    rule = weekday_rule(text) if field == "weekdays" else monthday_rule(text)
    assert {day for day in range(1, 31) if rule(date(2026, 11, day))} == days


def test_override_status_holds_whatever_the_periods_say() -> None:
    stopped = Schedule(timezone="UTC", periods=[Period()], override_status="stopped")
    assert up(stopped, "2026-11-25T12:00") is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Europe/Nowhere", "periods": [{}]},
        {"timezone": "UTC", "periods": [{"weekdays": "mun"}]},
        {"timezone": "UTC", "periods": [{"begintime": "7"}]},
        {"timezone": "UTC", "periods": [{}], "holidays": {"country": "XX"}},
        {"timezone": "UTC", "periods": [{"months": "0"}]},
    ],
)
def test_a_wrong_schedule_is_refused_by_the_catalog(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(wrong)


def test_the_example_of_the_documentation_is_one() -> None:
    text = (PROJECT / "docs" / "suspension.md").read_text()
    found = Environment.model_validate(yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0]))
    assert found.suspension is not None and found.suspension.schedule == "office"
