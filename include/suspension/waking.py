"""In which order things wake, as what when there is no capacity, and when they count as ready. Pure but for `answers`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from include.catalog.schedules import Select, Suspension, WakeStep
from include.suspension.decide import named
from include.suspension.decision import Memory, Phase
from include.suspension.model import Resource, Wake

Answers = Callable[[str], bool]
"""Whether an address (``tcp://…``, ``http://…``) answers."""


def chosen(select: Select, resource: Resource) -> bool:
    """Whether a step's selection names a resource."""
    return (
        (not select.families or resource.family in select.families)
        and (not select.names or any(named(resource, pattern) for pattern in select.names))
        and all(resource.tags.get(key) == value for key, value in select.tags.items())
    )


def step_of(suspension: Suspension, resource: Resource) -> WakeStep | None:
    """The first step that selects a resource; None: it wakes first, and nothing waits for it."""
    return next((step for step in suspension.wake if chosen(step.select, resource)), None)


def waits_for(
    suspension: Suspension, resource: Resource, waking: Collection[Resource], remembered: Mapping[str, Memory], answers: Answers
) -> str | None:
    """Why a resource must not be started yet, in words; None: its turn has come.

    `waking`: what of the environment is to be started now; `remembered`: all that is known of the environment, so that a step
    in another account counts too.
    """
    step = step_of(suspension, resource)
    before = _before(suspension, step) if step is not None else []
    for earlier in before:
        still = [one.name for one in waking if step_of(suspension, one) == earlier]
        still += [
            memory.former.resource.name
            for memory in remembered.values()
            if memory.phase is Phase.WAKING and memory.former and step_of(suspension, memory.former.resource) == earlier
        ]
        if still:
            return f"step {earlier.name} is not up yet: {', '.join(sorted(set(still))[:5])}"
        silent = [address for address in earlier.ready if not answers(address)]
        if silent:
            return f"step {earlier.name} is up and not ready: {', '.join(silent)} does not answer"
    return None


def _before(suspension: Suspension, step: WakeStep) -> list[WakeStep]:
    """The steps that a step waits for, directly or not, in their order."""
    wanted, found = set(step.after), []
    for earlier in reversed(suspension.wake):
        if earlier.name in wanted:
            found.append(earlier)
            wanted |= set(earlier.after)
    return found[::-1]


def ladder(resource: Resource, former: Resource, suspension: Suspension) -> list[Wake]:
    """How to try to start something, best first: as it was; then other types; then its own type in other zones."""
    own = former.instance_type
    back = own if resource.instance_type not in (None, own) else None
    rungs = [Wake(resource=resource, size=former.size, instance_type=back)]
    rungs += [Wake(resource=resource, size=former.size, instance_type=other) for other in suspension.fallbacks.get(own or "", ())]
    rungs += [Wake(resource=resource, size=former.size, instance_type=back, zones=(zone,)) for zone in suspension.zones]
    return rungs


def answers(address: str) -> bool:
    """Whether something answers at ``tcp://host:port`` or ``http(s)://…`` (any status below 500), within seconds."""
    import socket
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    parts = urlsplit(address)
    try:
        if parts.scheme == "tcp":
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=3):
                return True
        if parts.scheme in ("http", "https"):
            with urlopen(address, timeout=5) as answer:  # noqa: S310 - the catalog's own address, http(s) only
                return bool(answer.status < 500)
    except HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    raise ValueError(f"{address!r} is no tcp://host:port or http(s):// address")
