"""Which environment a resource belongs to, and which accounts and regions there are to look at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from include.catalog.errors import unknown
from include.catalog.model import Environment
from include.suspension.model import Batch, Resource


class Ambiguous(ValueError):
    """Two environments claim one resource: it is left alone."""


def sleeping(environments: Mapping[str, Environment], name: str | None) -> Environment:
    """The environment of that name that is put to sleep. Raises LookupError, naming the nearest, when there is none."""
    known = {one: environment for one, environment in environments.items() if environment.suspension is not None}
    if not name:
        raise LookupError(f"name the environment: it is one of {', '.join(sorted(known)) or 'none: no file has a suspension'}")
    if name in environments and name not in known:
        raise LookupError(f"environment {name!r} is never put to sleep: its file environments/{name}.yaml has no suspension")
    if name not in known:
        what, close = unknown("environment with a suspension", name, known)
        raise LookupError(f"{what}; did you mean {close!r}?" if close else what)
    return known[name]


def batches(environments: Mapping[str, Environment]) -> list[Batch]:
    """One batch for each account and region, with the kinds that any environment wants there; sorted."""
    kinds: dict[tuple[str, str, str], set[str] | None] = {}
    connections: dict[tuple[str, str, str], str] = {}
    for environment in environments.values():
        for scope in environment.suspension.accounts if environment.suspension else ():
            for region in scope.regions:
                place = (scope.cloud, scope.account, region)
                known = kinds.get(place, set())
                kinds[place] = None if known is None or not scope.kinds else known | set(scope.kinds)
                connections.setdefault(place, scope.connection)
    return [
        Batch(
            cloud=cloud,
            account=account,
            region=region,
            connection=connections[cloud, account, region],
            kinds=tuple(sorted(k or ())),
        )
        for (cloud, account, region), k in sorted(kinds.items())
    ]


def claims(environment: Environment, resource: Resource) -> bool:
    """Whether an environment's accounts and tags fit a resource."""
    suspension = environment.suspension
    if suspension is None:
        return False
    there = any(
        (scope.cloud, scope.account) == (resource.cloud, resource.account)
        and resource.region in scope.regions
        and (not scope.kinds or resource.kind in scope.kinds)
        for scope in suspension.accounts
    )
    return there and all(resource.tags.get(key) == value for key, value in suspension.match.items())


def environment_of(resource: Resource, environments: Iterable[Environment]) -> Environment | None:
    """The environment that claims a resource with the most tags; None when nobody does. Raises Ambiguous, naming both."""
    found = [one for one in environments if claims(one, resource)]
    if not found:
        return None
    most = max(len(one.suspension.match) for one in found if one.suspension)
    best = [one for one in found if one.suspension and len(one.suspension.match) == most]
    if len(best) > 1:
        names = " and ".join(sorted(one.environment for one in best))
        raise Ambiguous(f"environments {names} both claim {resource.key}: give one of them more tags in suspension.match")
    return best[0]
