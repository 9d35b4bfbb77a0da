"""Who is told what: owners, contacts, operators, channels, pagers and tenants, from the catalog. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from include.catalog.loaded import Catalog
from include.catalog.model import Person, Service
from include.notices.conditions import PLATFORM
from include.notices.model import Recipient, Via


def recipients(catalog: Catalog, subjects: Collection[str]) -> list[Recipient]:
    """Everyone who is told anything of these subjects, each once, whatever the number of roles.

    Nobody when platform.yaml has no `notices`. A subject without an owner in the catalog goes to the operators.
    """
    notices = catalog.platform.notices
    if notices is None:
        return []
    told: dict[tuple[Via, str], set[str]] = defaultdict(set)
    tenants: dict[str, set[str]] = defaultdict(set)
    operators = list(people_named(notices.operators, catalog.platform.people))
    for subject in subjects:
        service = None if subject.startswith(PLATFORM) else catalog.services.get(subject.partition("/")[0])
        if service is None:
            for person in operators:
                told["smtp", person.email].add(subject)
            for channel in notices.channels:
                if not channel.teams:
                    told["apprise", channel.connection].add(subject)
        elif "/" in subject or not service.datastores:
            for via, to in _of_service(catalog, service):
                told[via, to].add(subject)
        if service is not None and "/" not in subject:
            for address in _tenant_contacts(catalog, service):
                tenants[address].add(subject)
    found = [Recipient(via=via, to=to, subjects=tuple(sorted(what))) for (via, to), what in sorted(told.items())]
    found += [
        Recipient(via="smtp", to=to, subjects=tuple(sorted(what)), outside=True)
        for to, what in sorted(tenants.items())
        if ("smtp", to) not in told
    ]
    return found


def operators_of(catalog: Catalog) -> list[Recipient]:
    """Where a message goes that concerns no subject of the report, such as a run that is late."""
    return recipients(catalog, [f"{PLATFORM}runs"])


def _of_service(catalog: Catalog, service: Service) -> Iterable[tuple[Via, str]]:
    notices = catalog.platform.notices
    if notices is None:
        return
    for person in people_named([service.owner, *service.contacts], catalog.platform.people):
        yield "smtp", person.email
        if person.pager and service.tier in notices.page_tiers:
            yield "apprise", person.pager
    for channel in notices.channels:
        if (not channel.teams or service.owner in channel.teams) and (not channel.tiers or service.tier in channel.tiers):
            yield "apprise", channel.connection


def people_named(names: Collection[str], people: Iterable[Person]) -> Iterable[Person]:
    """The people who are named, by name or by team, each once."""
    return (person for person in people if {person.name, *person.teams} & set(names))


def _tenant_contacts(catalog: Catalog, service: Service) -> Iterable[str]:
    notices = catalog.platform.notices
    for name in service.tenants:
        tenant = catalog.tenants.get(name)
        if tenant and notices and tenant.tenant_class in notices.tenant_classes:
            yield from tenant.contacts
