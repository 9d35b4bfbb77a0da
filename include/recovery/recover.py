"""`recover`: bring services back from a cold kit, say where they run, and leave a record so that they are known later."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from include.evidence.kit import COLD_DRILL, RECOVERED
from include.evidence.naming import RECORDS, new_record_id
from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord
from include.evidence.runbook import expected, needed
from include.evidence.store import RECORD
from include.recovery import cold, drill, leases
from include.recovery.conclude import draft
from include.recovery.contracts import Transient
from include.recovery.journal import Journal
from include.recovery.model import Check, Lease, Outcome, PlanItem, Request, Target, Verdict
from include.recovery.naming import sandbox_name
from include.recovery.notebook import Notebook
from include.recovery.run import ready
from include.values import Frozen, format_duration, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.connections import Connections
    from include.evidence.kit import Kit, KitDatastore, KitService
    from include.evidence.record import Record
    from include.evidence.store import Store
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.recovery.desk import Desk
    from include.recovery.model import Access

_PROVES = ("harmless", "database", "business")
"""Layers that decide whether a recovered database may be used. Targets were missed before anybody began."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Recovery:
    """One call of `recover`: where from, what to, on whose word."""

    kit: Kit
    store: str
    """The name of the store that the kit came from."""
    loaded: Loaded
    stores: Stores
    connections: Connections
    secret: str
    request: Request
    target: Target = field(default_factory=Target)
    lost: Collection[str] = ()
    discard: bool = False
    """A drill: take the result away again."""
    denied: tuple[str, ...] = ()
    """What this process was kept from, for the record of a drill."""
    salt: str = ""
    regulated: str | None = None
    """Why data of regulated tenants may be kept."""
    say: Say = print
    on_record: Callable[[Record], None] = lambda _: None
    on_access: Callable[[PlanItem, Access], None] = lambda item, access: None


class Recovered(Frozen):
    """What came of one database."""

    service: str
    datastore: str
    verdict: Verdict
    usable: bool
    """Every business question, check of PostgreSQL and harmless measure passed, whatever the targets say."""
    summary: str
    seconds: float | None
    """From the decision to the first answered business question."""
    record_id: str | None = None


def services_of(kit: Kit, names: Sequence[str], *, everything: bool, alone: bool) -> list[KitService]:
    """What to bring back, in the order of recovery: the named services with all that they need, those alone, or everything.

    Raises LookupError for a name that the kit does not know.
    """
    if everything:
        return list(kit.services)
    wanted = {one.service for name in names for one in (needed(kit, name) if not alone else needed(kit, name)[-1:])}
    return [one for one in kit.services if one.service in wanted]


def recover(job: Recovery, services: Sequence[KitService]) -> list[Recovered]:
    """Bring every datastore of these services back, in order. One that fails hides no other."""
    done = []
    for service in services:
        for known in service.datastores:
            began = time.monotonic()
            try:
                done.append(one(job, service, known))
            except (LookupError, OSError, ValueError, RuntimeError, drill.Halted, Transient) as error:
                job.say(f"{service.service}/{known.datastore}: NOT RESTORED: {error}")
                done.append(_not_restored(service, known, str(error)))
            job.say(f"{service.service}/{known.datastore}: took {time.monotonic() - began:.1f} s")
    return done


def _not_restored(service: KitService, known: KitDatastore, why: str) -> Recovered:
    return Recovered(
        service=service.service, datastore=known.datastore, verdict=Verdict.FAILED, usable=False, summary=why, seconds=None
    )


def preview(job: Recovery, services: Sequence[KitService]) -> bool:
    """Say what would be restored from where, without starting anything. Whether everything could be."""
    reading, lacking = cold.Reading(job.loaded, job.connections, job.lost), 0
    for service in services:
        if not service.datastores:
            job.say(f"wave {service.wave}  {service.service}: nothing to restore")
        for known in service.datastores:
            where = f"wave {service.wave}  {service.service}/{known.datastore}"
            try:
                place, notes = reading.best(service, known, utcnow())
                point = cold.chosen(place, job.target)
            except LookupError as nothing:
                lacking += 1
                job.say(f"{where}: CANNOT BE RESTORED: {nothing}")
                continue
            job.say(
                f"{where}: {point.kind} {point.id} of {point.taken_at:%Y-%m-%d %H:%M:%S} UTC from {place.domain} ({place.basis})"
            )
            job.say(f"    its last restore: {expected(service)}; {'; '.join(notes)}")
    job.say(f"{lacking} cannot be restored; nothing was started")
    return lacking == 0


