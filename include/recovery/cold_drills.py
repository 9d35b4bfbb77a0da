"""The drill of the way back: `recover` from each store in turn, in a process that is kept from all that a fire would take."""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include import clouds
from include.connections import ConnectionInfo
from include.evidence.kit import COLD_DRILL
from include.evidence.naming import new_record_id
from include.evidence.packing import domain_of, named_connections
from include.evidence.record import NoteRecord
from include.evidence.store import RECORD, LocalStore
from include.recovery.cold_process import Order
from include.recovery.stops import opened
from include.settings import PROJECT
from include.values import Frozen, Instant, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.catalog.model import Datastore, EvidenceStore, Service
    from include.connections import Connections
    from include.evidence.stores import Stores
    from include.ledger import Ledger

log = logging.getLogger(__name__)

HISTORY = timedelta(days=400)
"""How far back cold drills are looked for. One that is older proves nothing."""
SLACK = timedelta(days=1)
"""A weekly run may come a little early: what is due within a day is due now."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


class ColdItem(Frozen):
    """One service to be brought back from one store. Small enough for XCom."""

    service: str
    store: str
    tier: str
    why: str

    @property
    def label(self) -> str:
        return f"{self.service} from {self.store}"


class ColdOutcome(Frozen):
    """What came of one service."""

    service: str
    store: str
    passed: bool
    summary: str
    seconds: float | None = None
    """Of the slowest of its databases, from the decision to the first answer."""
    at: Instant


def due(loaded: Loaded, notes: Iterable[NoteRecord], now: datetime, *, only: Iterable[str] | None = None) -> list[ColdItem]:
    """What is due, each from the store whose turn it is: the one that served this service longest ago. Pure.

    `notes` are the cold drills of the past. `only` names services, due or not.
    """
    last = newest(notes)
    chosen, stores = (None if only is None else set(only)), [one.name for one in loaded.catalog.platform.evidence]
    found = []
    for name, service in sorted(loaded.catalog.services.items()):
        subjects = [f"{name}/{one.name}" for one in service.datastores]
        if not subjects or (chosen is not None and name not in chosen):
            continue
        every = loaded.catalog.platform.tiers[service.tier].cold_drill_every
        near = beside(loaded, service) or stores
        turns = {store: min(last.get((one, store)) or _NEVER for one in subjects) for store in near}
        at = max(turns.values())
        why = "asked for" if chosen is not None else _why(at, every, now)
        if why:
            store = min(near, key=lambda one: (turns[one], stores.index(one)))
            found.append(ColdItem(service=name, store=store, tier=service.tier, why=why))
    return found


def beside(loaded: Loaded, service: Service) -> list[str]:
    """The stores that a fire at a service's home leaves with a copy of each of its databases: those beside a folder of its
    backups, and where a cloud keeps them, those outside of its own failure domain. Empty when there is none."""

    def left(store: EvidenceStore, datastore: Datastore) -> bool:
        places, home = _places(loaded, datastore), domain_of(loaded.catalog.platform, datastore.cloud, datastore.region)
        return store.failure_domain in places if places else store.failure_domain != home

    return [one.name for one in loaded.catalog.platform.evidence if all(left(one, each) for each in service.datastores)]


_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _why(at: datetime, every: timedelta, now: datetime) -> str | None:
    if at == _NEVER:
        return "never brought back from a kit"
    return f"last brought back {at:%Y-%m-%d}" if now - at >= every - SLACK else None


def newest(notes: Iterable[NoteRecord]) -> dict[tuple[str, str], datetime]:
    """When each datastore was last brought back from each store, successfully, by (``service/datastore``, store)."""
    found: dict[tuple[str, str], datetime] = {}
    for note in notes:
        key = (note.subject, str(note.detail.get("store")))
        if note.event == COLD_DRILL and note.detail.get("verdict") == "passed" and found.get(key, _NEVER) < note.written_at:
            found[key] = note.written_at
    return found


def planned(connections: Connections, services: Iterable[str], now: datetime) -> list[ColdItem]:
    """What is due now, or the named services (``all``: every one). Raises LookupError for a name that is not in the catalog."""
    loaded, ledger, _ = opened(connections)
    names = list(services)
    if names == ["all"]:
        names = sorted(loaded.catalog.services)
    unknown = [name for name in names if name not in loaded.catalog.services]
    if unknown:
        raise LookupError(
            f"no service {', '.join(unknown)} in the catalog; it knows {', '.join(sorted(loaded.catalog.services))}"
        )
    return due(loaded, ledger.notes(event=COLD_DRILL, since=now - HISTORY), now, only=names or None)


def run_planned(item: ColdItem, connections: Connections) -> ColdOutcome:
    """`run` with the platform that is set."""
    return run(item, *opened(connections), connections)


def run(item: ColdItem, loaded: Loaded, ledger: Ledger, stores: Stores, connections: Connections) -> ColdOutcome:
    """One service through one store, in a process of its own. Its records are spread to every store and to the ledger as it
    writes them, so that the reaper and the report know them. A service that could not be brought back is recorded too."""
    entry = next(one for one in loaded.catalog.platform.evidence if one.name == item.store)
    with TemporaryDirectory(prefix="drillyard-cold-") as scratch:
        here = LocalStore("here", Path(scratch, "evidence"))
        try:
            order = order_of(item, loaded, entry, here.root, connections)
        except LookupError as unknown:
            return _outcome(item, [], f"store {item.store} cannot be opened: {unknown}", ledger, stores)
        environ = {**_plain_environment(loaded), **dict(_needed(item, loaded, order, connections))}
        results: list[dict[str, Any]] = []
        failed = ""
        for line in _lines(order, environ):
            if "record" in line:
                record = RECORD.validate_json(here.read(line["record"]))
                for store, why in stores.write_record(record).failures.items():
                    log.error("evidence store %s did not take %s: %s", store, record.record_id, why)
                ledger.project(record)
            elif "say" in line:
                log.info("%s: %s", item.label, line["say"])
            results = line.get("done", results)
            failed = line.get("failed", failed)
    return _outcome(item, results, failed, ledger, stores)


def order_of(item: ColdItem, loaded: Loaded, store: EvidenceStore, here: Path, connections: Connections) -> Order:
    """What the process gets. Everything outside of the store's own failure domain counts as lost, but the other regions of a
    cloud that keeps the backups itself: its home burns, and the copies elsewhere are what is left."""
    platform = loaded.catalog.platform
    domains = {region.failure_domain for cloud in platform.clouds.values() for region in cloud.regions}
    left = {store.failure_domain, *_abroad(loaded, loaded.catalog.services[item.service])}
    lost = sorted((domains | {one.failure_domain for one in platform.evidence}) - left)
    places = [dict(_places(loaded, one)) for one in loaded.catalog.services[item.service].datastores]
    far = [place for found in places for domain, folders in found.items() if domain in lost for place in folders]
    far += [one.url for one in platform.evidence if one.failure_domain in lost]
    near = [place for found in places for domain, folders in found.items() if domain not in lost for place in folders]
    options = connections(store.connection).extra.get("storage_options", {}) if store.connection else {}
    return Order(
        store=store.url,
        store_name=store.name,
        store_options=options,
        here=str(here),
        services=(item.service,),
        lost=tuple(lost),
        hidden=tuple(dict.fromkeys(str(folder) for place in far if (folder := _folder(place)))),
        offline=all(places) and all(_folder(place) is not None for place in (*near, store.url)),
        trusted_keys=tuple(platform.trusted_keys),
        secret=secrets.token_hex(32),
        reason=f"cold kit: {item.why}",
    )


def _abroad(loaded: Loaded, service: Service) -> Iterator[str]:
    """The failure domains of the clouds that keep a service's backups, without its homes."""
    platform = loaded.catalog.platform
    kept = [one for one in service.datastores if not _places(loaded, one)]
    homes = {domain_of(platform, one.cloud, one.region) for one in service.datastores}
    for cloud in sorted({one.cloud for one in kept}):
        yield from (region.failure_domain for region in platform.clouds[cloud].regions if region.failure_domain not in homes)


