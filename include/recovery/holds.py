"""Why a drill that is due, or asked for, must not run now. Every reason is given, each with what would lift it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from include.catalog.blackout import active, named
from include.catalog.loaded import Loaded
from include.catalog.model import Datastore, Service
from include.recovery.model import Forecast, Request
from include.values import format_duration

SCHEDULE = "schedule"
"""`Request.requested_by` of scheduled drills."""


def holds(
    loaded: Loaded,
    service: Service,
    datastore: Datastore,
    *,
    verb: str,
    request: Request,
    forecast: Forecast,
    stopped: str | None,
    busy: str | None,
    now: datetime,
) -> Iterator[str]:
    """All reasons. `stopped`: of a global stop. `busy`: the id of another drill of this datastore that runs.

    A person's request does not wait for another drill: nobody can tell a drill that runs from one that was killed, and an
    operator in an incident must not wait a day to find out. It takes over, and ends the other's sandbox first.
    """
    if stopped is not None:
        yield f"everything is stopped: {stopped}"
    if busy is not None and request.requested_by == SCHEDULE:
        yield f"drill {busy} of this datastore has no conclusion yet"
    yield from _blackouts(loaded, service, verb, request, now)
    if request.requested_by != SCHEDULE:
        yield from _rights(loaded, service, request)
    if request.keep > timedelta(0):
        for tenant in loaded.catalog.regulated(service):
            yield f"a copy of {tenant.name}'s data must not be kept: the tenant is regulated; ask again without keep"
    rates = loaded.catalog.rates
    if rates is None or datastore.cloud not in rates.rates:
        yield f"rates.yaml has no usable prices for {datastore.cloud}: without a forecast there is no cap"
    elif forecast.cost > forecast.cap:
        keep = f" and {format_duration(request.keep)} of keeping" if request.keep else ""
        yield (
            f"forecast {forecast.cost} {forecast.currency} for {format_duration(forecast.duration)}{keep} is above the cap of "
            f"{forecast.cap} (platform.yaml, tiers.{service.tier}.drill_cost_cap)"
        )


def _blackouts(loaded: Loaded, service: Service, verb: str, request: Request, now: datetime) -> Iterator[str]:
    """Scheduled drills are always held; a person's only when the person may not override, or gives no reason for it."""
    platform = loaded.catalog.platform
    for window in active(platform.blackouts, verb, service.tier, now):
        until = f"{window.ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        what = f"blackout {window.name} until {until} ({window.reason})"
        if request.requested_by == SCHEDULE:
            yield what
        elif not named(request.requested_by, window.may_override, platform.people):
            yield f"{what}; {request.requested_by} may not override it (may: {', '.join(window.may_override) or 'nobody'})"
        elif not (request.override_blackout or "").strip():
            yield f"{what}; {request.requested_by} may override it with a reason (override_blackout)"


def _rights(loaded: Loaded, service: Service, request: Request) -> Iterator[str]:
    people, who = loaded.catalog.platform.people, request.requested_by
    may = service.requests
    if may.may_drill and not named(who, may.may_drill, people):
        yield f"{who} may not ask for drills of {service.service} (requests.may_drill: {', '.join(may.may_drill)})"
    if request.keep > timedelta(0) and may.may_keep and not named(who, may.may_keep, people):
        yield f"{who} may not keep a sandbox of {service.service} (requests.may_keep: {', '.join(may.may_keep)})"
