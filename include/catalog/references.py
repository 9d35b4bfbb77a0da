"""What a single file cannot know: whether the names that it uses exist, and whether files agree with each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from include.catalog.errors import Problem
from include.catalog.model import Platform
from include.catalog.source import Document, Loc
from include.catalog.view import View
from include.clouds import CLOUDS

Names = Collection[str] | None
"""None: the file that defines them cannot be read there, so nothing is said about what names them."""


@dataclass(frozen=True)
class Known:
    """The names that files define, broken ones too: to name something whose file is broken is not wrong."""

    tiers: Names = None
    people: Names = None
    teams: Names = None
    domains: Names = None
    clouds: dict[str, dict[str, str]] | None = None
    """Failure domains, by cloud and region."""
    services: Names = None
    environments: Names = None
    tenants: dict[str, View] = field(default_factory=dict)
    broken_tenants: dict[str, str] = field(default_factory=dict)
    """Tenants that cannot be used, and where that is said. ``*`` stands for the whole file."""

    @property
    def who(self) -> Names:
        """People and teams."""
        return None if self.people is None or self.teams is None else {*self.people, *self.teams}

    @property
    def regions(self) -> Names:
        return None if self.clouds is None else {region for regions in self.clouds.values() for region in regions}


def platform_names(platform: View) -> dict[str, Names | dict[str, dict[str, str]]]:
    """The part of `Known` that platform.yaml defines."""
    people, evidence, clouds = platform.at("people"), platform.at("evidence"), platform.at("clouds").fields()
    regions = {
        cloud: {r.at("name").text or "": r.at("failure_domain").text or "" for _, r in entry.at("regions").items()}
        for cloud, entry in clouds.items()
    }
    domains = {domain for cloud in regions.values() for domain in cloud.values()}
    stores = {domain for _, domain in evidence.texts("failure_domain")}
    return {
        "tiers": platform.at("tiers").fields() or None,
        "people": {name for _, name in people.texts("name")} if people.items() else None,
        "teams": {team for _, p in people.items() for _, team in p.at("teams").texts()} if people.items() else None,
        "domains": domains | stores if clouds and evidence.items() else None,
        "clouds": regions or None,
    }


def repeated(document: Document, loc: Loc, items: View, what: str) -> Iterator[Problem]:
    """A problem for each item of a list whose `name` was used before."""
    first: dict[str, int] = {}
    for index, name in items.texts("name"):
        if name in first:
            line = document.locate([*loc, first[name], "name"])[1]
            yield document.problem([*loc, index, "name"], f"{what} {name!r} is there twice, first in line {line}; rename one")
        first.setdefault(name, index)


def missing(document: Document, loc: Loc, kind: str, name: View, known: Names) -> Iterator[Problem]:
    """A problem when something is named that nobody defines."""
    if known is not None and name.text is not None and name.text not in known:
        yield document.unknown(loc, kind, name.text, known)


def each_missing(document: Document, loc: Loc, kind: str, names: View, known: Names) -> Iterator[Problem]:
    """`missing` for every item of a list of names."""
    for index, name in names.items():
        yield from missing(document, [*loc, index], kind, name, known)


def platform_problems(document: Document, platform: View, known: Known) -> Iterator[Problem]:
    """Of platform.yaml: its names."""
    for cloud, entry in platform.at("clouds").fields().items():
        if cloud not in CLOUDS:
            yield document.unknown(["clouds", cloud], "cloud", cloud, CLOUDS)
        yield from repeated(document, ["clouds", cloud, "regions"], entry.at("regions"), "region")
    for key, what in (("people", "person"), ("blackouts", "blackout"), ("evidence", "evidence store")):
        yield from repeated(document, [key], platform.at(key), what)
    for index, window in platform.at("blackouts").items():
        loc: Loc = ["blackouts", index]
        yield from each_missing(document, [*loc, "tiers"], "tier", window.at("tiers"), known.tiers)
        yield from each_missing(document, [*loc, "may_override"], "person", window.at("may_override"), known.people)
    yield from each_missing(document, ["decides"], "person or team", platform.at("decides"), known.who)
    for index, key in platform.at("trusted_keys").texts():
        if not re.fullmatch(r"[0-9a-f]{64}", key):
            yield document.problem(["trusted_keys", index], "is no Ed25519 public key: 64 hex digits, lower case")
    yield from _notice_problems(document, platform.at("notices"), known)
    stores = platform.at("evidence").texts("failure_domain")
    if stores and len({domain for _, domain in stores}) < 2:
        what = "all stores are in one failure domain, and evidence must outlive it; add a store in another"
        yield document.problem(["evidence"], what)


def _notice_problems(document: Document, notices: View, known: Known) -> Iterator[Problem]:
    yield from each_missing(document, ["notices", "operators"], "person or team", notices.at("operators"), known.who)
    yield from each_missing(document, ["notices", "page_tiers"], "tier", notices.at("page_tiers"), known.tiers)
    for key, what in (("channels", "channel"), ("heartbeats", "heartbeat")):
        yield from repeated(document, ["notices", key], notices.at(key), what)
    for index, channel in notices.at("channels").items():
        loc: Loc = ["notices", "channels", index]
        yield from each_missing(document, [*loc, "teams"], "team", channel.at("teams"), known.teams)
        yield from each_missing(document, [*loc, "tiers"], "tier", channel.at("tiers"), known.tiers)
    for index, beat in notices.at("heartbeats").items():
        if beat.at("connection").value is None and beat.at("file").value is None:
            yield document.problem(["notices", "heartbeats", index], "needs a connection or a file, or it goes nowhere")


def platform_values(document: Document, platform: Platform) -> Iterator[Problem]:
    """Of platform.yaml: values that do not go together."""
    for name, tier in platform.tiers.items():
        if tier.proof_expires_after is not None and tier.proof_expires_after < tier.drill_every:
            what = "proof expires before the next drill is due, so it is stale in between; make it at least drill_every"
            yield document.problem(["tiers", name, "proof_expires_after"], what, severity="warning")
    for index, window in enumerate(platform.blackouts):
        if window.ends <= window.starts:
            what = f"a window must end after it starts ({window.starts.isoformat()})"
            yield document.problem(["blackouts", index, "ends"], what)


def tenant_problems(document: Document, tenants: View, known: Known) -> Iterator[Problem]:
    """Of tenants.yaml."""
    yield from repeated(document, ["tenants"], tenants, "tenant")
    for index, tenant in tenants.items():
        loc: Loc = ["tenants", index]
        yield from missing(document, [*loc, "region"], "region", tenant.at("region"), known.regions)
        if tenant.at("class").text == "regulated" and tenant.at("region").value is None:
            yield document.problem([*loc, "region"], "is required for a regulated tenant: its data is restored only there")


def environment_problems(document: Document, environment: View, known: Known) -> Iterator[Problem]:
    """Of environments/NAME.yaml."""
    name = environment.at("environment").text
    if name is not None and name != document.path.stem:
        what = f"the file of environment {name!r} must be named {name}.yaml"
        yield document.problem(["environment"], what)
    yield from missing(document, ["owner"], "team", environment.at("owner"), known.teams)
    yield from missing(document, ["cloud"], "cloud", environment.at("cloud"), known.clouds)
    if environment.at("production").value is True and environment.at("suspension").value is not None:
        yield document.problem(["suspension"], "production is never put to sleep; remove it")
    for index, scope in environment.at("suspension", "accounts").items():
        loc: Loc = ["suspension", "accounts", index]
        yield from missing(document, [*loc, "cloud"], "cloud", scope.at("cloud"), CLOUDS)


def rate_problems(document: Document, rates: View, used: Iterable[str], known: Known) -> Iterator[Problem]:
    """Of rates.yaml: every cloud that has databases (`used`) needs its prices."""
    for cloud in rates.at("rates").fields():
        yield from missing(document, ["rates", cloud], "cloud", View(cloud), known.clouds)
    for cloud in sorted((set(used) & set(known.clouds or ())) - set(rates.at("rates").fields())):
        what = "is required: databases are restored there, and a drill has a price before it runs"
        yield document.problem(["rates", cloud], what)


def service_problems(document: Document, service: View, known: Known) -> Iterator[Problem]:
    """Of services/NAME.yaml, but for its datastores."""
    name = service.at("service").text
    if name is not None and name != document.path.stem:
        yield document.problem(["service"], f"the file of service {name!r} should be named {name}.yaml", severity="warning")
    yield from missing(document, ["tier"], "tier", service.at("tier"), known.tiers)
    yield from missing(document, ["owner"], "team", service.at("owner"), known.teams)
    yield from missing(document, ["environment"], "environment", service.at("environment"), known.environments)
    yield from each_missing(document, ["depends_on"], "service", service.at("depends_on"), known.services)
    yield from _tenants_of(document, service, known)
    yield from each_missing(document, ["contacts"], "person or team", service.at("contacts"), known.who)
    for key in ("may_drill", "may_keep"):
        yield from each_missing(document, ["requests", key], "person or team", service.at("requests", key), known.who)
    yield from repeated(document, ["queues"], service.at("queues"), "queue")
    for index, queue in service.at("queues").items():
        yield from place_problems(document, ["queues", index], queue, known)
    for index, traffic in service.at("traffic").items():
        for key in ("primary", "standby"):
            yield from missing(document, ["traffic", index, key], "region", traffic.at(key), known.regions)


def _tenants_of(document: Document, service: View, known: Known) -> Iterator[Problem]:
    for index, tenant in service.at("tenants").texts():
        loc: Loc = ["tenants", index]
        why = known.broken_tenants.get(tenant) or (known.broken_tenants.get("*") if tenant not in known.tenants else None)
        if why:
            yield document.problem(loc, f"tenant {tenant!r} cannot be used, see {why}")
        elif tenant not in known.tenants:
            yield document.unknown(loc, "tenant", tenant, known.tenants)


def place_problems(document: Document, loc: Loc, item: View, known: Known) -> Iterator[Problem]:
    """Of anything with a `cloud` and a `region`."""
    cloud = item.at("cloud").text
    yield from missing(document, [*loc, "cloud"], "cloud", item.at("cloud"), known.clouds)
    if known.clouds is not None and cloud in known.clouds:
        yield from missing(document, [*loc, "region"], f"region of {cloud}", item.at("region"), known.clouds[cloud])
