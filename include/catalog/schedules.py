"""environments/NAME.yaml, field `suspension`: schedules, idleness, guards, the order of waking. Models only."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from include.catalog.dayfields import month_rule, monthday_rule, weekday_rule
from include.catalog.entry import Entry, Name
from include.suspension.model import Family, Metric
from include.values import Duration


def _zone(name: str) -> str:
    """A time zone of the IANA database; a wrong one must not wait for the night to be noticed."""
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as Europe/Berlin") from error
    return name


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d|24:00", text):
        raise ValueError(f"{text!r} is no time of day; write for example 07:00 (quoted in YAML)")
    return text.zfill(5)


Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[str, AfterValidator(_clock)]


class Period(Entry):
    """Hours of certain days in which things are up. All of its conditions must hold."""

    begintime: Clock | None = None
    """From this minute on. Without it, things that run are left running until `endtime`, and nothing is started."""
    endtime: Clock | None = None
    """Until before this minute; one that ends in :59 lasts through that minute, as Instance Scheduler's examples mean it.
    Earlier than `begintime`: on the next day, over midnight."""
    weekdays: str | None = None
    """``mon-fri``, ``mon,wed``, ``mon#1``, ``friL``."""
    monthdays: str | None = None
    """``1-7``, ``L``, ``15W``, ``1/7``."""
    months: str | None = None
    """``jan-mar``, ``1/3``."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for text, rule in ((self.weekdays, weekday_rule), (self.monthdays, monthday_rule), (self.months, month_rule)):
            if text is not None:
                rule(text)
        if self.begintime is not None and self.begintime == self.endtime:
            raise ValueError("begintime and endtime are the same; leave both out for whole days")
        return self


class Holidays(Entry):
    """Public holidays of the library `holidays`: days that begin no period."""

    country: str
    """ISO 3166 code, such as DE."""
    subdivision: str | None = None
    """Such as BY."""
    extra: list[date] = Field(default_factory=list)
    """Days off of our own."""
    working: list[date] = Field(default_factory=list)
    """Public holidays on which we work."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        import holidays

        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision, years=2026)
        except (NotImplementedError, ValueError, KeyError) as error:
            where = f"{self.country}/{self.subdivision}" if self.subdivision else self.country
            raise ValueError(f"the library holidays knows no {where}: {error}") from error
        return self


class Schedule(Entry):
    """When things are up. Whatever no period covers is down time."""

    timezone: Zone
    periods: list[Period] = Field(min_length=1)
    holidays: Holidays | None = None
    override_status: Literal["running", "stopped"] | None = None
    """Up or down whatever the periods say, as in Instance Scheduler."""
    retain_running: bool = False
    """What somebody started before a period began stays up after the period's end."""


class Custodian(Entry):
    """How tags of Cloud Custodian are read: the options of its `offhour` and `onhour` filters."""

    tags: list[str] = Field(default_factory=lambda: ["maid_offhours", "custodian_downtime"])
    """Tag keys, in any case."""
    default_tz: str = "et"
    """A zone or one of Cloud Custodian's short names."""
    offhour: int = Field(default=19, ge=0, le=23)
    onhour: int = Field(default=7, ge=0, le=23)
    weekends: bool = True
    """Off at weekends."""
    weekends_only: bool = False
    opt_out: bool = False
    """Resources without a tag follow the defaults."""
    skip_days: list[date] = Field(default_factory=list)
    """On these days nothing is switched."""


class Scope(Entry):
    """One account that the environment lies in."""

    cloud: str
    account: str
    """AWS account id, Google project, Azure subscription."""
    connection: str
    """The id of the connection that opens it."""
    regions: list[Name] = Field(min_length=1)
    kinds: list[str] = Field(default_factory=list)
    """What to look at (``ec2-instance`` …); empty: every kind that can be put to sleep."""


