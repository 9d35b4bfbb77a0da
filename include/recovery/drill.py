"""The steps of a restore drill. Each may be repeated after a crash, and continues where the journal and the cloud say.

`begin` → `watch` … → `secure` → `validate` → `leases.close` → `conclude`. Tasks, the command line and the cold kit call them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include.recovery import leases, measures
from include.recovery.contracts import Transient
from include.recovery.journal import Journal
from include.recovery.model import Access, Check, Outcome, PlanItem, RecoveryPoint, Sandbox, Status
from include.recovery.naming import sandbox_name
from include.recovery.targets import NoPoint, choose_point
from include.values import format_duration, utcnow

if TYPE_CHECKING:
    from include.recovery.desk import Desk


class Halted(Exception):
    """The drill must not go on: held by the plan, stopped by a person, refused by preflight, failed or too late.

    The journal already has the reason; closing and the record follow.
    """


class Held(Halted):
    """The drill never began: a blackout window, a global stop or a missing right holds it. Recorded as a note, not as a drill."""


def _halt(journal: Journal, name: str, layer: str, detail: str, outcome: Outcome = Outcome.FAILED) -> Halted:
    journal.add_checks([Check(name=name, layer=layer, outcome=outcome, detail=detail)])
    return Halted(detail)


def heed_stop(desk: Desk, journal: Journal) -> None:
    """Raise Halted when somebody has stopped everything. An unreadable ledger raises too: when in doubt, no drill."""
    stop = desk.ledger.stopped()
    if stop is not None:
        raise _halt(
            journal,
            "global-stop",
            "preflight",
            f"stopped by {stop.by} at {stop.at.isoformat()}: {stop.reason}; `drillyard resume` lets drills run again",
            Outcome.UNKNOWN,
        )


def begin(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> Sandbox:
    """Decide, choose the point, check that it is safe, open the lease, start the restore. Returns at once.

    A repeated call re-attaches to the sandbox that is there. Raises Halted, also for a drill that was concluded before, or
    Transient when the cloud cannot answer.
    """
    journal = Journal(desk.ledger, item, clock)
    if ended := journal.first("concluded"):
        # Its record may be sealed already: a second restore under the same name could only contradict it.
        raise Halted(f"drill {item.drill_id} was concluded at {ended[0].isoformat()} and its record stands: trigger a new drill")
    if journal.first("decided") is None:
        stop = desk.ledger.stopped()
        if item.held or stop is not None:
            raise Held(item.held or f"stopped by {stop.by if stop else ''}: {stop.reason if stop else ''}")
        journal.note("decided", item.model_dump(mode="json"), key="decided")
    heed_stop(desk, journal)
    datastore = desk.datastore(item.service, item.datastore)
    name = sandbox_name(item.drill_id)
    leases.end_superseded(desk, item, journal)
    lease = desk.ledger.lease(item.drill_id)
    if lease is not None and lease.closed_at is None:
        found = desk.restore.find(name, datastore, item.drill_id)
        if found is not None and found.status is not Status.FAILED:
            journal.note("re-attached", {"sandbox": name, "status": found.status})
            # The answer to the call that made it may have been lost: what is there was created by this drill.
            journal.note("created", {"sandbox": name}, key="created")
            return found
    with journal.phase("choose"):
        point = _choose(desk, item, journal)
    with journal.phase("preflight"):
        checks = desk.restore.preflight(datastore, point, item)
        journal.add_checks(checks)
        refused = [c for c in checks if c.outcome is Outcome.FAILED]
        if refused:
            raise Halted("; ".join(c.detail or c.name for c in refused))
    with journal.phase("create"):
        lease = leases.open_for(desk, item, name, journal)
        sandbox = desk.restore.create(datastore, point, item, lease)
        journal.note("created", {"sandbox": name}, key="created")
    return sandbox


def _choose(desk: Desk, item: PlanItem, journal: Journal) -> RecoveryPoint:
    survey = desk.source.survey({item.datastore_id: desk.datastore(item.service, item.datastore)}, journal.clock())
    unreadable = survey.unreadable.get(item.datastore_id)
    if unreadable:
        raise _halt(journal, "recovery-point", "preflight", f"its backups cannot be read: {unreadable}", Outcome.UNKNOWN)
    try:
        point = choose_point(survey.points.get(item.datastore_id, ()), item.target)
    except NoPoint as error:
        raise _halt(journal, "recovery-point", "preflight", str(error)) from None
    journal.note("point", point.model_dump(mode="json"))
    return point


def watch(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> Sandbox:
    """One look at the sandbox. Running past the longest allowed time or the cost cap, or a stop, raises Halted."""
    journal = Journal(desk.ledger, item, clock)
    heed_stop(desk, journal)
    datastore = desk.datastore(item.service, item.datastore)
    try:
        sandbox = desk.restore.find(sandbox_name(item.drill_id), datastore, item.drill_id)
    except Transient as silent:
        _heed_time(item, journal, str(silent), Outcome.UNKNOWN)
        raise
    if sandbox is None:
        raise _halt(
            journal, "restore-ready", "preflight", "the sandbox vanished while it was being restored; look who deleted it"
        )
    if sandbox.status is Status.FAILED:
        raise _halt(journal, "restore-ready", "database", f"the restored server never became ready: {sandbox.detail}")
    if sandbox.status is not Status.SUCCEEDED:
        _heed_time(item, journal, sandbox.detail or sandbox.status)
    heed_cap(desk, item, journal)
    return sandbox


def _heed_time(item: PlanItem, journal: Journal, why: str, outcome: Outcome = Outcome.FAILED) -> None:
    """Raise Halted when the restore has taken longer than it may."""
    if _elapsed(item, journal) > leases.longest(item):
        detail = f"not ready after {format_duration(leases.longest(item))} ({why})"
        raise _halt(journal, "restore-ready", "database", detail, outcome)


def _elapsed(item: PlanItem, journal: Journal) -> timedelta:
    decided = journal.first("decided")
    return journal.clock() - (decided[0] if decided else item.planned_at)


def heed_cap(desk: Desk, item: PlanItem, journal: Journal) -> None:
    """Stop a drill whose cost so far has passed its cap: looked at with every look at the sandbox, and between validations."""
    spent = measures.spent(desk.loaded.catalog.rates, item, journal.point(), _elapsed(item, journal))
    if spent > item.forecast.cap:
        cap = f"{item.forecast.cap} {item.forecast.currency}"
        raise _halt(journal, "cost-cap", "target", f"stopped at {spent} {item.forecast.currency}: above the cap of {cap}")


def secure(desk: Desk, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> None:
    """Note how the restore went, then make the server harmless before anybody connects.

    Raises Halted when it is not, and Transient while the cloud is still at it (a password that takes minutes to be set): wait
    as for the restore, then call it again. A drill that takes too long is halted here as well.
    """
    journal = Journal(desk.ledger, item, clock)
    datastore = desk.datastore(item.service, item.datastore)
    sandbox = watch(desk, item, clock)
    if sandbox.status is not Status.SUCCEEDED:
        raise Transient(f"{sandbox.name} is {sandbox.detail or sandbox.status}: look again")
    journal.note("restored", {"phases": sandbox.phases}, key="restored")
    ready = Check(name="restore-ready", layer="database", outcome=Outcome.PASSED, measured=_spelled(sandbox.phases))
    journal.note("check", ready.model_dump(mode="json"), key="restore-ready")
    with journal.phase("secure", once=True):
        try:
            checks = desk.restore.secure(sandbox.name, datastore, desk.secret)
        except Transient as unfinished:
            _heed_time(item, journal, str(unfinished), Outcome.UNKNOWN)
            raise
        journal.add_checks(checks)
    unsafe = [c for c in checks if c.outcome in (Outcome.FAILED, Outcome.UNKNOWN)]
    if unsafe:
        raise Halted("not harmless: " + "; ".join(c.detail or c.name for c in unsafe))


def _spelled(phases: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f}s" for name, seconds in phases.items())


def validate(desk: Desk, item: PlanItem, docs: Path | None, clock: Callable[[], datetime] = utcnow) -> None:
    """Measure and judge: business questions (they stop the RTO clock), RPO, PostgreSQL's own checks, expectations."""
    from include.recovery import validation

    journal = Journal(desk.ledger, item, clock)
    datastore = desk.datastore(item.service, item.datastore)
    access = desk.restore.access(sandbox_name(item.drill_id), datastore, desk.secret)
    rules = datastore.validation
    timeout = round(rules.statement_timeout.total_seconds() * 1000)
    point = journal.point()
    digests, untrusted = signed_digests(desk, item, point)
    journal.add_checks(untrusted)
    heed_stop(desk, journal)
    with journal.phase("questions"), validation.connect(access, timeout_ms=timeout) as connection:
        answers = validation.ask_all(connection, rules, digests, lambda: journal.note("answered", key="answered"))
        journal.add_checks(answers)
        newest = validation.newest_business_time(connection, datastore.business_time)
    measures.measure(journal, item, newest)
    heed_stop(desk, journal)
    heed_cap(desk, item, journal)
    _inspect(desk, item, journal, access, digests, docs)
    heed_stop(desk, journal)
    heed_cap(desk, item, journal)
    journal.note("validated", key="validated")


