"""What a single file cannot know: whether the names that it uses exist, and whether files agree with each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.catalog.errors import Problem
from include.catalog.model import Environment, Platform, Rates, Service, Tenant
from include.catalog.source import Document, Loc
from include.clouds import CLOUDS


@dataclass(frozen=True)
class Known:
    """The names that the other files define."""

    platform: Platform
    services: frozenset[str]
    """Broken ones too: to depend on them is right."""
    tenants: dict[str, Tenant]
    broken_tenants: dict[str, str]
    """Tenants of tenants.yaml that cannot be used, and where that is said. ``*`` stands for the whole file."""
    environments: frozenset[str]

    @property
    def people(self) -> frozenset[str]:
        return frozenset(person.name for person in self.platform.people)

    @property
    def teams(self) -> frozenset[str]:
        return frozenset(team for person in self.platform.people for team in person.teams)

    @property
    def domains(self) -> frozenset[str]:
        regions = (region for cloud in self.platform.clouds.values() for region in cloud.regions)
        return frozenset([*(r.failure_domain for r in regions), *(s.failure_domain for s in self.platform.evidence)])

    def regions(self, cloud: str | None = None) -> dict[str, str]:
        """Failure domains by region, of one cloud or of all."""
        clouds = self.platform.clouds
        chosen = [clouds[cloud]] if cloud in clouds else [] if cloud else list(clouds.values())
        return {region.name: region.failure_domain for item in chosen for region in item.regions}


def repeated(document: Document, loc: Loc, names: Sequence[str] | Mapping[int, str], what: str) -> Iterator[Problem]:
    """A problem for each name that was used before in the list at `loc`; `names` in order, or by place in the list."""
    first: dict[str, int] = {}
    for index, name in names.items() if isinstance(names, Mapping) else enumerate(names):
        place = [*loc, index, "name"]
        if name in first:
            line = document.locate([*loc, first[name], "name"])[1]
            yield document.problem(place, f"{what} {name!r} is there twice, first in line {line}; rename one")
        first.setdefault(name, index)


def platform_problems(document: Document, platform: Platform, known: Known) -> Iterator[Problem]:
    """Of platform.yaml."""
    for cloud, entry in platform.clouds.items():
        if cloud not in CLOUDS:
            yield document.unknown(["clouds", cloud], "cloud", cloud, CLOUDS)
        yield from repeated(document, ["clouds", cloud, "regions"], [region.name for region in entry.regions], "region")
    for key, items in (("people", platform.people), ("blackouts", platform.blackouts), ("evidence", platform.evidence)):
        yield from repeated(document, [key], [item.name for item in items], key.rstrip("s"))
    for name, tier in platform.tiers.items():
        if tier.proof_expires_after is not None and tier.proof_expires_after < tier.drill_every:
            what = "proof expires before the next drill is due, so it is stale in between; make it at least drill_every"
            yield document.problem(["tiers", name, "proof_expires_after"], what, severity="warning")
    for index, window in enumerate(platform.blackouts):
        loc: Loc = ["blackouts", index]
        if window.ends <= window.starts:
            yield document.problem([*loc, "ends"], f"a window must end after it starts ({window.starts.isoformat()})")
        yield from _each(document, [*loc, "tiers"], "tier", window.tiers, platform.tiers)
        yield from _each(document, [*loc, "may_override"], "person", window.may_override, known.people)
    for index, key in enumerate(platform.trusted_keys):
        if not re.fullmatch(r"[0-9a-f]{64}", key):
            what = "is no Ed25519 public key: 64 hex digits, lower case"
            yield document.problem(["trusted_keys", index], what)
    if len({store.failure_domain for store in platform.evidence}) < 2:
        what = "all stores are in one failure domain, and evidence must outlive it; add a store in another"
        yield document.problem(["evidence"], what)


def tenant_problems(document: Document, tenants: Mapping[int, Tenant], known: Known) -> Iterator[Problem]:
    """Of the readable entries of tenants.yaml, by their place in it."""
    yield from repeated(document, ["tenants"], {index: tenant.name for index, tenant in tenants.items()}, "tenant")
    for index, tenant in tenants.items():
        loc: Loc = ["tenants", index]
        if tenant.region is not None and tenant.region not in known.regions():
            yield document.unknown([*loc, "region"], "region", tenant.region, known.regions())
        if tenant.tenant_class == "regulated" and tenant.region is None:
            yield document.problem([*loc, "region"], "is required for a regulated tenant: its data is restored only there")


def environment_problems(document: Document, environment: Environment, known: Known) -> Iterator[Problem]:
    """Of environments/NAME.yaml."""
    if environment.environment != document.path.stem:
        what = f"the file of environment {environment.environment!r} must be named {environment.environment}.yaml"
        yield document.problem(["environment"], what)
    if environment.owner not in known.teams:
        yield document.unknown(["owner"], "team", environment.owner, known.teams)
    if environment.cloud is not None and environment.cloud not in known.platform.clouds:
        yield document.unknown(["cloud"], "cloud", environment.cloud, known.platform.clouds)


def rate_problems(document: Document, rates: Rates, services: Iterable[Service], known: Known) -> Iterator[Problem]:
    """Of rates.yaml: every cloud that has databases needs its prices."""
    for cloud in rates.rates:
        if cloud not in known.platform.clouds:
            yield document.unknown(["rates", cloud], "cloud", cloud, known.platform.clouds)
    used = {str(item.cloud) for service in services for item in service.datastores}
    for cloud in sorted(used & set(known.platform.clouds) - set(rates.rates)):
        yield document.problem(
            ["rates", cloud], "is required: databases are restored there, and a drill has a price before it runs"
        )


def service_problems(document: Document, service: Service, known: Known) -> Iterator[Problem]:
    """Of services/NAME.yaml, but for its datastores."""
    if service.service != document.path.stem:
        what = f"the file of service {service.service!r} should be named {service.service}.yaml"
        yield document.problem(["service"], what, severity="warning")
    for key, kind, names in (
        ("tier", "tier", known.platform.tiers),
        ("owner", "team", known.teams),
        ("environment", "environment", known.environments),
    ):
        value = getattr(service, key)
        if value not in names:
            yield document.unknown([key], kind, value, names)
    yield from _each(document, ["depends_on"], "service", service.depends_on, known.services)
    for index, tenant in enumerate(service.tenants):
        why = known.broken_tenants.get(tenant) or (known.broken_tenants.get("*") if tenant not in known.tenants else None)
        if why:
            yield document.problem(["tenants", index], f"tenant {tenant!r} cannot be used ({why})")
        elif tenant not in known.tenants:
            yield document.unknown(["tenants", index], "tenant", tenant, known.tenants)
    for key in ("may_drill", "may_keep"):
        names = getattr(service.requests, key)
        yield from _each(document, ["requests", key], "person or team", names, known.people | known.teams)
    yield from repeated(document, ["queues"], [queue.name for queue in service.queues], "queue")
    for index, queue in enumerate(service.queues):
        yield from place_problems(document, ["queues", index], queue, known)
    for index, traffic in enumerate(service.traffic):
        for key in ("primary", "standby"):
            region = getattr(traffic, key)
            if region is not None and region not in known.regions():
                yield document.unknown(["traffic", index, key], "region", region, known.regions())


def place_problems(document: Document, loc: Loc, item: Any, known: Known) -> Iterator[Problem]:
    """Of anything with a `cloud` and a `region`."""
    if item.cloud not in known.platform.clouds:
        yield document.unknown([*loc, "cloud"], "cloud", item.cloud, known.platform.clouds)
    elif item.region not in known.regions(item.cloud):
        yield document.unknown([*loc, "region"], f"region of {item.cloud}", item.region, known.regions(item.cloud))


def _each(document: Document, loc: Loc, kind: str, names: Sequence[str], known: Iterable[str]) -> Iterator[Problem]:
    there = frozenset(known)
    for index, name in enumerate(names):
        if name not in there:
            yield document.unknown([*loc, index], kind, name, there)
