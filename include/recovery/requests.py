"""From a form (or the schedule) to plan items: what the first task of a DAG does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.connections import Connections
from include.recovery.model import PlanItem, Request, Target

if TYPE_CHECKING:
    from include.catalog.load import Loaded
    from include.ledger.model import Stop

SCHEDULE = "schedule"


def request_of(params: Mapping[str, Any], by: str) -> tuple[Request, Target]:
    """The request and target that a form's values ask for. Raises ValueError in words the operator can act on."""
    point, time = params.get("recovery_point") or None, params.get("target_time") or None
    if point and time:
        raise ValueError("give recovery_point or target_time, not both: a point is restored as it is, a time is rolled to")
    moment = datetime.fromisoformat(str(time)) if time else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"target_time {time!r} has no offset; write for example 2026-11-23T14:00:00+00:00")
    request = Request(
        requested_by=by,
        reason=params.get("reason") or "due",
        keep=timedelta(minutes=int(params.get("keep_minutes") or 0)),
        override_blackout=params.get("override_blackout") or None,
    )
    return request, Target(point_id=point, time=moment)


def planned_by_cloud(
    connections: Connections, params: Mapping[str, Any], by: str, at: datetime, *, scheduled: bool
) -> dict[str, list[PlanItem]]:
    """Plan with the ledger's history. `at` names the request, so that every try of one run gets the same drill ids."""
    from include.catalog.load import load
    from include.ledger import open_ledger
    from include.recovery.desk import ledger_url
    from include.recovery.plan import plan
    from include.settings import platform_dir

    loaded = load(platform_dir())
    ledger = open_ledger(ledger_url(connections))
    services = [str(name) for name in params.get("services") or ()]
    if services == ["all"]:
        services = sorted(loaded.catalog.services)
    request, target = request_of(params, by)
    items = plan(
        loaded,
        ledger.history(),
        at,
        only=services or None,
        request=None if scheduled else request,
        target=target,
        stopped=_said(ledger.stopped()),
        ignore_due=bool(services),
    )
    planned: dict[str, list[PlanItem]] = {}
    for item in items:
        planned.setdefault(item.cloud, []).append(item)
    return planned


def _said(stop: Stop | None) -> str | None:
    return f"stopped by {stop.by} at {stop.at.isoformat()}: {stop.reason}" if stop else None


def sweeps_by_cloud(connections: Connections, params: Mapping[str, Any], at: datetime) -> dict[str, list[dict[str, Any]]]:
    """One batch for each cloud and region with datastores: sweeps never map single resources."""
    from include.catalog.load import load
    from include.settings import platform_dir

    regions = regions_in_use(load(platform_dir()))
    full = params.get("full")
    return {cloud: [{"cloud": cloud, "region": region, "full": full} for region in names] for cloud, names in regions.items()}


def clouds_in_use() -> list[str]:
    """The clouds that the platform gives settings for restores, sorted: where something of ours can be."""
    from include.catalog.load import load
    from include.settings import platform_dir

    catalog = load(platform_dir()).catalog
    return sorted(cloud for cloud in catalog.platform.clouds if catalog.settings.get(cloud))


def regions_in_use(loaded: Loaded) -> dict[str, list[str]]:
    """By cloud, the regions in which the catalog has datastores, sorted."""
    found: dict[str, set[str]] = {}
    for service in loaded.catalog.services.values():
        for datastore in service.datastores:
            found.setdefault(datastore.cloud, set()).add(datastore.region)
    return {cloud: sorted(names) for cloud, names in sorted(found.items())}
