"""The dry run: what a sweep would do at a moment, and why. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from include.connections import Connections, from_environment
from include.suspension.desk import SleepDesk, open_sleep_desk
from include.suspension.look import Look, look
from include.suspension.model import Batch
from include.suspension.placing import batches, sleeping
from include.suspension.savings import foreseen

Opened = Callable[[str], SleepDesk]


def plan_all(
    now: datetime, only: str | None = None, connections: Connections = from_environment, opened: Opened | None = None
) -> list[Look]:
    """A look at every batch of the catalog, or of one environment. Raises what `look` raises."""
    opening = opened or (lambda cloud: open_sleep_desk(cloud, connections))
    desks: dict[str, SleepDesk] = {}
    found = []
    for batch in catalogued(only):
        if batch.cloud not in desks:
            desks[batch.cloud] = opening(batch.cloud)
        found.append(look(desks[batch.cloud], batch, now, only))
    return found


def saving(looks: Iterable[Look]) -> str:
    """What the stops of a plan would save by rates.yaml until each is woken, in words; empty when nothing is stopped."""
    from include.catalog.load import load
    from include.settings import platform_dir

    stops = [
        (one.resources[key], found, one.now) for one in looks for key, found in one.decisions.items() if found.action == "stop"
    ]
    if not stops:
        return ""
    catalog = load(platform_dir()).catalog
    known = foreseen([(resource, decision) for resource, decision, _ in stops], stops[0][2], catalog.rates)
    without = f", without {', '.join(known.unknown)}: no price in rates.yaml, or no time to wake" if known.unknown else ""
    return f"forecast to save {known.amount} {catalog.platform.currency} until they are woken{without}"


def catalogued(only: str | None = None) -> list[Batch]:
    """The batches of the platform's catalog; of one environment when it is named.

    Raises LookupError for an unknown one, naming the nearest.
    """
    from include.catalog.load import load
    from include.settings import platform_dir

    environments = load(platform_dir()).catalog.environments
    return batches(environments if only is None else {only: sleeping(environments, only)})
