"""Restoring from a cold kit: which place is left, what can be read there, and a desk for it. No ledger, no Airflow."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from include import clouds
from include.catalog.model import Datastore, Validation
from include.evidence.packing import domains, region_in
from include.recovery.contracts import Unsupported
from include.recovery.model import Forecast, PlanItem, RecoveryPoint, Request, Survey, Target
from include.recovery.naming import COLD
from include.recovery.targets import choose_point
from include.values import Frozen, digest, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.connections import Connections
    from include.evidence.kit import Kit, KitDatastore, KitService
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.recovery.contracts import BackupSource
    from include.recovery.desk import Desk
    from include.recovery.notebook import Notebook

PATIENCE = timedelta(days=2)
"""A restore that is needed is not given up because it takes longer than a drill may."""
NO_CAP = Decimal("1000000")


class NothingLeft(LookupError):
    """No failure domain that is left has anything to restore this from. Says what was looked at, and what was found."""


class Place(Frozen):
    """One failure domain that a database can be restored from."""

    domain: str
    region: str
    points: tuple[RecoveryPoint, ...]
    basis: str
    """``read now``, or ``as the kit knows them`` where the place could not be asked."""
    read_now: bool
    datastore: Any
    """The catalog's entry as it stands there."""

    @property
    def reach(self) -> datetime:
        return max(point.restorable_until for point in self.points)