class Idle(Entry):
    """Something is idle when all of its family's rules hold over their whole windows. Missing metrics are never idle."""

    families: list[Family] = Field(min_length=1)
    metric: Metric
    below: Decimal
    """Every value of the window is below this."""
    window: Duration = timedelta(hours=4)
    period: Duration = timedelta(minutes=5)
    warn: Duration = timedelta(hours=1)
    """The owner is told this long before the suspension."""


class Select(Entry):
    """Chooses resources: all that is given must fit."""

    families: list[Family] = Field(default_factory=list)
    names: list[str] = Field(default_factory=list)
    """Names or ids, with * and ?."""
    tags: dict[str, str] = Field(default_factory=dict)


class WakeStep(Entry):
    """One step of waking: what it starts, after what, and when it counts as ready."""

    name: Name
    select: Select = Field(default_factory=Select)
    after: list[Name] = Field(default_factory=list)
    ready: list[str] = Field(default_factory=list)
    """``tcp://host:port`` or ``http(s)://…`` that must answer, besides the power state."""


class Transactions(Entry):
    """A database with a running transaction older than this is not stopped."""

    older_than: Duration = timedelta(minutes=5)
    connections: dict[str, str] = Field(default_factory=dict)
    """By the database's name or id: the connection that may read pg_stat_activity."""
    unchecked: bool = False
    """Databases without a connection may be stopped although nobody can tell what runs on them."""


class Guards(Entry):
    """What is never put to sleep, whatever a schedule says."""

    opt_out: list[str] = Field(default_factory=list)
    """Names or ids, with * and ?. Wins over everything."""
    opt_out_tag: str = "drillyard-suspend"
    """A resource whose tag of this key says ``never`` or ``off``: wins over everything."""
    protected_tags: list[str] = Field(default_factory=lambda: ["drillyard-protected"])
    """Keys; any value but ``false``."""
    production_tags: list[str] = Field(default_factory=lambda: ["environment", "env", "stage"])
    """Keys, in any case; a resource that says production (prod, prd, live) there is never put to sleep."""
    deploying_tag: str = "drillyard-deploying"
    """While it is there with an instant in the future, or any other value but ``false``, nothing is stopped."""
    transactions: Transactions = Field(default_factory=Transactions)


class Suspension(Entry):
    """How one environment is put to sleep and woken."""

    accounts: list[Scope] = Field(min_length=1)
    match: dict[str, str] = Field(default_factory=dict)
    """Tags that a resource of these accounts carries when it belongs to the environment; empty: all of them do."""
    schedules: dict[Name, Schedule] = Field(default_factory=dict)
    schedule: Name | None = None
    """The one of `schedules` for resources whose tags say nothing. None: only tags and idleness decide."""
    schedule_tag: str = "Schedule"
    """Instance Scheduler's tag: its value names one of `schedules`."""
    custodian: Custodian | None = None
    """Given: Cloud Custodian's tags count."""
    idle: list[Idle] = Field(default_factory=list)
    guards: Guards = Field(default_factory=Guards)
    wake: list[WakeStep] = Field(default_factory=list)
    """In order of dependency. What no step selects wakes first."""
    wake_ahead: Duration = timedelta(minutes=30)
    """How long before the hours begin it is woken."""
    grace: Duration = timedelta(hours=2)
    """How long something stays up that was started by hand in down time, unless somebody snoozes it for longer."""
    fallbacks: dict[str, list[str]] = Field(default_factory=dict)
    """By machine type: what to start as instead when the vendor has no capacity, best first."""
    zones: list[str] = Field(default_factory=list)
    """Zones to try, for kinds that can move."""
    wake_within: Duration = timedelta(minutes=30)
    """A wake-up that is not done after this is escalated."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.schedule is not None and self.schedule not in self.schedules:
            raise ValueError(f"schedule {self.schedule!r} is not among its schedules: {', '.join(self.schedules) or 'none'}")
        before: set[str] = set()
        for step in self.wake:
            late = [name for name in step.after if name not in before]
            if late:
                raise ValueError(f"wake step {step.name!r} waits for {late[0]!r}, which is no step before it")
            before.add(step.name)
        return self
