"""The ledger's door: one connection for one call, one transaction for one change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from include.evidence.readiness_model import TrendPoint
from include.evidence.record import DrillRecord, NoteRecord, Record, VerificationRecord
from include.ledger import leases, projection, queries
from include.ledger.model import (
    GLOBAL_RESUME,
    GLOBAL_STOP,
    Anchor,
    Entry,
    LedgerError,
    LedgerNotReady,
    LedgerUnreachable,
    Measurement,
    Stop,
)
from include.ledger.tables import anchors, cursors, journal
from include.recovery.model import Lease, RecoveryPoint
from include.values import canonical_json

if TYPE_CHECKING:
    from include.recovery.plan import History

_NOT_READY = {"42P01", "42703"}
"""SQLSTATE undefined_table and undefined_column: the migrations have not run, or not all of them."""


class Ledger:
    """Drills, leases, measurements and the global stop, in a PostgreSQL database of its own.

    `url` is a SQLAlchemy URL (``postgresql+psycopg2://user:password@host:port/database``). Nothing is connected before
    the first call. Every method raises LedgerUnreachable when the database does not answer, and LedgerNotReady when its
    tables are missing. Every change may be repeated: after an unanswered call, make it again.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._engine = create_engine(
            self._url,
            pool_pre_ping=True,
            pool_size=2,
            connect_args={"connect_timeout": 10},
            executemany_mode="values_plus_batch",  # many rows in few round trips, for `rebuild`
        )

    def __repr__(self) -> str:
        return f"Ledger({self._url.render_as_string(hide_password=True)})"

    @property
    def url(self) -> str:
        """With the password: for a migrator or a child process, never for a log."""
        return self._url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Give the connections back. The ledger may be used again afterwards."""
        self._engine.dispose()

    # ---- the journal of drills ---------------------------------------------------------------------------------

    def append(self, drill_id: str, event: str, at: datetime, body: Mapping[str, Any], key: str | None = None) -> bool:
        """Write one line of a drill's journal. With a key that this drill has already: nothing happens, answers False."""
        values = {"drill_id": drill_id, "event": event, "at": at, "body": canonical_json(dict(body)).decode(), "key": key}
        with self._writing() as connection:
            return bool(connection.execute(insert(journal).values(**values).on_conflict_do_nothing()).rowcount)

    def append_all(self, drill_id: str, event: str, at: datetime, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Write lines of one event in their order, in one transaction: a commit each would cost a sync of the disk each."""
        if not bodies:
            return
        with self._writing() as connection:
            for body in bodies:
                values = {"drill_id": drill_id, "event": event, "at": at, "body": canonical_json(dict(body)).decode()}
                connection.execute(insert(journal).values(**values))

    def journal(self, drill_id: str) -> Sequence[Entry]:
        """The lines of one drill, in the order they were written."""
        with self._reading() as connection:
            return queries.journal_of(connection, drill_id)

    # ---- leases ------------------------------------------------------------------------------------------------

    def open_lease(self, lease: Lease) -> Lease:
        """Write a lease; answers the one that stands under its id, which may be an earlier try's."""
        with self._writing() as connection:
            return leases.open_lease(connection, lease)

    def lease(self, lease_id: str) -> Lease | None:
        """One lease, open or closed."""
        with self._reading() as connection:
            return leases.find(connection, lease_id)

    def open_leases(self, now: datetime | None = None) -> Sequence[Lease]:
        """Leases that are not closed, oldest first; with `now`, only those that have not expired."""
        with self._reading() as connection:
            return leases.open_ones(connection, now)

    def lease_for(self, datastore_id: str) -> Lease | None:
        """The newest lease of ``service/datastore`` that is not closed."""
        service, _, datastore = datastore_id.partition("/")
        with self._reading() as connection:
            return leases.open_for(connection, service, datastore)

    def adopt_lease(self, lease_id: str, person: str, until: datetime) -> Lease:
        """Pass a lease to a person. Raises LookupError, or LedgerError when it is closed or another person holds it."""
        with self._writing() as connection:
            return leases.adopt(connection, lease_id, person, until)

    def expire_lease(self, lease_id: str, at: datetime, by: str | None = None) -> Lease:
        """Let the reaper have it. An adopted lease stays as it is unless `by` is the person who holds it."""
        with self._writing() as connection:
            return leases.expire(connection, lease_id, at, by)

    def close_lease(self, lease_id: str, at: datetime) -> Lease:
        """Nothing of it remains. The first closing counts."""
        with self._writing() as connection:
            return leases.close(connection, lease_id, at)

    def kept_until(self, lease_id: str, now: datetime) -> datetime | None:
        """Until when a person keeps what an open lease names (adopted, or kept on request); None when nobody does."""
        with self._reading() as connection:
            return queries.kept_until(connection, lease_id, now)

    # ---- the projection of records -----------------------------------------------------------------------------

    def project(self, record: Record) -> bool:
        """Apply one evidence record. False when it was applied before."""
        with self._writing() as connection:
            return projection.project(connection, record)

    def rebuild(self, records: Iterable[Record]) -> int:
        """Empty the projection and fill it from records, in one transaction: readers see the old state or the new.

        The journal, cursors and anchors are working state and stay. Answers how many records were applied.
        """
        with self._writing() as connection:
            return projection.rebuild(connection, records)

    def answers(self) -> bytes:
        """Everything the ledger answers from records, as canonical JSON."""
        with self._reading() as connection:
            return queries.answers(connection)

    # ---- questions ---------------------------------------------------------------------------------------------

    def history(self) -> Mapping[str, History]:
        """What the plan needs to know of every datastore that was ever drilled, verified or leased."""
        from include.ledger.history import history

        with self._reading() as connection:
            return history(connection)

    def latest_drills(self) -> Mapping[str, DrillRecord]:
        """The newest drill of each datastore, by ``service/datastore``."""
        with self._reading() as connection:
            return queries.latest_drills(connection)

    def proofs(self) -> Mapping[str, DrillRecord]:
        """The newest drill of each datastore that passed with RTO and RPO measured, by ``service/datastore``."""
        with self._reading() as connection:
            return queries.proofs(connection)

    def latest_verifications(self) -> Mapping[str, VerificationRecord]:
        """The newest verification of each datastore, canaries left out."""
        with self._reading() as connection:
            return queries.latest_verifications(connection)

    def drills(self, service: str | None = None, since: datetime | None = None) -> Sequence[DrillRecord]:
        """Drills decided since an instant, oldest first."""
        with self._reading() as connection:
            return queries.drills_since(connection, service, since)

    def drill(self, drill_id: str) -> Sequence[DrillRecord]:
        """The records of one drill: one, or more when its recording was cut off and repeated."""
        with self._reading() as connection:
            return queries.drill_records(connection, drill_id)

    def notes(self, event: str | None = None, since: datetime | None = None) -> Sequence[NoteRecord]:
        """Notes, oldest first."""
        with self._reading() as connection:
            return queries.notes_since(connection, event, since)

    def measurements(
        self, subject: str | None = None, metric: str | None = None, since: datetime | None = None
    ) -> Sequence[Measurement]:
        """Measured values, oldest first."""
        with self._reading() as connection:
            return queries.measured(connection, subject, metric, since)

    def trend(self, since: datetime) -> Mapping[str, Sequence[TrendPoint]]:
        """The drills of each datastore since an instant, oldest first, each with what it measured."""
        with self._reading() as connection:
            return queries.trend(connection, since)

    def canaries(self, since: datetime) -> Sequence[VerificationRecord]:
        """Verifications of backups known to be bad, oldest first: one passed when the bad backup was refused."""
        with self._reading() as connection:
            return queries.canaries(connection, since)

    def points_seen(self, datastore_id: str, since: datetime) -> Sequence[RecoveryPoint]:
        """Recovery points that a verification saw at or after an instant, newest first, each as last seen."""
        with self._reading() as connection:
            return queries.points_seen(connection, datastore_id, since)

    # ---- cursors, the chain's anchor, the global stop ----------------------------------------------------------

    def cursor(self, subject: str) -> dict[str, Any] | None:
        """How far the last incremental look at a subject got; None before the first."""
        with self._reading() as connection:
            return queries.cursor(connection, subject)

    def set_cursor(self, subject: str, cursor: Mapping[str, Any]) -> None:
        """Remember how far a look got."""
        row = insert(cursors).values(subject=subject, body=canonical_json(dict(cursor)).decode())
        with self._writing() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=[cursors.c.subject], set_={"body": row.excluded.body}))

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold a lock of this name in the database; another holder is waited for. Lost with the connection, so never stuck."""
        with self._named_errors(), self._engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:name, 4711))"), {"name": name})
            connection.commit()
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock_all()"))

    def anchor(self) -> Anchor | None:
        """The newest link of the chain that this ledger was told of."""
        with self._reading() as connection:
            return queries.anchor(connection)

    def set_anchor(self, anchor: Anchor) -> None:
        """Remember the chain's head. Raises LedgerError when another link of the same number is anchored already."""
        with self._writing() as connection:
            connection.execute(insert(anchors).values(**anchor.model_dump()).on_conflict_do_nothing())
            known = connection.execute(select(anchors.c.link_sha256).where(anchors.c.seq == anchor.seq)).scalar_one()
            if known != anchor.link_sha256:
                raise LedgerError(
                    f"the ledger knows link {anchor.seq} of the chain as {known}, the store has {anchor.link_sha256}: "
                    "the chain was replaced; run `drillyard evidence verify` and keep both stores as they are"
                )

    def stop(self, by: str, reason: str, at: datetime) -> Stop:
        """Stop everything; answers the stop that holds, which may be an earlier one."""
        with self._writing() as connection:
            held = queries.stopped(connection)
            if held is None:
                projection.record_stop(connection, GLOBAL_STOP, by, reason, at)
                held = Stop(by=by, reason=reason, at=at)
            return held

    def resume(self, by: str, at: datetime) -> None:
        """End a global stop. Without one, nothing happens."""
        with self._writing() as connection:
            if queries.stopped(connection) is not None:
                projection.record_stop(connection, GLOBAL_RESUME, by, "", at)

    def stopped(self) -> Stop | None:
        """The global stop that holds, or None."""
        with self._reading() as connection:
            return queries.stopped(connection)

    # ---- suspension --------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, for the parts of the ledger that live in modules of their own (`include.ledger.sleeps`)."""
        with self._writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot, likewise."""
        with self._reading() as connection:
            yield connection

    # ---- roles -------------------------------------------------------------------------------------------------

    def grant_reader(self, role: str) -> None:
        """Let a role that exists read everything, what later migrations add included, and write nothing."""
        with self._writing() as connection:
            name = connection.dialect.identifier_preparer.quote_identifier(role)
            schema = connection.dialect.identifier_preparer.quote_identifier(
                connection.execute(select(func.current_schema())).scalar_one()
            )
            connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
            connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}"))
            connection.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {name}"))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One snapshot for all statements of an answer, so that parts of it cannot contradict each other."""
        with self._named_errors(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise LedgerUnreachable(f"the ledger {self!r} does not answer: {str(error.orig).strip()}") from error
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) not in _NOT_READY:
                raise
            why = str(error.orig).splitlines()[0]
            raise LedgerNotReady(f"the ledger {self!r} is not migrated ({why}): run `drillyard ledger migrate`") from error
