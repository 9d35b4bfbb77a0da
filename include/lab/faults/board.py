"""The faults that can be planted, where they go, and what is planted now.

``<home>/faults.json`` lists what is planted: ``fault``, ``service``, ``datastore``, ``must`` (slugs of the checks that must be
found failed), ``may`` (slugs of checks of the same datastore that may fail as a consequence), ``evidence`` (what was done,
in words) and ``undo`` (what `mend` needs).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from include.lab import clouds, fleet
from include.lab import state as states
from include.lab.clouds import CloudFault
from include.lab.faults import of_backups, of_data, of_servers
from include.lab.fleet import Database, Server
from include.lab.state import LabState
from include.values import Frozen


class Planted(Frozen):
    """One fault that is in the lab now."""

    fault: str
    service: str
    datastore: str
    """Empty for a database that no catalog entry names."""
    must: list[str]
    may: list[str]
    evidence: str
    undo: dict[str, Any] = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What records call it: a datastore's id, or an uncatalogued database's name, which a cloud may not give twice."""
        return str(self.undo.get("subject") or (f"{self.service}/{self.datastore}" if self.datastore else self.service))


class Fault(Frozen):
    """A kind of fault. `plant` gives ``must``, ``may``, ``evidence`` and ``undo``; `mend` takes the planted fault back."""

    name: str
    service: str
    """Where it is planted when nothing else is said. The defaults are distinct and leave seven services healthy."""
    physical: bool | None
    """Needs a server with base backups (True), a database with dumps (False), or either (None)."""
    plant: Callable[[LabState, Server, Database], dict[str, Any]]
    mend: Callable[[LabState, Server, Database, dict[str, Any]], None]
    says: str


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            name="stale-backup",
            service="shipping",
            physical=True,
            plant=of_backups.age_backup,
            mend=of_backups.renew,
            says="the newest base backup is nine days old",
        ),
        Fault(
            name="no-copy",
            service="product-content",
            physical=None,
            plant=of_backups.drop_copies,
            mend=of_backups.restore_copies,
            says="nothing lies in the other failure domain, and nothing is copied there any more",
        ),
        Fault(
            name="truncated-base-backup",
            service="invoicing",
            physical=True,
            plant=of_backups.truncate_backup,
            mend=of_backups.complete_backup,
            says="a table's file in the newest base backup is cut off in the middle",
        ),
        Fault(
            name="missing-wal-segment",
            service="warehouse-events",
            physical=True,
            plant=of_backups.lose_segment,
            mend=of_backups.renew,
            says="one archived WAL segment is gone, with later ones there",
        ),
        Fault(
            name="emptied-table",
            service="returns",
            physical=None,
            plant=of_data.empty_table,
            mend=of_data.refill_table,
            says="a table was emptied, and then the backup was taken",
        ),
        Fault(
            name="dropped-constraint",
            service="partner-exchange",
            physical=None,
            plant=of_data.drop_constraint,
            mend=of_data.add_constraint,
            says="a foreign key was dropped, and then the backup was taken",
        ),
        Fault(
            name="sequence-behind-key",
            service="customer-portal",
            physical=None,
            plant=of_data.rewind_sequence,
            mend=of_data.advance_sequence,
            says="a sequence stands behind the keys of its table",
        ),
        Fault(
            name="index-corrupt",
            service="pricing",
            physical=True,
            plant=of_servers.corrupt_index,
            mend=of_servers.rebuild_index,
            says="two entries of an index page have changed places; page checksums are right",
        ),
        Fault(
            name="never-ready",
            service="erp-connector",
            physical=True,
            plant=of_servers.forbid_replay,
            mend=of_backups.renew,
            says="after the base backup the server ran with wal_level=minimal for a while: recovery can never pass that",
        ),
    )
}


def planted(where: Path) -> list[Planted]:
    """The faults that are in the lab of this home now."""
    file = where / "faults.json"
    return [Planted.model_validate(item) for item in json.loads(file.read_text())] if file.exists() else []


