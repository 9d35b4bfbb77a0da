"""What goes into a cold kit, from the catalog and what was seen of the recovery points."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from include import clouds
from include.catalog.model import Datastore, Person, Platform, Service, Tenant
from include.catalog.order import critical_path, restore_order
from include.catalog.source import variables_in
from include.evidence.kit import Contact, Kit, KitConnection, KitDatastore, KitService, KitStore, new_kit_id

if TYPE_CHECKING:
    from include.catalog.loaded import Catalog, Loaded
    from include.evidence.record import DrillRecord
    from include.recovery.model import RecoveryPoint

MOST_POINTS = 20
"""Recovery points of one datastore in a kit: the newest. An older one is restored while its own store still lists it."""
SANDBOX_ROLES = ("drillyard_admin", "drillyard_reader")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE", re.IGNORECASE)


@dataclass(frozen=True)
class Seen:
    """What is known of one datastore's recovery points."""

    points: tuple[RecoveryPoint, ...] = ()
    at: datetime | None = None
    note: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def catalog_files(base: Path) -> dict[str, str]:
    """The YAML files of a catalog directory by relative path. Hidden ones, and what is no UTF-8, are left out."""
    found = {}
    for path in sorted(base.rglob("*.yaml")):
        name = path.relative_to(base).as_posix()
        if not any(part.startswith(".") for part in Path(name).parts):
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def pack(
    loaded: Loaded,
    files: Mapping[str, str],
    environ: Mapping[str, str],
    seen: Mapping[str, Seen],
    proofs: Mapping[str, DrillRecord],
    now: datetime,
) -> Kit:
    """The kit. `seen` and `proofs` (newest passed drills) are by datastore id; what is missing there is said in the kit."""
    platform, names = loaded.catalog.platform, sorted({name for text in files.values() for name in variables_in(text)})
    known = {name: environ[name] for name in names if name in environ}
    services = tuple(_services(loaded.catalog, seen, proofs))
    return Kit(
        kit_id=new_kit_id(now),
        written_at=now,
        platform=platform.name,
        catalog_revision=loaded.revision,
        files=dict(files),
        variables={name: value for name, value in known.items() if not _SECRET.search(name)},
        withheld=tuple(name for name in known if _SECRET.search(name)),
        stores=tuple(
            KitStore(name=one.name, url=one.url, failure_domain=one.failure_domain, connection=one.connection)
            for one in platform.evidence
        ),
        trusted_keys=tuple(platform.trusted_keys),
        decides=tuple(people_of(platform, platform.decides, "decides")),
        credentials=platform.credentials,
        connections=tuple(connections_of(loaded.catalog)),
        services=services,
        problems=tuple(problems(loaded, services)),
    )


def _services(catalog: Catalog, seen: Mapping[str, Seen], proofs: Mapping[str, DrillRecord]) -> Iterator[KitService]:
    seconds = measured(catalog, proofs)
    tiers = list(catalog.platform.tiers)
    for wave, names in enumerate(restore_order(catalog.services), 1):
        for name in sorted(names, key=lambda one: (tiers.index(catalog.services[one].tier), one)):
            service = catalog.services[name]
            datastores = tuple(_datastore(catalog, service, one, seen, proofs) for one in service.datastores)
            yield _service(catalog, service, wave, ready_after(catalog, name, seconds), datastores)


def _service(
    catalog: Catalog, service: Service, wave: int, ready: timedelta | None, datastores: tuple[KitDatastore, ...]
) -> KitService:
    platform, tier = catalog.platform, catalog.platform.tiers[service.tier]
    owners = list(people_of(platform, [service.owner], f"owner, {service.owner}"))
    tenants = [catalog.tenants[name] for name in service.tenants if name in catalog.tenants]
    return KitService(
        service=service.service,
        description=service.description,
        tier=service.tier,
        owner=service.owner,
        wave=wave,
        depends_on=tuple(service.depends_on),
        rpo_target=tier.rpo,
        rto_target=tier.rto,
        ready_after=ready,
        decides=tuple(owners),
        told=(*owners, *people_of(platform, service.contacts, "contact"), *_tenants(tenants)),
        hostnames=tuple(one.hostname for one in service.traffic),
        regulated=tuple(one.name for one in catalog.regulated(service)),
        datastores=datastores,
    )


def _tenants(tenants: Iterable[Tenant]) -> Iterator[Contact]:
    for tenant in tenants:
        for mail in tenant.contacts:
            yield Contact(name=tenant.name, email=mail, role="tenant")


def _datastore(
    catalog: Catalog, service: Service, datastore: Datastore, seen: Mapping[str, Seen], proofs: Mapping[str, DrillRecord]
) -> KitDatastore:
    key = f"{service.service}/{datastore.name}"
    looked, proof = seen.get(key, Seen(note="nobody looked at its recovery points")), proofs.get(key)
    points = tuple(sorted(looked.points, key=lambda one: one.taken_at, reverse=True)[:MOST_POINTS])
    superuser = getattr(datastore, "superuser", None)
    return KitDatastore(
        datastore=datastore.name,
        cloud=datastore.cloud,
        region=datastore.region,
        failure_domain=domain_of(catalog.platform, datastore.cloud, datastore.region),
        database=datastore.database,
        roles=(*([superuser] if superuser else []), *SANDBOX_ROLES),
        points=points,
        seen_at=looked.at,
        note=looked.note,
        settings=looked.settings,
        rto_measured=proof.rto_measured if proof else None,
        rto_measured_at=proof.decided_at if proof else None,
        size_bytes=points[0].size_bytes if points else None,
        engine_version=points[0].engine_version if points else None,
    )


