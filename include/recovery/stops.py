"""The global stop and the adoption of sandboxes, as the DAGs and the command line ask for them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from include.connections import Connections
from include.values import utcnow

if TYPE_CHECKING:
    from include.catalog.load import Loaded
    from include.evidence.stores import Stores
    from include.ledger import Ledger


def opened(connections: Connections) -> tuple[Loaded, Ledger, Stores]:
    """The platform that is set: its catalog, its ledger and its evidence stores."""
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.recovery.desk import ledger_url
    from include.settings import platform_dir

    loaded = load(platform_dir())
    return loaded, open_ledger(ledger_url(connections)), open_stores(loaded.catalog.platform.evidence, connections)


def set_stop(connections: Connections, action: str, by: str, reason: str) -> str:
    """``stop`` or ``resume`` everything; returns what holds now, in words. Raises ValueError for another action."""
    from include.ledger.acts import resume_everything, stop_everything

    _, ledger, stores = opened(connections)
    if action == "stop":
        held = stop_everything(ledger, stores, by, reason, utcnow())
        return f"stopped by {held.by} at {held.at.isoformat()}: {held.reason}; running drills end safely, no new one begins"
    if action == "resume":
        resume_everything(ledger, stores, by, reason, utcnow())
        return "drills run again"
    raise ValueError(f"the action is stop or resume, not {action!r}")


def set_adoption(connections: Connections, action: str, lease_id: str, person: str, hours: int, reason: str) -> str:
    """Pass a lease to a person of the platform (``adopt``) or hand it back (``release``); returns what holds now.

    Raises ValueError for an unknown person, a person without the right to keep, or a regulated tenant's data.
    """
    from include.ledger.acts import adopt, release

    loaded, ledger, stores = opened(connections)
    now = utcnow()
    if action == "release":
        given = release(ledger, stores, lease_id, person, reason, now)
        return f"{given.sandbox} is handed back; the reaper discards it within the hour"
    lease = ledger.lease(lease_id)
    if lease is None:
        raise LookupError(f"no lease {lease_id!r}; `drillyard ledger leases` lists the open ones")
    _may_keep(loaded, lease.service, person)
    taken = adopt(ledger, stores, lease_id, person, now + timedelta(hours=hours), reason, now)
    return f"{taken.sandbox} is kept by {person} until {taken.expires_at.isoformat()}"


def _may_keep(loaded: Loaded, service_name: str, person: str) -> None:
    from include.catalog.errors import nearest

    people = {p.name: p for p in loaded.catalog.platform.people}
    if person not in people:
        close = nearest(person, people)
        raise ValueError(f"nobody named {person!r} in platform.yaml" + (f"; did you mean {close[0]!r}?" if close else ""))
    service = loaded.catalog.services[service_name]
    regulated = loaded.catalog.regulated(service)
    if regulated:
        names = ", ".join(t.name for t in regulated)
        raise ValueError(f"{service_name} holds data of regulated tenants ({names}): its sandboxes cannot be kept")
    allowed = service.requests.may_keep
    if allowed and person not in allowed and not set(people[person].teams) & set(allowed):
        raise ValueError(f"{person} may not keep sandboxes of {service_name}; the catalog allows: {', '.join(allowed)}")
