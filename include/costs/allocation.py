"""From facts to services, environments, owners and tenants. Every amount is given away exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from include.costs import money
from include.costs.bill import Fact
from include.costs.classify import NOT_TRANSFER
from include.costs.keys import Declared
from include.costs.parties import UNALLOCATED, Party
from include.costs.settings import CostSettings
from include.costs.split import split
from include.values import Frozen

REMAINDER = "(remainder)"
CROSS_CLOUD = "cross_cloud"
NO_TENANT = "(no tenant)"


class ServiceFacts(Frozen):
    """What the catalog says about a service, as far as costs need it."""

    environment: str = ""
    owner: str = ""
    tenants: tuple[str, ...] = ()


class Share(NamedTuple):
    """A part of a fact that one service and one tenant carry."""

    month: str
    provider: str
    currency: str
    transfer_class: str
    origin: str
    to: str
    rule: str
    service: str
    environment: str
    owner: str
    tenant: str
    how: str
    drill: str
    """The drill tag; empty where there is none."""
    billed: Decimal
    effective: Decimal
    listed: Decimal
    gb: Decimal


_AMOUNTS = ("billed", "effective", "listed", "gb")


def with_destinations(facts: list[Fact], parties: list[Party], settings: CostSettings) -> list[Fact]:
    """Facts whose destination is known to be another cloud of the catalog, as cross-cloud; with a share, split in two."""
    clouds = settings.providers
    classes = {name for entry in settings.destinations for name in entry.classes} | {
        "internet_egress",
        "vpn_direct_connect",
        "peering",
    }
    found: list[Fact] = []
    for fact in facts:
        party = parties[fact.party]
        cloud = party.destination.split("/")[0].split(":")[0].strip().lower()
        elsewhere = cloud in clouds and clouds[cloud] != fact.provider
        if not elsewhere or fact.transfer_class not in classes:
            found.append(fact)
            continue
        share = Decimal(party.destination_share)
        changed = {"transfer_class": CROSS_CLOUD, "to": party.destination}
        if share == 1:
            found.append(_with(fact, changed))
            continue
        parts = {name: split(getattr(fact, name), {"a": share, "b": 1 - share}) for name in _AMOUNTS}
        moved = {name: shares.get("a", Decimal(0)) for name, (shares, _) in parts.items()}
        rest = {name: money.EXACT.subtract(getattr(fact, name), moved[name]) for name in _AMOUNTS}
        found.append(_with(fact, {**changed, **moved, "rows": 0}))
        found.append(_with(fact, rest))
    return found


def _with(fact: Fact, changed: Mapping[str, object]) -> Fact:
    return fact._replace(**changed)  # type: ignore[arg-type]


def allocate(
    facts: list[Fact], parties: list[Party], declared: Declared, settings: CostSettings, services: dict[str, ServiceFacts]
) -> list[Share]:
    """Shares of all facts. The sum of their amounts is the sum of the facts' amounts, to the last digit.

    A shared part is split over services by its key's weights; a service's cost over its tenants by the tenant tag, by its
    only tenant in the catalog, or by the tenant weights of the part's key (else ``orders``). What no weight covers stays
    ``(unallocated)``; what the last decimal cannot divide is ``(remainder)``.
    """
    shares: list[Share] = []
    keys = {part.name: part.key for part in settings.shared}
    nothing = ServiceFacts()
    for fact in facts:
        party = parties[fact.party]
        amounts = (fact.billed, fact.effective, fact.listed, fact.gb)
        key = keys.get(party.shared, "orders")
        parts = [(party.service or UNALLOCATED, amounts)]
        if party.shared:
            weights = declared.weights_of(fact.month, key, "service")
            parts = _divide(amounts, weights) if weights else [(UNALLOCATED, amounts)]
        for service, part in parts:
            known = services.get(service, nothing)
            for tenant, last in _tenants(party, known, part, fact.month, key, declared):
                shares.append(_share(fact, party, service, tenant, known, last))
    return shares


Amounts = tuple[Decimal, Decimal, Decimal, Decimal]
"""Billed, effective, listed, GB."""


def _divide(amounts: Amounts, weights: dict[str, Decimal]) -> list[tuple[str, Amounts]]:
    divided = [split(amount, weights) for amount in amounts]
    zero = Decimal(0)
    parts = [
        (who, _four(shares.get(who, zero) for shares, _ in divided)) for who, weight in sorted(weights.items()) if weight > 0
    ]
    rest = _four(remainder for _, remainder in divided)
    return [*parts, (REMAINDER, rest)] if any(rest) else parts


def _four(amounts: Iterable[Decimal]) -> Amounts:
    billed, effective, listed, gb = amounts
    return billed, effective, listed, gb


def _tenants(
    party: Party, known: ServiceFacts, amounts: Amounts, month: str, key: str, declared: Declared
) -> list[tuple[str, Amounts]]:
    if party.tenant:
        return [(party.tenant, amounts)]
    if len(known.tenants) == 1:
        return [(known.tenants[0], amounts)]
    weights = declared.weights_of(month, key, "tenant")
    if known.tenants:
        weights = {name: weight for name, weight in weights.items() if name in known.tenants}
    if not weights or not (known.tenants or party.shared):
        return [(NO_TENANT, amounts)]
    return _divide(amounts, weights)


def _share(fact: Fact, party: Party, service: str, tenant: str, known: ServiceFacts, amounts: Amounts) -> Share:
    return Share(
        fact.month,
        fact.provider,
        fact.currency,
        fact.transfer_class,
        fact.origin,
        fact.to,
        fact.rule,
        service,
        party.environment or known.environment,
        party.owner or known.owner,
        tenant,
        party.how,
        party.drill,
        *amounts,
    )


def is_transfer(name: str) -> bool:
    """True for every class but `not_transfer`; the unclassified line counts, because it looks like transfer."""
    return name != NOT_TRANSFER
