"""The records that evidence is made of. Each is one JSON file, written once, sealed later, never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from include.recovery.model import Check, Forecast, Lease, RecoveryPoint, Request, Target, Verdict
from include.suspension.model import FormerState
from include.values import Duration, Frozen, Instant

SCHEMA_VERSION = 1


class Phase(Frozen):
    """One step of a drill, from the instant it began to the instant it ended (or was cut off: `ended` is None)."""

    name: str
    started: Instant
    ended: Instant | None = None
    note: str = ""


class RecordBase(Frozen):
    """What every record has."""

    schema_version: int = SCHEMA_VERSION
    record_id: str
    """Unique, sortable by time, and safe as a file name: ``20261123T140000.123456Z-KIND-SUBJECT``."""
    written_at: Instant


class LeaseRecord(RecordBase):
    """Opened, adopted, expired or closed. A drill's first record is its opened lease."""

    kind: Literal["lease"] = "lease"
    event: Literal["opened", "adopted", "expired", "closed"]
    lease: Lease
    by: str
    reason: str = ""


class DrillRecord(RecordBase):
    """One restore drill from the decision to the inventory."""

    kind: Literal["drill"] = "drill"
    drill_id: str
    verb: Literal["drill_restores"] = "drill_restores"
    service: str
    datastore: str
    cloud: str
    region: str
    tier: str
    catalog_revision: str
    request: Request
    why: str
    target: Target
    recovery_point: RecoveryPoint | None
    decided_at: Instant
    phases: tuple[Phase, ...]
    checks: tuple[Check, ...]
    created: tuple[str, ...]
    removed: tuple[str, ...]
    kept: str | None = None
    """Who keeps the sandbox and until when, if anybody does."""
    forecast: Forecast
    cost: Decimal | None = None
    rpo_target: Duration
    rpo_measured: Duration | None = None
    rto_target: Duration
    rto_measured: Duration | None = None
    verdict: Verdict
    summary: str
    """One line for a person: what failed, or what was proven."""
    doubles: tuple[str, ...] = ()
    """What in this drill was a double and not the real thing."""


class VerificationRecord(RecordBase):
    """One datastore in one night's verification."""

    kind: Literal["verification"] = "verification"
    service: str
    datastore: str
    cloud: str
    region: str
    tier: str
    catalog_revision: str
    point: RecoveryPoint | None
    checks: tuple[Check, ...]
    verdict: Verdict
    summary: str
    canary: bool = False
    doubles: tuple[str, ...] = ()


class NoteRecord(RecordBase):
    """Anything else that must be provable: a global stop, a resume, a waiver, a held drill, a key rotation."""

    kind: Literal["note"] = "note"
    event: str
    by: str
    subject: str
    detail: dict[str, Any] = Field(default_factory=dict)


class Woken(Frozen):
    """One resource that is up again."""

    key: str
    generation: int
    at: Instant
    exact: bool
    """It has the size and type of its former state."""
    how: str = ""
    """In words, where it is not exact, was deleted by others, or was started by them."""


class SuspensionRecord(RecordBase):
    """Of one account and region: former states, written before anything is stopped; or what is up again."""

    kind: Literal["suspension"] = "suspension"
    event: Literal["suspending", "awake"]
    cloud: str
    account: str
    region: str
    former: tuple[FormerState, ...] = ()
    woken: tuple[Woken, ...] = ()


Record = Annotated[LeaseRecord | DrillRecord | VerificationRecord | NoteRecord | SuspensionRecord, Field(discriminator="kind")]