def _inspect(
    desk: Desk, item: PlanItem, journal: Journal, access: Access, digests: dict[str, object] | None, docs: Path | None
) -> None:
    """PostgreSQL's own checks, and beside them on a connection of its own the suite of expectations: neither waits for the other.

    PostgreSQL works at the one, this process at the other; so their phases overlap in the record. Only this thread writes
    to the journal. Raises nothing before both have ended.
    """
    from include.recovery import expectations, validation

    rules = desk.datastore(item.service, item.datastore).validation
    timeout = round(rules.statement_timeout.total_seconds() * 1000)

    def database() -> None:
        with journal.phase("database"), validation.connect(access, admin=True, timeout_ms=10 * timeout) as connection:
            journal.add_checks(validation.check_database(connection, rules, digests))

    if not rules.expectations:
        database()
        return
    path = desk.loaded.base / "services" / rules.expectations

    def expected() -> tuple[Check, ...]:
        return expectations.run_suite(access, expectations.read_suite(path), item.drill_id, docs)

    with journal.phase("expectations"), ThreadPoolExecutor(1, "expectations") as beside:
        asked = beside.submit(expected)
        database()
        journal.add_checks(asked.result())


def signed_digests(desk: Desk, item: PlanItem, point: RecoveryPoint | None) -> tuple[dict[str, object] | None, list[Check]]:
    """The digests that were signed with the backup, when their signature is by a trusted key; and what is wrong with them."""
    from include.recovery import digests

    document = (point.facts if point else {}).get("digests")
    if not document:
        return None, []
    try:
        return digests.of(document, item.datastore_id, desk.loaded.catalog.platform.trusted_keys), []
    except ValueError as error:
        return None, [Check(name="digest-signature", layer="business", outcome=Outcome.FAILED, detail=str(error))]