@contextmanager
def unpacked(kit: Kit, environ: Mapping[str, str] = os.environ) -> Iterator[Loaded]:
    """The kit's catalog, loaded. The machine's own variables come before those of the kit. Raises CatalogError."""
    from include.catalog.load import load

    with TemporaryDirectory(prefix="drillyard-kit-") as scratch:
        for name, text in kit.files.items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"kit {kit.kit_id} names a file outside of its folder, {name!r}: do not use it")
            path = Path(scratch, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        yield load(Path(scratch), {**kit.variables, **environ})


class Reading:
    """Looks for what is left of one platform's backups."""

    def __init__(self, loaded: Loaded, connections: Connections, lost: Collection[str] = ()) -> None:
        self._loaded, self._connections, self._lost = loaded, connections, set(lost)

    def best(self, service: KitService, known: KitDatastore, now: datetime) -> tuple[Place, list[str]]:
        """The place to restore from, and what was found elsewhere. What can be read now comes before what the kit knows; where
        nothing can be read, home is what burns; then what reaches furthest; then home. Raises NothingLeft."""
        found, notes = list[Place](), list[str]()
        for domain in domains(known) or [known.failure_domain]:
            if domain in self._lost:
                notes.append(f"{domain}: given as lost")
                continue
            try:
                place = self.place(service.service, known, domain, now)
            except (LookupError, Unsupported) as nothing:
                notes.append(f"{domain}: {nothing}")
                continue
            found.append(place)
            notes.append(
                f"{domain}: {len(place.points)} recovery points {place.basis}, until {place.reach:%Y-%m-%d %H:%M:%S} UTC"
            )
        if not found:
            raise NothingLeft(f"nothing is left to restore it from: {'; '.join(notes) or 'no copy is known'}")
        home = known.failure_domain
        return max(
            found, key=lambda one: (one.read_now, one.read_now or one.domain != home, one.reach, one.domain == home)
        ), notes

    def place(self, service: str, known: KitDatastore, domain: str, now: datetime) -> Place:
        """What one failure domain holds. Raises LookupError or Unsupported when it holds nothing."""
        platform = self._loaded.catalog.platform
        datastore, region = self.entry(service, known.datastore), known.region
        if domain != known.failure_domain:
            region = region_in(platform, known.cloud, domain) or domain
            datastore = clouds.room(known.cloud).elsewhere(datastore, region, domain)
        points, why = self._read_now(f"{service}/{known.datastore}", datastore, domain, now)
        basis = "read now"
        if not points and not clouds.room(known.cloud).places(datastore, domain):  # a folder that cannot be read has nothing
            points, basis = as_known(known, region, domain), f"as the kit knows them ({why})"
        if not points:
            raise LookupError(why or "there is no recovery point")
        return Place(domain=domain, region=region, points=points, basis=basis, read_now=basis == "read now", datastore=datastore)

    def entry(self, service: str, name: str) -> Datastore:
        """The catalog's entry. Raises LookupError."""
        catalog = self._loaded.catalog
        if service not in catalog.services:
            raise LookupError(f"the kit's catalog cannot be used for {service}: {self._loaded.broken.get(service, 'not in it')}")
        found: Datastore = next(one for one in catalog.services[service].datastores if one.name == name)
        return found

    def _read_now(self, key: str, datastore: Datastore, domain: str, now: datetime) -> tuple[tuple[RecoveryPoint, ...], str]:
        """The points that a place itself tells of, or why it tells none."""
        try:
            room, settings = clouds.room(datastore.cloud), self._loaded.catalog.settings.get(datastore.cloud)
            survey = room.backup_source(self._connections, settings).survey({key: datastore}, now)
        except Exception as error:  # whatever an SDK or a dead mount raises: the next place may answer
            return (), f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        here = tuple(one for one in survey.points.get(key, ()) if one.failure_domain == domain)
        why = survey.unreadable.get(key, "" if here else "no recovery point lies there")
        return here, why.partition(";")[0]


def as_known(known: KitDatastore, region: str, domain: str) -> tuple[RecoveryPoint, ...]:
    """The kit's points in a failure domain: its own points there, else those that have a copy there, as of the copy."""
    own = tuple(one for one in known.points if one.failure_domain == domain)
    if own:
        return own
    moved = []
    for point in known.points:
        for copy in point.copies:
            if copy.failure_domain == domain:
                at = copy.taken_at or point.taken_at
                update = {"region": region, "failure_domain": domain, "copies": (), "taken_at": at, "restorable_until": at}
                moved.append(point.model_copy(update=update))
    return tuple(moved)


class Known:
    """A `BackupSource` that gives what was found, once."""

    def __init__(self, points: Sequence[RecoveryPoint]) -> None:
        self._points = tuple(points)

    def survey(self, datastores: Mapping[str, Datastore], now: datetime) -> Survey:
        """The same points for whichever datastore is asked for: there is one."""
        del now
        return Survey(points=dict.fromkeys(datastores, self._points))


def cold_desk(
    loaded: Loaded, service: str, place: Place, stores: Stores, notebook: Notebook, connections: Connections, secret: str
) -> Desk:
    """A desk for one database, as it stands in the place that is left."""
    from include.recovery.desk import Desk

    cloud = place.datastore.cloud
    return Desk(
        cloud=cloud,
        loaded=standing(loaded, service, place.datastore),
        ledger=cast("Ledger", notebook),  # the steps of a drill ask for what a notebook has
        stores=stores,
        source=cast("BackupSource", Known(place.points)),
        restore=clouds.room(cloud).database_restore(connections, loaded.catalog.settings.get(cloud)),
        secret=secret,
    )


def standing(loaded: Loaded, service: str, datastore: Datastore) -> Loaded:
    """The catalog with one datastore replaced, and without its suite of expectations: it takes seconds that nobody has."""
    validation: Validation = datastore.validation.model_copy(update={"expectations": None})
    there = datastore.model_copy(update={"validation": validation})
    old = loaded.catalog.services[service]
    new = old.model_copy(update={"datastores": [there if one.name == there.name else one for one in old.datastores]})
    return replace(loaded, catalog=replace(loaded.catalog, services={**loaded.catalog.services, service: new}))


def plan_item(
    kit: Kit, service: KitService, known: KitDatastore, place: Place, target: Target, request: Request, salt: str = ""
) -> PlanItem:
    """The restore as a plan item. Its id comes from kit, place and target: asking again finds what the first try made."""
    asked = {"kit": kit.kit_id, "domain": place.domain, "target": target.model_dump(mode="json"), "salt": salt}
    now = utcnow()
    return PlanItem(
        drill_id=f"{service.service}.{known.datastore}.{COLD}{digest(asked)[:10]}",
        service=service.service,
        datastore=known.datastore,
        cloud=known.cloud,
        region=place.region,
        tier=service.tier,
        why=request.reason,
        target=target,
        request=request,
        forecast=forecast_of(known, service),
        rpo=service.rpo_target,
        rto=service.rto_target,
        planned_at=now,
        catalog_revision=kit.catalog_revision,
    )


def forecast_of(known: KitDatastore, service: KitService) -> Forecast:
    """How long it should take by the kit. No cap: nobody stops a recovery because of its price."""
    duration = known.rto_measured or service.rto_target
    basis = "the kit's measured RTO" if known.rto_measured else "the target: it was never measured"
    return Forecast(duration=duration, cost=Decimal("0"), cap=NO_CAP, currency="EUR", basis=basis)


def chosen(place: Place, target: Target) -> RecoveryPoint:
    """The point that will be restored. Raises NoPoint, with what is there."""
    return choose_point(place.points, target)
