"""The order in which services come back: dependencies first. Pure functions over the services of a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from include.catalog.errors import nearest
from include.catalog.model import Service

__all__ = ["critical_path", "cycles", "nearest", "restore_order"]


def restore_order(services: Mapping[str, Service]) -> list[list[str]]:
    """Waves of service names: all that a service depends on comes back in earlier waves. Names are sorted in a wave.

    A dependency that is not among `services` (its file is broken, or only a part is asked for) does not hold anything up.
    Raises ValueError naming the cycle when there is one.
    """
    sorter = TopologicalSorter(_dependencies(services))
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"services depend on each other in a circle: {' -> '.join(reversed(error.args[1]))}") from error
    waves = []
    while sorter.is_active():
        wave = sorted(sorter.get_ready())
        waves.append(wave)
        sorter.done(*wave)
    return waves


def critical_path(services: Mapping[str, Service], seconds: Mapping[str, float]) -> tuple[list[str], float]:
    """The chain of dependencies that takes longest when everything else is restored beside it, and its seconds.

    `seconds` gives each service's own time. A service with no datastores needs none and counts as 0; one that has
    datastores and no time raises LookupError: an unknown time must not look like none. No services: ``([], 0.0)``.
    """
    missing = sorted(name for name, service in services.items() if service.datastores and name not in seconds)
    if missing:
        raise LookupError(f"no restore time is known for {', '.join(missing)}; drill them first, or give a forecast")
    dependencies = _dependencies(services)
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for wave in restore_order(services):
        for name in wave:
            before[name] = max(sorted(dependencies[name]), key=lambda other: ends[other], default=None)
            start = ends[before[name] or ""] if before[name] else 0.0
            ends[name] = start + float(seconds.get(name, 0.0))
    if not ends:
        return [], 0.0
    last: str | None = max(sorted(ends), key=lambda name: ends[name])
    total, path = ends[last or ""], []
    while last is not None:
        path.append(last)
        last = before[last]
    return path[::-1], total


def cycles(services: Mapping[str, Service]) -> list[list[str]]:
    """Circles of dependencies, as ``[a, b, a]``: a depends on b depends on a. Each service is named in one at most."""
    left, found = dict(services), []
    while True:
        try:
            TopologicalSorter(_dependencies(left)).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            found.append(circle)
            left = {name: service for name, service in left.items() if name not in circle}
        else:
            return found


def _dependencies(services: Mapping[str, Service]) -> dict[str, set[str]]:
    return {name: {other for other in service.depends_on if other in services} for name, service in services.items()}
