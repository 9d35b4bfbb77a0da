"""The ledger's tables. Bodies are canonical JSON kept as text: what was written is what is answered, to the byte."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, MetaData, Numeric, Table, Text, UniqueConstraint
from sqlalchemy import DateTime as _DateTime

metadata = MetaData()

_Instant = _DateTime(timezone=True)
_Id = Text(collation="C")
"""Compared byte by byte, so that order is the same on every server and in Python."""


# ---- working state: not derived from records, safe to lose ------------------------------------------------------

journal = Table(
    "journal",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("drill_id", _Id, nullable=False),
    Column("event", _Id, nullable=False),
    Column("at", _Instant, nullable=False),
    Column("body", Text, nullable=False),
    Column("key", Text),
    UniqueConstraint("drill_id", "key", name="journal_key"),
    Index("journal_by_drill", "drill_id", "position"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("subject", _Id, primary_key=True),
    Column("body", Text, nullable=False),
)

anchors = Table(
    "anchors",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("link_sha256", Text, nullable=False),
    Column("at", _Instant, nullable=False),
)

# ---- the projection of the records ------------------------------------------------------------------------------

records = Table(
    "records",
    metadata,
    Column("record_id", _Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("written_at", _Instant, nullable=False),
)

subjects = Table(
    "subjects",
    metadata,
    Column("service", _Id, primary_key=True),
    Column("datastore", _Id, primary_key=True),
)

drills = Table(
    "drills",
    metadata,
    Column("record_id", _Id, primary_key=True),
    Column("drill_id", _Id, nullable=False),
    Column("service", _Id, nullable=False),
    Column("datastore", _Id, nullable=False),
    Column("decided_at", _Instant, nullable=False),
    Column("verdict", Text, nullable=False),
    # Passed, with RTO and RPO measured. A drill of an older point by name passes without an RPO, and proves no target.
    Column("proof", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("drills_by_subject", "service", "datastore", "decided_at", "record_id"),
    Index("drills_by_drill", "drill_id"),
)

verifications = Table(
    "verifications",
    metadata,
    Column("record_id", _Id, primary_key=True),
    Column("service", _Id, nullable=False),
    Column("datastore", _Id, nullable=False),
    Column("written_at", _Instant, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("canary", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("verifications_by_subject", "service", "datastore", "canary", "written_at", "record_id"),
    Index("verifications_canary", "written_at", postgresql_where=Column("canary", Boolean)),
)

measurements = Table(
    "measurements",
    metadata,
    Column("record_id", _Id, primary_key=True),
    Column("metric", _Id, primary_key=True),
    Column("subject", _Id, nullable=False),
    Column("at", _Instant, nullable=False),
    Column("value", Numeric, nullable=False),
    Index("measurements_by_subject", "subject", "metric", "at"),
)

leases = Table(
    "leases",
    metadata,
    Column("lease_id", _Id, primary_key=True),
    Column("sandbox", Text, nullable=False),
    Column("cloud", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("connection", Text),
    Column("service", _Id, nullable=False),
    Column("datastore", _Id, nullable=False),
    Column("opened_at", _Instant, nullable=False),
    Column("expires_at", _Instant, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("adopted_by", Text),
    Column("closed_at", _Instant),
    # The instant of the newest adoption or expiry applied: a record that arrives late must not undo a newer one.
    Column("changed_at", _Instant),
    Index("leases_open", "service", "datastore", postgresql_where=Column("closed_at", _Instant).is_(None)),
)

notes = Table(
    "notes",
    metadata,
    Column("record_id", _Id, primary_key=True),
    Column("event", _Id, nullable=False),
    Column("subject", _Id, nullable=False),
    Column("written_at", _Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("notes_by_event", "event", "written_at"),
)

stops = Table(
    "stops",
    metadata,
    Column("at", _Instant, primary_key=True),
    Column("event", _Id, primary_key=True),
    Column("by", _Id, primary_key=True),
    Column("reason", Text, nullable=False),
)

former_states = Table(
    "former_states",
    metadata,
    Column("key", _Id, primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("environment", _Id, nullable=False),
    Column("taken_at", _Instant, nullable=False),
    Column("woken_at", _Instant),
    Column("exact", Boolean),
    Column("body", Text, nullable=False),
    Index("former_states_by_time", "environment", "taken_at"),
)

# ---- what suspension remembers between two runs: made again from former states when lost -----------------------------

sleepers = Table(
    "sleepers",
    metadata,
    Column("key", _Id, primary_key=True),
    Column("environment", _Id, nullable=False),
    Column("place", _Id, nullable=False),
    Column("phase", _Id, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("sleepers_by_place", "place"),
    Index("sleepers_by_environment", "environment"),
)

wishes = Table(
    "wishes",
    metadata,
    Column("wish_id", _Id, primary_key=True),
    Column("environment", _Id, nullable=False),
    Column("until", _Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("wishes_by_environment", "environment", "until"),
)

PROJECTION = (records, subjects, drills, verifications, measurements, leases, notes, stops)
"""What `rebuild` empties and fills from the records."""