def measured(catalog: Catalog, proofs: Mapping[str, DrillRecord]) -> dict[str, float]:
    """Seconds to restore each service of which every datastore was measured, one datastore after the other."""
    found = {}
    for name, service in catalog.services.items():
        times = [proofs[key].rto_measured if (key := f"{name}/{one.name}") in proofs else None for one in service.datastores]
        if None not in times:
            found[name] = sum(one.total_seconds() for one in times if one is not None)
    return found


def ready_after(catalog: Catalog, service: str, seconds: Mapping[str, float]) -> timedelta | None:
    """Until a service is back with everything that it needs, restored side by side. None: a part was never measured."""
    needed, rest = set[str](), [service]
    while rest:
        name = rest.pop()
        if name in catalog.services and name not in needed:
            needed.add(name)
            rest += catalog.services[name].depends_on
    try:
        return timedelta(seconds=critical_path({name: catalog.services[name] for name in needed}, seconds)[1])
    except LookupError:
        return None


def domain_of(platform: Platform, cloud: str, region: str) -> str:
    """What a region fails together with. A region that platform.yaml does not name is its own."""
    regions = platform.clouds[cloud].regions if cloud in platform.clouds else []
    return next((one.failure_domain for one in regions if one.name == region), region)


def region_in(platform: Platform, cloud: str, domain: str) -> str | None:
    """A region of the cloud in this failure domain, or None."""
    regions = platform.clouds[cloud].regions if cloud in platform.clouds else []
    return next((one.name for one in regions if one.failure_domain == domain), None)


def people_of(platform: Platform, names: Iterable[str], role: str) -> Iterator[Contact]:
    """People, and the members of teams, each once, in the order named."""
    told: set[str] = set()
    for name in names:
        for person in platform.people:
            if name in (person.name, *person.teams) and person.name not in told:
                told.add(person.name)
                yield contact(person, role)


def contact(person: Person, role: str) -> Contact:
    """How to reach a person."""
    return Contact(name=person.name, email=person.email, phone=person.phone or "", role=role)


def connections_of(catalog: Catalog) -> Iterator[KitConnection]:
    """Every connection that a restore of this platform may ask for, each once."""
    found: dict[str, KitConnection] = {}
    for key, (_, datastore) in catalog.datastores().items():
        for conn_id in named_connections(datastore):
            _add(found, conn_id, clouds.room(datastore.cloud).CONNECTION_TYPE, f"backups of {key}")
    for cloud, settings in catalog.settings.items():
        for conn_id in named_connections(settings):
            _add(found, conn_id, clouds.room(cloud).CONNECTION_TYPE, f"sandboxes on {cloud}")
    for store in catalog.platform.evidence:
        if store.connection:
            _add(found, store.connection, "generic", f"evidence store {store.name}")
    yield from found.values()


def _add(found: dict[str, KitConnection], conn_id: str, conn_type: str, what: str) -> None:
    before = found.get(conn_id)
    used = f"{before.used_for}, {what}" if before else what
    found[conn_id] = KitConnection(conn_id=conn_id, conn_type=conn_type, used_for=used)


def named_connections(entry: Any) -> Iterator[str]:
    """The connection ids in a catalog entry or a cloud's settings, wherever they stand."""
    data = entry.model_dump() if isinstance(entry, BaseModel) else entry
    if isinstance(data, Mapping):
        for name, value in data.items():
            if name == "connection" and isinstance(value, str):
                yield value
            else:
                yield from named_connections(value)
    elif isinstance(data, Collection) and not isinstance(data, str):
        for value in data:
            yield from named_connections(value)


def problems(loaded: Loaded, services: Iterable[KitService]) -> Iterator[str]:
    """What a recovery with this kit cannot bring back."""
    for name, why in loaded.broken.items():
        yield f"{name}: its catalog file cannot be used: {why}"
    for service in services:
        for one in service.datastores:
            if not one.points:
                yield f"{service.service}/{one.datastore}: no recovery point is known{f': {one.note}' if one.note else ''}"
            elif not any(place != one.failure_domain for place in domains(one)):
                yield f"{service.service}/{one.datastore}: everything it can be restored from is in {one.failure_domain}"


def domains(datastore: KitDatastore) -> list[str]:
    """The failure domains in which it can be restored from something, its own first."""
    found = [one.failure_domain for one in datastore.points]
    found += [copy.failure_domain for one in datastore.points for copy in one.copies]
    return list(dict.fromkeys([*([datastore.failure_domain] if datastore.failure_domain in found else []), *found]))
