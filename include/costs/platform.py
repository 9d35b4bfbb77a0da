"""What the cost room takes from the catalog. A catalog that cannot be read costs names and owners, never a total."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from include.catalog.load import CatalogError, load
from include.costs.allocation import ServiceFacts
from include.costs.settings import CostSettings
from include.values import Frozen


class Platform(Frozen):
    """Services by name, tenants, e-mail addresses of finance, and what was wrong with the catalog."""

    name: str = ""
    currency: str | None = None
    services: dict[str, ServiceFacts] = Field(default_factory=dict)
    tenants: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_platform(directory: Path, settings: CostSettings) -> Platform:
    """Read the catalog directory. Problems are listed, not raised: the bill must be reported also when a YAML file is broken."""
    direct = tuple(name for name in settings.finance if "@" in name)
    try:
        loaded = load(directory)
    except CatalogError as fault:
        return Platform(addresses=direct, problems=tuple(str(fault).splitlines()))
    catalog = loaded.catalog
    by_name = {person.name: person.email for person in catalog.platform.people}
    unknown = [name for name in settings.finance if "@" not in name and name not in by_name]
    problems = tuple(f"costs.yaml, field finance: {name!r} is no person of platform.yaml" for name in unknown)
    return Platform(
        name=catalog.platform.name,
        currency=catalog.platform.currency,
        services={
            name: ServiceFacts(environment=s.environment, owner=s.owner, tenants=tuple(s.tenants))
            for name, s in catalog.services.items()
        },
        tenants=tuple(catalog.tenants),
        addresses=(*direct, *(by_name[name] for name in settings.finance if name in by_name)),
        problems=problems,
    )
