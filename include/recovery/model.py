"""What recovery talks about: checks, recovery points, plan items, sandboxes, leases. Frozen, serialisable, no I/O."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from include.recovery.status import Status as Status  # noqa: PLC0414 for who reads this module
from include.values import Duration, Frozen, Instant


class Outcome(StrEnum):
    """Of one check. What could not be read is `unknown`, what a cloud cannot tell is `unsupported`: neither is green."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"


class Verdict(StrEnum):
    """Of a drill or a night: `partial` when some layers passed and a later one was not reached or unknown."""

    PASSED = "passed"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class Check(Frozen):
    """One line of a report: what was measured, against what, and what came of it. Never carries a row of data."""

    name: str
    """A stable slug, such as ``recovery-point-age``: findings are recognised by it."""
    layer: str
    """``backup``, ``preflight``, ``harmless``, ``database``, ``expectations``, ``business``, ``target``, ``cleanup``."""
    outcome: Outcome
    measured: str | None = None
    threshold: str | None = None
    detail: str = ""
    """What is wrong, where, and what to do next. Empty when passed and obvious."""


class Copy(Frozen):
    """A second copy of a recovery point."""

    location: str
    failure_domain: str
    taken_at: Instant | None
    """None: the cloud keeps it and does not tell of when it is."""
    size_bytes: int | None = None


class RecoveryPoint(Frozen):
    """Something a database can be restored from."""

    id: str
    """The vendor's own id; for files, the set's folder or file name. Unique within its datastore."""
    kind: str
    """``base_backup``, ``dump``, ``snapshot``, ``automated`` …: the vendor's kind in the field's words."""
    taken_at: Instant
    restorable_until: Instant
    """The latest instant this point can be rolled forward to with the log that is really there."""
    log_end_known: bool = True
    """False: the cloud does not tell how far the log reaches; `restorable_until` is then `taken_at`, its lower bound."""
    region: str
    failure_domain: str
    location: str
    size_bytes: int | None = None
    engine_version: str | None = None
    """Major version, such as ``18``."""
    encrypted: bool | None = None
    """None: the store does not say."""
    key_id: str | None = None
    copies: tuple[Copy, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the adapter must know to restore it (LSN, timeline, parameter group …). Small, no secrets."""


class Survey(Frozen):
    """What one batched look at an account and region found. A datastore is in `points` or in `unreadable`, never in neither."""

    points: dict[str, tuple[RecoveryPoint, ...]]
    """By datastore id (``service/datastore``), newest first."""
    unreadable: dict[str, str] = Field(default_factory=dict)
    """By datastore id: why, where, what to do."""
    uncatalogued: tuple[str, ...] = ()
    """Databases that are there and that no catalog entry names."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By datastore id: retention and the like, as far as the vendor tells (``retention`` as seconds)."""


class Discovery(Frozen):
    """What runs and is in no catalog entry."""

    drafts: tuple[dict[str, Any], ...] = ()
    """Drafts of datastore entries, to fill in."""
    unreadable: dict[str, str] = Field(default_factory=dict)
    """By server, project, or account and region: why it could not be asked. What it has nobody knows, so it is a red finding."""


class Inspection(Frozen):
    """What a deep look at one recovery point found, and how far it got for the next incremental look."""

    checks: tuple[Check, ...]
    cursor: dict[str, Any] = Field(default_factory=dict)


class Target(Frozen):
    """What to restore: the latest state, a recovery point, or a point in time."""

    point_id: str | None = None
    time: Instant | None = None

    @property
    def latest(self) -> bool:
        return self.point_id is None and self.time is None


class Request(Frozen):
    """Who asked for a drill, and why. A scheduled drill is requested by ``schedule``."""

    requested_by: str = "schedule"
    reason: str = "due"
    keep: Duration = timedelta(0)
    override_blackout: str | None = None
    """The reason for running inside a blackout window."""


class Forecast(Frozen):
    """Before a drill: what it should take. `basis` says from what."""

    duration: Duration
    cost: Decimal
    cap: Decimal
    currency: str
    basis: str


class PlanItem(Frozen):
    """One drill that is due, complete: what an operator gets and nothing else. Small enough for XCom."""

    drill_id: str
    """``SERVICE.DATASTORE.SLOT``: the due slot or the request's id, never a run id or a try number."""
    service: str
    datastore: str
    cloud: str
    region: str
    tier: str
    why: str
    """Why it is due, in words."""
    target: Target = Target()
    request: Request = Request()
    forecast: Forecast
    rpo: Duration
    rto: Duration
    planned_at: Instant
    held: str | None = None
    """Why it must not run now (blackout, global stop, cap, not allowed). A held item is shown and recorded, not run."""
    catalog_revision: str
    patience: Duration | None = None
    """The longest the restore may take. Default: by the RTO, see `include.recovery.leases.longest`."""

    @property
    def datastore_id(self) -> str:
        return f"{self.service}/{self.datastore}"

    @property
    def label(self) -> str:
        """What the operator sees on the mapped task."""
        return f"{self.service}/{self.datastore}"


class Sandbox(Frozen):
    """A restored copy, as its control plane sees it now."""

    name: str
    """Derived from the drill id by `include.recovery.naming.sandbox_name`; looked up before anything is created."""
    status: Status
    detail: str = ""
    """The vendor's own word, or what failed, where, and what to do."""
    phases: dict[str, float] = Field(default_factory=dict)
    """Seconds of each finished phase as the control plane knows them (``copy``, ``start``, ``replay``)."""
    lease_id: str | None = None
    """Read from the mark on the resource. None: not ours, never touched."""


class Access(Frozen):
    """How to connect to a sandbox. Lives in memory only: never in XCom, a trigger, the ledger or a record."""

    host: str
    port: int
    database: str
    admin: str
    reader: str
    admin_password: str
    reader_password: str


class Lease(Frozen):
    """Written before anything is created; the only title by which Drillyard deletes."""

    lease_id: str
    """The drill id."""
    sandbox: str
    cloud: str
    region: str
    connection: str | None = None
    service: str
    datastore: str
    opened_at: Instant
    expires_at: Instant
    requested_by: str
    adopted_by: str | None = None
    """A named person: the reaper leaves it alone."""
    closed_at: Instant | None = None


class Owned(Frozen):
    """A resource that carries our mark, as the inventory found it."""

    name: str
    cloud: str
    region: str
    kind: str
    lease_id: str
    created_at: Instant | None = None