def plant(where: Path, name: str, service: str | None = None) -> Planted:
    """Plant one fault in the lab of this home and write it down. The same fault on the same service is planted once.

    Raises KeyError for an unknown fault or service, ValueError when the service cannot have it or has another one,
    FileNotFoundError when there is no lab.
    """
    lab = states.load(where)
    on_clouds = clouds.faults(lab.clouds)
    if name in on_clouds:
        return _plant_on_cloud(where, on_clouds[name], service)
    if name not in FAULTS:
        raise KeyError(f"no fault named {name!r}; known: {', '.join([*FAULTS, *on_clouds])}")
    fault = FAULTS[name]
    server, database = fleet.find(service or fault.service)
    target = database.service
    if fault.physical is not None and fault.physical != server.physical:
        able = ", ".join(d.service for s in fleet.SERVERS if s.physical == fault.physical for d in s.databases)
        raise ValueError(f"{name} cannot be planted on {target}: its backups are of another kind; possible: {able}")

    def make() -> Planted:
        return Planted(fault=name, service=target, datastore=database.datastore, **fault.plant(lab, server, database))

    return _once(where, name, target, make)


def _plant_on_cloud(where: Path, fault: CloudFault, service: str | None) -> Planted:
    if service not in (None, fault.service):
        raise ValueError(f"{fault.name} is planted on {fault.service} alone: leave the service out")

    def make() -> Planted:
        undo = fault.plant(clouds.part(clouds.cloud_of(fault), where)) or {}
        return Planted(
            fault=fault.name,
            service=fault.service,
            datastore=fault.datastore,
            must=list(fault.must),
            may=list(fault.may),
            evidence=fault.says,
            undo=undo,
        )

    return _once(where, fault.name, fault.service, make)


def _once(where: Path, name: str, target: str, make: Callable[[], Planted]) -> Planted:
    """Plant and write down, unless it is there. Raises ValueError when the service has another fault."""
    with states.locked(where):
        there = [item for item in planted(where) if item.service == target]
        if there and there[0].fault == name:
            return there[0]
        if there:
            raise ValueError(f"{target} has {there[0].fault} already: mend it first (drillyard lab mend {target})")
        item = make()
        _write(where, [*planted(where), item])
    return item


def plant_all(where: Path, *, tell: Callable[[str], None] = print) -> list[Planted]:
    """Plant every fault, each on its own service; gives all of them."""
    found = []
    for name in (*FAULTS, *clouds.faults(states.load(where).clouds)):
        found.append(plant(where, name))
        tell(f"{name} on {found[-1].service}: {found[-1].evidence}")
    return found


def plant_again(where: Path, anew: Iterable[str]) -> None:
    """Plant what was planted on clouds that were made anew, which know nothing of it. The caller holds the lab's lock."""
    known = clouds.faults(anew)
    for item in planted(where):
        if item.fault in known:
            fault = known[item.fault]
            undo = fault.plant(clouds.part(clouds.cloud_of(fault), where)) or {}
            again = item.model_copy(update={"undo": undo})
            _write(where, [again if one.fault == item.fault else one for one in planted(where)])


def forget(where: Path, gone: Iterable[str]) -> None:
    """Take the faults of clouds that the lab has no longer from the list. The caller holds the lab's lock."""
    known = clouds.faults(gone)
    if known:
        _write(where, [item for item in planted(where) if item.fault not in known])


def mend(where: Path, service: str | None = None) -> list[Planted]:
    """Take the faults of one service, or all, back; gives what was mended. Each mended database is backed up anew."""
    mended = []
    lab = states.load(where)
    with states.locked(where):
        for item in planted(where):
            if service in (None, item.service):
                _mend(lab, item)
                mended.append(item)
                _write(where, [one for one in planted(where) if one != item])
    return mended


def _mend(lab: LabState, item: Planted) -> None:
    if item.fault in FAULTS:
        server, database = fleet.find(item.service)
        FAULTS[item.fault].mend(lab, server, database, item.undo)
    else:
        fault = clouds.faults(lab.clouds)[item.fault]
        fault.mend(clouds.part(clouds.cloud_of(fault), lab.home), item.undo)


def _write(where: Path, items: list[Planted]) -> None:
    states.write_private(where / "faults.json", json.dumps([item.model_dump(mode="json") for item in items], indent=1))
