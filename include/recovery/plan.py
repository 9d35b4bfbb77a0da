"""What is due, by tier and last proof. Pure: the catalog, the history and `now` decide, and nothing else.

**Slots.** A scheduled drill's slot is the date of `now` in UTC (``2026-11-23``): one drill a datastore and night. A requested
drill's slot is ``r-`` and ten hex digits of the digest of the request, its target and `now`, which is then the instant of
the request and the same for every try. The drill's id is ``SERVICE.DATASTORE.SLOT``: never a run id or a try number, so
whoever plans again in the same slot gets the same drill, and the drill goes on where it was.

**Due**, on schedule, is a datastore that was never proven, whose last drill did not pass (once a slot: again the next night),
or whose proof would be older than `drill_every` before the next night comes. So a weekly tier stays weekly, on its night.

**Held** items are shown and recorded, and must not be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from include.catalog.errors import nearest
from include.catalog.loaded import Loaded
from include.catalog.model import Datastore, Rate, Service, Tier
from include.catalog.order import restore_order
from include.recovery.forecast import forecast
from include.recovery.holds import SCHEDULE, holds
from include.recovery.model import Forecast, PlanItem, Request, Target
from include.values import Frozen, Instant, digest, format_duration

VERB = "drill_restores"
NIGHT = timedelta(days=1)
UNKNOWN = "unknown"


class UnknownService(ValueError):
    """A drill was asked for something that the catalog does not name. Says what is similar."""


class History(Frozen):
    """What is known of one datastore's drills."""

    last_passed: Instant | None = None
    """`decided_at` of the newest drill that passed."""
    last_attempt: Instant | None = None
    """`decided_at` of the newest drill, finished or not, whatever came of it. Later than `last_passed`: it did not pass."""
    last_slot: str | None = None
    """The slot of the newest drill: the last part of its id."""
    size_bytes: int | None = None
    """Of the newest recovery point that was restored or verified."""
    restore_seconds: tuple[float, ...] = ()
    """Seconds from the decision to the sandbox's end of recent passed drills, newest first."""
    in_progress: str | None = None
    """Id of a drill that began and has no conclusion yet: it runs, or was killed."""


def plan(
    loaded: Loaded,
    history: Mapping[str, History],
    now: datetime,
    *,
    verb: str = VERB,
    only: Sequence[str] | None = None,
    request: Request | None = None,
    target: Target | None = None,
    stopped: str | None = None,
    ignore_due: bool = False,
) -> tuple[PlanItem, ...]:
    """The drills that are due at `now`, in the order in which services come back; then tier; broken services last.

    `history` is by datastore id (``service/datastore``); one that is missing was never drilled. `only` names services or
    datastore ids. `request` is who asks: a person's comes with `ignore_due`, to be drilled whether due or not, and with the
    instant of the request as `now`, not with the clock of each try, or every try would be a drill of its own.
    `stopped` is the reason of a global stop. Raises UnknownService for a name in `only`, ValueError for a verb that has no
    plan or a `now` without offset.
    """
    if verb != VERB:
        raise ValueError(f"there is no plan for {verb!r}; known: {VERB}")
    if now.tzinfo is None:
        raise ValueError(f"{now.isoformat()} has no offset; nobody can tell which instant is meant")
    ask = _Ask(loaded, history, now, request or Request(), target or Target(), stopped, ignore_due)
    chosen = _chosen(loaded, only)
    items = [
        ask.item(service, datastore)
        for service, datastore in _ordered(loaded)
        if chosen is None or {service.service, f"{service.service}/{datastore.name}"} & chosen
    ]
    names = None if chosen is None else {name.partition("/")[0] for name in chosen}
    broken = [ask.broken(name) for name in sorted(loaded.broken) if names is None or name in names]
    return (*(item for item in items if item is not None), *broken)


def slot(request: Request, target: Target, now: datetime) -> str:
    """The slot of a drill that is decided at `now`; see the module."""
    if request.requested_by == SCHEDULE:
        return now.astimezone(UTC).date().isoformat()
    asked = {"request": request.model_dump(mode="json"), "target": target.model_dump(mode="json")}
    return f"r-{digest(asked | {'at': now.astimezone(UTC).isoformat()})[:10]}"


def due(past: History, tier: Tier, slot_now: str, now: datetime) -> str | None:
    """Why a datastore is due on schedule, or None."""
    if past.last_slot == slot_now:
        return None
    running = busy(past, "", now) is not None
    if past.last_attempt is not None and not running and (past.last_passed is None or past.last_attempt > past.last_passed):
        return f"the last drill ({past.last_attempt.astimezone(UTC):%Y-%m-%d %H:%M} UTC) did not pass"
    if past.last_passed is None:
        return "never proven"
    age = now - past.last_passed
    if age + NIGHT > tier.drill_every:
        return f"proof is {format_duration(_minutes(age))} old, due every {format_duration(tier.drill_every)}"
    return None