def one(job: Recovery, service: KitService, known: KitDatastore) -> Recovered:
    """Restore one datastore, ask it, and keep it or take it away. Raises NothingLeft or NoPoint, Halted, StoresDown."""
    if service.regulated and not job.discard and job.regulated is None:
        raise ValueError(
            f"it holds data of regulated tenants ({', '.join(service.regulated)}), which are kept in their own region only: "
            "give the reason with --regulated"
        )
    place, notes = cold.Reading(job.loaded, job.connections, job.lost).best(service, known, utcnow())
    point = cold.chosen(place, job.target)
    # A rehearsal keeps nothing, and is given up when it takes too long.
    request = job.request.model_copy(update={"keep": timedelta(0)}) if job.discard else job.request
    item = cold.plan_item(job.kit, service, known, place, job.target, request, job.salt)
    item = item if job.discard else item.model_copy(update={"patience": cold.PATIENCE})
    job.say(f"{item.label}: {'; '.join(notes)}")
    job.say(f"{item.label}: restoring {point.kind} {point.id} from {place.domain}")
    earlier = earlier_lease(job.stores.stores, item.drill_id, job.kit.written_at, utcnow())
    notebook = Notebook([earlier] if earlier else [], job.on_record)
    if earlier:
        job.say(f"{item.label}: an earlier try began at {earlier.opened_at:%Y-%m-%d %H:%M} UTC: going on with it")
        before = [other for other in place.points if other.taken_at <= earlier.opened_at]
        point = cold.chosen(place.model_copy(update={"points": tuple(before) or place.points}), job.target)
        Journal(cast("Ledger", notebook), item).note("point", point.model_dump(mode="json"))
        if not earlier.adopted_by:  # it was cut off: the time since then counts
            notebook.append(item.drill_id, "decided", earlier.opened_at, item.model_dump(mode="json"), key="decided")
    desk = cold.cold_desk(job.loaded, service.service, place, job.stores, notebook, job.connections, job.secret)
    return _conclude(job, desk, item, place, _steps(job, desk, item))


def _steps(job: Recovery, desk: Desk, item: PlanItem) -> bool:
    """The steps of a drill. False when the database never became usable: then it is taken away again."""
    try:
        drill.begin(desk, item)
        ready(desk, item)
        job.say(f"{item.label}: asking its business questions")
        drill.validate(desk, item, None)
    except (drill.Halted, Transient) as halted:
        job.say(f"{item.label}: {halted}; `--anew` makes another beside it")
        return False
    return True


def _conclude(job: Recovery, desk: Desk, item: PlanItem, place: cold.Place, restored: bool) -> Recovered:
    if restored and not job.discard:
        _adopt(desk, item)
        _hand_over(job, desk, item)
    _close(job, desk, item)
    record = draft(desk, item)
    note = _note(job, item, place, record, kept=restored and not job.discard)
    desk.write(note)
    decisive = [check for check in record.checks if check.layer in _PROVES]
    bad = [check for check in decisive if check.outcome in (Outcome.FAILED, Outcome.UNKNOWN)]
    for check in record.checks:
        if check.layer in ("business", "target") or check.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            job.say(f"    {check.outcome.value:<11} {check.name}: {check.measured or ''} {check.detail}".rstrip())
    seconds = record.rto_measured.total_seconds() if record.rto_measured is not None else None
    return Recovered(
        service=item.service,
        datastore=item.datastore,
        verdict=record.verdict,
        usable=restored and bool(decisive) and not bad,
        summary=record.summary,
        seconds=seconds,
        record_id=note.record_id,
    )


