"""Read a catalog directory: every file, every problem at once, and whatever can be used of it.

``platform.yaml`` holds what everything else rests on: when it is wrong, nothing can be used. Any other file that is wrong
takes only itself out of use, and the services that need it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from include.catalog.databases import datastore_problems
from include.catalog.errors import CatalogError, Problem
from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Platform, Service
from include.catalog.order import cycles
from include.catalog.reading import Reading
from include.catalog.references import (
    Known,
    environment_problems,
    platform_problems,
    rate_problems,
    service_problems,
    tenant_problems,
)
from include.catalog.source import Loc

__all__ = ["Catalog", "CatalogError", "Loaded", "Problem", "load"]


def load(directory: Path, environ: Mapping[str, str] = os.environ) -> Loaded:
    """The catalog in a directory, with `environ` for its ``${NAME}``.

    Raises CatalogError, with the problems of all files, when platform.yaml is missing or has an error.
    """
    base = Path(directory).resolve()
    if not base.is_dir():
        raise CatalogError([Problem(str(directory), 1, "", "is no directory; name one that has a platform.yaml")])
    reading = Reading(base, environ)
    reading.read()
    if reading.platform is None:
        raise CatalogError(reading.found("error"))
    known = _check(reading, reading.platform)
    if any(problem.file == "platform.yaml" for problem in reading.found("error")):
        raise CatalogError(reading.found("error"))
    catalog = Catalog(
        platform=reading.platform,
        services={s.service: s for stem, s in reading.services.items() if stem not in reading.unusable},
        tenants=known.tenants,
        environments={e.environment: e for e in reading.environments.values()},
        rates=reading.rates,
        settings=reading.settings,
    )
    return Loaded(
        catalog=catalog,
        base=base,
        revision=reading.revision(),
        errors=reading.found("error"),
        warnings=reading.found("warning"),
        broken=_broken(reading, catalog),
    )


def _check(reading: Reading, platform: Platform) -> Known:
    """Everything that one file cannot know; answers the names that may be used."""
    services = frozenset([*reading.unusable, *filter(None, map(reading.raw_name, [*reading.services, *reading.unusable]))])
    known = Known(platform, services, {}, {}, frozenset({"production", *_stems(reading, "environments")}))
    reading.note(platform_problems(reading.documents["platform.yaml"], platform, known))
    known = _check_tenants(reading, known)
    for stem, environment in reading.environments.items():
        document = reading.documents[f"environments/{stem}.yaml"]
        reading.note(environment_problems(document, environment, known))
    for stem, service in reading.services.items():
        document = reading.documents[f"services/{stem}.yaml"]
        reading.note(service_problems(document, service, known), stem)
        reading.note(datastore_problems(document, service, known), stem)
    _check_names(reading)
    _check_cycles(reading)
    if reading.rates is not None:
        reading.note(rate_problems(reading.documents["rates.yaml"], reading.rates, reading.services.values(), known))
    return known


def _stems(reading: Reading, folder: str) -> Iterator[str]:
    """The names of a folder's files, readable or not: what names a broken file is not itself wrong."""
    return (document.path.stem for file, document in reading.documents.items() if file.startswith(f"{folder}/"))


def _check_tenants(reading: Reading, known: Known) -> Known:
    broken = dict(reading.broken_tenants)
    if reading.tenants:
        found = list(tenant_problems(reading.documents["tenants.yaml"], reading.tenants, known))
        reading.note(found)
        for problem in found:
            place = re.match(r"tenants\[(\d+)\]", problem.field)
            if place:
                broken.setdefault(reading.tenants[int(place[1])].name, str(problem))
    good = {tenant.name: tenant for tenant in reading.tenants.values() if tenant.name not in broken}
    return Known(known.platform, known.services, good, broken, known.environments)


def _check_names(reading: Reading) -> None:
    """One service, one file. The file that has the service's name keeps it."""
    by_name: dict[str, list[str]] = {}
    for stem, service in reading.services.items():
        by_name.setdefault(service.service, []).append(stem)
    for name, stems in by_name.items():
        keeper = name if name in stems else stems[0]
        for stem in stems:
            if stem != keeper:
                document = reading.documents[f"services/{stem}.yaml"]
                what = f"service {name!r} is services/{keeper}.yaml already; rename one"
                reading.note([document.problem(["service"], what)], stem)


def _check_cycles(reading: Reading) -> None:
    """Services in a circle cannot be brought back in any order: all of them are unusable, and each says why."""
    stems: dict[str, str] = {}
    services: dict[str, Service] = {}
    for stem, service in reading.services.items():
        if service.service not in services or stem == service.service:
            stems[service.service], services[service.service] = stem, service
    for circle in cycles(services):
        for name, other in pairwise(circle):
            document = reading.documents[f"services/{stems[name]}.yaml"]
            place: Loc = ["depends_on", services[name].depends_on.index(other)]
            what = f"services depend on each other in a circle: {' -> '.join(circle)}; remove one of these"
            reading.note([document.problem(place, what)], stems[name])


def _broken(reading: Reading, catalog: Catalog) -> dict[str, str]:
    """Why a service is unusable, by its name; by its file's name where the name is not known or is another file's."""
    broken: dict[str, str] = {}
    for stem, problems in sorted(reading.unusable.items()):
        name = reading.raw_name(stem) or stem
        key = stem if name in catalog.services or name in broken else name
        first, more = min(problems), len(set(problems)) - 1
        broken[key] = f"{first}{f' (and {more} more)' if more else ''}"
    return broken