def _minutes(age: timedelta) -> timedelta:
    return timedelta(minutes=age // timedelta(minutes=1))


def busy(past: History, drill_id: str, now: datetime) -> str | None:
    """Another drill of the datastore that began within a day and has no conclusion. An older one holds nothing up: it died."""
    if past.in_progress in (None, drill_id):
        return None
    fresh = past.last_attempt is None or now - past.last_attempt < NIGHT
    return past.in_progress if fresh else None


@dataclass(frozen=True)
class _Ask:
    """One call of `plan`."""

    loaded: Loaded
    history: Mapping[str, History]
    now: datetime
    request: Request
    target: Target
    stopped: str | None
    ignore_due: bool

    @property
    def slot(self) -> str:
        return slot(self.request, self.target, self.now)

    def which(self, key: str, past: History, tier: Tier) -> tuple[str, str | None]:
        """The drill's id and why it is due (None: it is not). A scheduled drill that was cut off goes on under its own id."""
        drill_id = f"{key.replace('/', '.')}.{self.slot}"
        if past.in_progress == drill_id:
            return drill_id, "goes on: the drill of this slot has no conclusion"
        if self.request.requested_by == SCHEDULE and past.in_progress is not None and not _requested(past.in_progress):
            return past.in_progress, "goes on: it began in an earlier slot and has no conclusion"
        return drill_id, self.request.reason if self.ignore_due else due(past, tier, self.slot, self.now)

    def item(self, service: Service, datastore: Datastore) -> PlanItem | None:
        """The drill of one datastore, or None when it is not due."""
        key = f"{service.service}/{datastore.name}"
        past = self.history.get(key, History())
        platform, rates = self.loaded.catalog.platform, self.loaded.catalog.rates
        tier = platform.tiers[service.tier]
        drill_id, why = self.which(key, past, tier)
        if why is None:
            return None
        expected = forecast(
            size_bytes=past.size_bytes,
            size_hint_gb=datastore.size_hint_gb,
            restore_seconds=past.restore_seconds,
            rate=(rates.rates if rates else {}).get(datastore.cloud, Rate()),
            cap=tier.drill_cost_cap,
            currency=platform.currency,
            keep=self.request.keep,
        )
        reasons = holds(
            self.loaded,
            service,
            datastore,
            verb=VERB,
            request=self.request,
            forecast=expected,
            stopped=self.stopped,
            busy=busy(past, drill_id, self.now),
            now=self.now,
        )
        return self._framed(
            drill_id, service.service, datastore.name, why, "; ".join(reasons),
            cloud=datastore.cloud, region=datastore.region, tier=service.tier, forecast=expected, rpo=tier.rpo, rto=tier.rto,
        )  # fmt: skip

    def broken(self, name: str) -> PlanItem:
        """The held item of a service that cannot be used: what it has is not known, and it must not be forgotten."""
        zero = timedelta(0)
        currency = self.loaded.catalog.platform.currency
        nothing = Forecast(duration=zero, cost=Decimal(0), cap=Decimal(0), currency=currency, basis="the service cannot be read")
        return self._framed(
            f"{name}.{UNKNOWN}.{self.slot}", name, UNKNOWN, "its part of the catalog cannot be used",
            f"correct the catalog: {self.loaded.broken[name]}",
            cloud=UNKNOWN, region=UNKNOWN, tier=UNKNOWN, forecast=nothing, rpo=zero, rto=zero,
        )  # fmt: skip

    def _framed(self, drill_id: str, service: str, datastore: str, why: str, held: str, **rest: Any) -> PlanItem:
        return PlanItem(
            drill_id=drill_id,
            service=service,
            datastore=datastore,
            why=why,
            target=self.target,
            request=self.request,
            planned_at=self.now.astimezone(UTC),
            held=held or None,
            catalog_revision=self.loaded.revision,
            **rest,
        )


def _requested(drill_id: str) -> bool:
    return drill_id.rpartition(".")[2].startswith("r-")


def _ordered(loaded: Loaded) -> Iterable[tuple[Service, Datastore]]:
    services, ranks = loaded.catalog.services, list(loaded.catalog.platform.tiers)
    for wave in restore_order(services):
        for name in sorted(wave, key=lambda name: (ranks.index(services[name].tier), name)):
            for datastore in services[name].datastores:
                yield services[name], datastore


def _chosen(loaded: Loaded, only: Sequence[str] | None) -> set[str] | None:
    if only is None:
        return None
    known = {*loaded.catalog.services, *loaded.catalog.datastores(), *loaded.broken}
    for name in only:
        if name not in known and name.partition("/")[0] not in loaded.broken:
            close = nearest(name, known, 3)
            hint = (
                f"did you mean {' or '.join(close)}?"
                if close
                else f"known services: {', '.join(sorted(loaded.catalog.services))}"
            )
            raise UnknownService(f"the catalog names no service or datastore {name!r}; {hint}")
    return set(only)
