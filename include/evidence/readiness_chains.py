"""How long a service takes to come back with everything that it needs, from what drills measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.catalog.model import Service
from include.catalog.order import critical_path
from include.evidence.readiness_model import Chain, ServiceReadiness


def with_chains(services: Sequence[ServiceReadiness], catalog: Mapping[str, Service]) -> list[ServiceReadiness]:
    """Each service with the time that it and all it needs take, from what was measured."""
    measured = {one.service: own for one in services if (own := _own_seconds(one)) is not None}
    return [one.model_copy(update={"chain": _chain(one.service, catalog, measured)}) for one in services]


def _own_seconds(service: ServiceReadiness) -> float | None:
    """A service's datastores are restored side by side: the slowest decides. None when one was not measured."""
    times = [datastore.rto_measured_seconds for datastore in service.datastores]
    known = [seconds for seconds in times if seconds is not None]
    return max(known, default=0.0) if len(known) == len(times) else None


def _chain(service: str, services: Mapping[str, Service], measured: Mapping[str, float]) -> Chain:
    needed, unusable, waiting = set[str](), set[str](), [service]
    while waiting:
        name = waiting.pop()
        if name not in services:
            unusable.add(name)
        elif name not in needed:
            needed.add(name)
            waiting += services[name].depends_on
    closure = {name: services[name] for name in needed}
    unknown = sorted(unusable | {name for name in needed if name not in measured})
    if unknown:
        return Chain(path=(), rto_seconds=None, why_unknown=f"no restore time is known for {', '.join(unknown)}")
    path, seconds = critical_path(closure, measured)
    return Chain(path=tuple(path), rto_seconds=seconds)
