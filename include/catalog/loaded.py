"""What loading a catalog directory gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.catalog.errors import Problem
from include.catalog.model import Datastore, Environment, Platform, Rates, Service, Tenant


@dataclass(frozen=True)
class Catalog:
    """The usable part of a platform. Everything in it was checked, and what it names exists."""

    platform: Platform
    services: dict[str, Service]
    """By name. The items of `Service.datastores` are of their cloud's own model."""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    rates: Rates | None = None
    """None when rates.yaml is missing or broken: then nothing can be forecast."""
    settings: dict[str, Any] = field(default_factory=dict)
    """By cloud: platform.yaml's ``clouds.NAME.settings`` in the room's own model (`SETTINGS`), or as written."""

    def datastores(self) -> dict[str, tuple[Service, Datastore]]:
        """Every datastore with its service, by datastore id (``service/datastore``)."""
        return {
            f"{service.service}/{item.name}": (service, item) for service in self.services.values() for item in service.datastores
        }

    def regulated(self, service: Service) -> list[Tenant]:
        """The service's tenants whose data is restored only in their own region, and never kept."""
        found = [self.tenants[name] for name in service.tenants if name in self.tenants]
        return [tenant for tenant in found if tenant.tenant_class == "regulated"]


@dataclass(frozen=True)
class Loaded:
    """A catalog, and what is wrong with its files."""

    catalog: Catalog
    base: Path
    """The directory it was read from."""
    revision: str
    """SHA-256 over the names and bytes of its files, expectations included, before ``${NAME}`` was replaced."""
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    broken: dict[str, str] = field(default_factory=dict)
    """Services that cannot be used, and why: `unknown` in the readiness report. By service name; by the file's name
    (without ``.yaml``) where the service's name cannot be read or is another file's."""
