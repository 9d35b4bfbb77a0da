"""What an audit export says, as data. All of it comes from records and the catalog; nothing is measured here."""

from __future__ import annotations

from datetime import date
from typing import Literal

from include.values import Frozen, Instant

Outcome = Literal["done", "missed", "held", "waived"]


class Waiver(Frozen):
    """A named person's decision that a service's drills need not happen until an instant. Itself a record."""

    evidence_id: str
    subject: str
    """``service`` or ``service/datastore``."""
    by: str
    why: str
    since: Instant
    until: Instant
    """The first instant at which it no longer counts: its expiry, or when somebody ended it."""

    def covers(self, datastore_id: str, at: Instant) -> bool:
        return self.subject in (datastore_id, datastore_id.partition("/")[0]) and self.since <= at < self.until


class DrillLine(Frozen):
    """A drill that was decided, or nights on which one was due and none was."""

    service: str
    datastore: str
    tier: str
    first_night: date
    last_night: date
    nights: int
    """How many nights the line stands for: 1 for a drill."""
    due: bool
    """False: nobody had to, somebody asked for it."""
    why_due: str
    outcome: Outcome
    verdict: str = ""
    """Of a drill that was done: ``passed``, ``failed``, ``partial``, ``unknown``."""
    decided_at: Instant | None = None
    rto_seconds: float | None = None
    rto_target_seconds: float | None = None
    rpo_seconds: float | None = None
    rpo_target_seconds: float | None = None
    evidence_id: str = ""
    """Of the drill, of the note that held it, or of the waiver. Empty: there is no record, which is the finding."""
    path: str = ""
    """Where the record lies in every store."""
    sealed_in: int | None = None
    """Number of the link that seals it."""
    detail: str = ""


class VerificationLine(Frozen):
    """The verifications of one datastore in the period."""

    service: str
    datastore: str
    tier: str
    due: int
    """Windows of `verify_every` in the period, from its first evidence on."""
    passed: int
    """Windows whose newest verification passed."""
    failed: int
    other: int
    """Neither passed nor failed: it could not be read."""
    missed: int
    missed_first: date | None = None
    newest_evidence_id: str = ""
    newest_path: str = ""


class ControlLine(Frozen):
    """One control of a framework, and what this export says about it."""

    framework: str
    reference: str
    title: str
    shows: str
    does_not_show: str


class ChainLine(Frozen):
    """What one evidence store is worth."""

    store: str
    url: str
    word: str
    head: str
    links: int
    records: int
    findings: tuple[str, ...] = ()


class Audit(Frozen):
    """The whole export."""

    schema_version: int = 1
    platform: str
    since: Instant
    until: Instant
    made_at: Instant
    catalog_revision: str
    read_from: str
    """The store whose records were read."""
    anchor: str
    chain: tuple[ChainLine, ...]
    unreadable: tuple[str, ...]
    """Files among the records that are none, and services whose catalog file is broken."""
    drills: tuple[DrillLine, ...]
    verifications: tuple[VerificationLine, ...]
    waivers: tuple[Waiver, ...]
    """Every waiver that counted at any instant of the period."""
    controls: tuple[ControlLine, ...]

    def count(self, outcome: Outcome, verdict: str | None = None, tier: str | None = None) -> int:
        """Drills that were due, by outcome; nights where nothing was done."""
        return sum(
            line.nights
            for line in self.drills
            if line.due and line.outcome == outcome and verdict in (None, line.verdict) and tier in (None, line.tier)
        )
