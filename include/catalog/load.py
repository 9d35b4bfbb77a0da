"""Read a catalog directory: every file, every problem at once, and whatever can be used of it.

``platform.yaml`` holds what everything else rests on: when it is wrong, nothing can be used. Any other file that is wrong
takes only itself out of use, and the services that need it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from include.catalog.databases import datastore_problems
from include.catalog.errors import CatalogError, Problem
from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Service
from include.catalog.order import cycles
from include.catalog.reading import Reading
from include.catalog.references import (
    Known,
    environment_problems,
    platform_names,
    platform_problems,
    platform_values,
    rate_problems,
    service_problems,
    tenant_problems,
)
from include.catalog.source import Loc
from include.catalog.view import View

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
    known = _check(reading)
    if reading.platform is None or any(problem.file == "platform.yaml" for problem in reading.found("error")):
        raise CatalogError(reading.found("error"))
    catalog = Catalog(
        platform=reading.platform,
        services={s.service: s for stem, s in reading.services.items() if stem not in reading.unusable},
        tenants={t.name: t for t in reading.tenants.values() if t.name not in known.broken_tenants},
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


def _check(reading: Reading) -> Known:
    """Everything that one file cannot know; answers the names that may be used."""
    platform = View(reading.data("platform.yaml"))
    names: dict[str, Any] = platform_names(platform)
    names["services"] = {*reading.stems("services"), *filter(None, map(reading.raw_name, reading.stems("services")))}
    names["environments"] = {"production", *reading.stems("environments")}
    known = Known(**names)
    if "platform.yaml" in reading.documents:
        reading.refer("platform.yaml", platform_problems, known)
    if reading.platform is not None:
        reading.note(platform_values(reading.documents["platform.yaml"], reading.platform))
    known = _check_tenants(reading, known)
    for stem in reading.stems("environments"):
        reading.refer(f"environments/{stem}.yaml", environment_problems, known)
    for stem in reading.stems("services"):
        reading.refer(f"services/{stem}.yaml", service_problems, known, stem)
        reading.refer(f"services/{stem}.yaml", datastore_problems, known, stem)
    _check_names(reading)
    _check_cycles(reading)
    if "rates.yaml" in reading.documents:
        used = [item.cloud for service in reading.services.values() for item in service.datastores]
        document = reading.documents["rates.yaml"]
        reading.note(rate_problems(document, View(document.data), used, known))
    return known


def _check_tenants(reading: Reading, known: Known) -> Known:
    tenants = View(reading.data("tenants.yaml")).at("tenants")
    broken = dict(reading.broken_tenants)
    if "tenants.yaml" in reading.documents:
        found = list(tenant_problems(reading.documents["tenants.yaml"], tenants, known))
        reading.note(found)
        for problem in found:
            place = re.match(r"tenants\[(\d+)\]", problem.field)
            name = tenants.value[int(place[1])].get("name") if place else None
            broken.setdefault(str(name), problem.place)
    return replace(known, tenants={i.at("name").text or "": i for _, i in tenants.items()}, broken_tenants=broken)


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