def _places(loaded: Loaded, datastore: Datastore) -> Mapping[str, Any]:
    domain = domain_of(loaded.catalog.platform, datastore.cloud, datastore.region)
    return clouds.room(datastore.cloud).places(datastore, domain)


def _folder(place: str) -> Path | None:
    """A place on this machine, or None for one that is reached over the network."""
    scheme, separator, rest = place.partition("://")
    return None if separator and scheme not in ("file", "local") else PROJECT / (rest if separator else place)


def _plain_environment(loaded: Loaded) -> dict[str, str]:
    """What a bare machine has, and the catalog's own variables: no connection, nothing of Airflow's."""
    from include.catalog.source import variables_in
    from include.evidence.packing import catalog_files

    names = {name for text in catalog_files(loaded.base).values() for name in variables_in(text)}
    return {name: os.environ[name] for name in (*_KEPT, *names) if name in os.environ} | {"PYTHONPATH": str(PROJECT)}


def _needed(item: ColdItem, loaded: Loaded, order: Order, connections: Connections) -> Iterator[tuple[str, str]]:
    """The connections of a cloud that must be asked. A restore from folders gets none."""
    if order.offline:
        return
    datastores = loaded.catalog.services[item.service].datastores
    settings = [loaded.catalog.settings.get(one.cloud) for one in datastores if not _places(loaded, one)]
    asked = [one for one in datastores if not _places(loaded, one)]
    for conn_id in dict.fromkeys(name for entry in (*asked, *settings) for name in named_connections(entry)):
        try:
            yield f"AIRFLOW_CONN_{conn_id.upper()}", as_json(connections(conn_id))
        except LookupError as unknown:
            log.warning("%s: %s", item.label, unknown)