def _close(job: Recovery, desk: Desk, item: PlanItem) -> None:
    """End what is not kept. A region that is gone cannot prove that nothing of ours is left in it: then the lease stays open,
    and the reaper looks again when it is back."""
    try:
        leases.close(desk, item)
    except Transient as unknown:
        detail = f"nobody can tell now whether everything was taken away: {unknown}"
        check = Check(name="nothing-left", layer="cleanup", outcome=Outcome.UNKNOWN, detail=detail)
        Journal(desk.ledger, item).add_checks([check])
        job.say(f"{item.label}: {detail}; its lease stays open")


def _adopt(desk: Desk, item: PlanItem) -> None:
    """Pass the lease to whoever recovers, in the store: when the ledger is built again, the reaper leaves it alone."""
    lease = desk.ledger.lease(item.drill_id)
    if lease is None or lease.adopted_by:
        return
    now, by = utcnow(), item.request.requested_by
    kept = lease.model_copy(update={"adopted_by": by, "expires_at": now + item.request.keep})
    leases.write_lease(desk, kept, "adopted", by=by, reason=item.request.reason, at=now)


def _hand_over(job: Recovery, desk: Desk, item: PlanItem) -> None:
    datastore = desk.datastore(item.service, item.datastore)
    access = desk.restore.access(sandbox_name(item.drill_id), datastore, desk.secret)
    job.on_access(item, access)
    until = utcnow() + item.request.keep
    job.say(f"{item.label}: runs at host={access.host} port={access.port} dbname={access.database} user={access.admin}")
    job.say(f"{item.label}: kept by {item.request.requested_by} until {until:%Y-%m-%d %H:%M} UTC (lease {item.drill_id})")


def _note(job: Recovery, item: PlanItem, place: cold.Place, record: DrillRecord, *, kept: bool) -> NoteRecord:
    event, now = (COLD_DRILL if job.discard else RECOVERED), utcnow()
    return NoteRecord(
        record_id=new_record_id(f"note-{event}", item.drill_id, now),
        written_at=now,
        event=event,
        by=item.request.requested_by,
        subject=item.datastore_id,
        detail={
            "kit_id": job.kit.kit_id,
            "store": job.store,
            "domain": place.domain,
            "points": place.basis,
            "denied": list(job.denied),
            "regulated": job.regulated,
            "kept": kept,
            "verdict": record.verdict.value,
            "summary": record.summary,
            "rto_seconds": record.rto_measured.total_seconds() if record.rto_measured is not None else None,
            "drill": record.model_dump(mode="json"),
        },
    )


def earlier_lease(stores: Sequence[Store], drill_id: str, since: datetime, now: datetime) -> Lease | None:
    """The lease of an earlier try of the same restore, from the stores' records; None when there is none or it was closed."""
    ending = re.compile(rf"-lease-[a-z]+-{re.escape(drill_id)}\.json$")
    newest: LeaseRecord | None = None
    for store in stores:
        for day in range((now - since).days + 2):
            for path in _listed(store, f"{RECORDS}{since + timedelta(days=day):%Y/%m/%d}/"):
                if ending.search(path):
                    record = RECORD.validate_json(store.read(path))
                    if isinstance(record, LeaseRecord) and (newest is None or record.written_at > newest.written_at):
                        newest = record
    return newest.lease if newest and newest.event != "closed" and newest.lease.closed_at is None else None


def _listed(store: Store, prefix: str) -> Sequence[str]:
    try:
        return store.list(prefix)
    except OSError:
        return ()


def write_access(folder: Path, item: PlanItem, access: Access) -> Path:
    """A file for the shell, readable by its owner only: ``. FILE && psql``. Answers its path."""
    import os
    import shlex

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{item.service}.{item.datastore}.env"
    values = {
        "PGHOST": access.host, "PGPORT": str(access.port), "PGDATABASE": access.database,
        "PGUSER": access.admin, "PGPASSWORD": access.admin_password,
    }  # fmt: skip
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))
    return path


def total(done: Sequence[Recovered], seconds: float) -> str:
    """The last line."""
    usable = sum(one.usable for one in done)
    return f"{usable} of {len(done)} databases are back in {format_duration(timedelta(seconds=round(seconds)))}"