def as_json(info: ConnectionInfo) -> str:
    """A connection in the form that a variable holds."""
    fields = {"conn_type": info.conn_type, "host": info.host, "port": info.port, "login": info.login, "password": info.password}
    return json.dumps({**fields, "schema": info.schema_name, "extra": info.extra})


def _lines(order: Order, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What the process says, line by line; its last words when it ends without being done."""
    command = [sys.executable, "-m", "include.recovery.cold_process"]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  both are pipes
        process.stdin.write(order.model_dump_json())
        process.stdin.close()
        other: list[str] = []
        ended = False
        for line in process.stdout:
            try:
                found = json.loads(line)
            except ValueError:
                other.append(line.rstrip())
                continue
            ended = ended or "done" in found or "failed" in found
            yield found
    if not ended:
        yield {"failed": f"the process ended with {process.returncode}: {' | '.join(other[-3:])[:500]}"}


def _outcome(item: ColdItem, results: list[dict[str, Any]], failed: str, ledger: Ledger, stores: Stores) -> ColdOutcome:
    now = utcnow()
    bad = [one for one in results if one["verdict"] != "passed"]
    summary = failed or "; ".join(f"{one['datastore']}: {one['summary']}" for one in bad or results) or "nothing was restored"
    unrecorded = [one["datastore"] for one in bad if one["record_id"] is None] or ([] if results else ["all"])
    for datastore in unrecorded:
        note = NoteRecord(
            record_id=new_record_id(f"note-{COLD_DRILL}", f"{item.service}.{datastore}", now),
            written_at=now,
            event=COLD_DRILL,
            by="schedule",
            subject=f"{item.service}/{datastore}",
            detail={"store": item.store, "verdict": "failed", "summary": summary, "rto_seconds": None},
        )
        stores.write_record(note)
        ledger.project(note)
    times = [one["seconds"] for one in results if one["seconds"] is not None]
    return ColdOutcome(
        service=item.service,
        store=item.store,
        passed=bool(results) and not bad and not failed,
        summary=summary,
        seconds=max(times, default=None),
        at=now,
    )
