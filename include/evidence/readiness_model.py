"""What the readiness report says, as data: instants and expiry instants, so that a reader computes ages when looking.

Times that were measured are in seconds; None means that nobody measured it, which is never green.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.recovery.model import Check
from include.values import Frozen, Instant

State = Literal["proven", "failed", "stale", "unknown", "n/a"]
"""``proven``: measured, against the service's own targets, recently. ``failed``: the newest evidence speaks against it.
``stale``: it was proven, too long ago. ``unknown``: never proven, or it could not be read. ``n/a``: nothing to restore."""

SHOWN_FIRST: dict[State, int] = {"unknown": 0, "stale": 1, "failed": 2, "proven": 3, "n/a": 4}
"""The order of a report: what nobody knows comes before what is known to be broken, and green comes last."""

WORST_FIRST: dict[State, int] = {"failed": 0, "unknown": 1, "stale": 2, "proven": 3, "n/a": 4}
"""A service is as good as the worst of its datastores."""


class PhaseLine(Frozen):
    """One step of the shown drill. `ended_seconds` is None when it was cut off."""

    name: str
    started_seconds: float
    """From the decision."""
    ended_seconds: float | None
    note: str = ""


class DrillLine(Frozen):
    """The newest drill of a datastore."""

    evidence_id: str
    drill_id: str
    decided_at: Instant
    requested_by: str
    why: str
    verdict: str
    summary: str
    recovery_point: str | None
    recovery_point_taken_at: Instant | None
    phases: tuple[PhaseLine, ...]
    checks: tuple[Check, ...]
    cost: str | None
    forecast_cost: str
    currency: str
    kept: str | None = None
    docs: str | None = None
    """Relative link to Great Expectations' Data Docs of this drill."""


class VerificationLine(Frozen):
    """The newest verification of a datastore's backups."""

    evidence_id: str
    written_at: Instant
    verdict: str
    summary: str
    checks: tuple[Check, ...]


class TrendPoint(Frozen):
    """One drill of the past."""

    at: Instant
    verdict: str
    rto_seconds: float | None = None
    rpo_seconds: float | None = None


class ColdLine(Frozen):
    """The newest time that a datastore was brought back from one store's cold kit, with everything else denied."""

    store: str
    at: Instant
    verdict: str
    rto_seconds: float | None
    summary: str
    evidence_id: str
    expires_at: Instant
    """When the next one from any store is due by the tier's `cold_drill_every`."""


class KitLine(Frozen):
    """The newest cold kit."""

    kit_id: str
    written_at: Instant
    problems: tuple[str, ...]
    evidence_id: str


class DatastoreReadiness(Frozen):
    """One datastore against its service's targets."""

    datastore: str
    cloud: str
    region: str
    state: State
    reasons: tuple[str, ...]
    """Why it is not proven, or what to know although it is."""
    failed_checks: tuple[str, ...]
    rpo_target_seconds: float
    rpo_proven_seconds: float | None
    rto_target_seconds: float
    rto_measured_seconds: float | None
    verdict: str
    """Of the newest drill: ``passed``, ``failed``, ``partial``, ``unknown`` or ``never drilled``."""
    proven_at: Instant | None
    """When the newest passed drill was decided: the proof's age counts from here."""
    proof_expires_at: Instant | None
    verification_expires_at: Instant | None
    stale_at: Instant | None
    """Of a proven datastore: from here on it is stale, whoever looks and whatever else happens."""
    evidence_id: str | None
    drill: DrillLine | None
    verification: VerificationLine | None
    doubles: tuple[str, ...]
    cold: tuple[ColdLine, ...] = ()
    """By store. Empty: it was never brought back from a kit."""
    trend: tuple[TrendPoint, ...]


class Chain(Frozen):
    """How long a service takes to come back with everything that it needs, restored side by side where possible."""

    path: tuple[str, ...]
    """The services that decide it, first restored first."""
    rto_seconds: float | None
    why_unknown: str = ""


class ServiceReadiness(Frozen):
    """One service: as good as the worst of its datastores."""

    service: str
    description: str
    tier: str
    owner: str
    state: State
    reasons: tuple[str, ...]
    depends_on: tuple[str, ...]
    datastores: tuple[DatastoreReadiness, ...]
    chain: Chain | None


class TierSummary(Frozen):
    """How many services of a tier are in which state."""

    tier: str
    rpo_target_seconds: float
    rto_target_seconds: float
    drill_every_seconds: float
    services: int
    states: dict[State, int]
    blocks_release: bool


class StopLine(Frozen):
    """A global stop that holds."""

    by: str
    reason: str
    at: Instant


class Seal(Frozen):
    """What the evidence behind this report is worth."""

    word: Literal["TRUSTED", "UNTRUSTED", "BROKEN", "NONE"]
    head: str | None
    """``SEQ:SHA256`` of the newest link: write it down, and a cut-off tail is found."""
    keys: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    checked: str = ""
    """How much was looked at."""


class Canary(Frozen):
    """The backup known to be bad that every night must be refused, in one region of one cloud."""

    cloud: str
    region: str
    written_at: Instant
    verdict: str
    """``passed``: it was refused, as it must be. ``failed``: it was taken for good. ``unknown``: none could be made."""
    summary: str
    evidence_id: str

    @property
    def caught(self) -> bool:
        return self.verdict == "passed"


class Uncatalogued(Frozen):
    """A database that is there and that no catalog entry names: nobody proves that it can be restored."""

    database: str
    cloud: str
    region: str
    seen_at: Instant


class Readiness(Frozen):
    """The whole report."""

    schema_version: int = 1
    platform: str
    catalog_revision: str
    generated_at: Instant
    expected_again_by: Instant
    """A reader who sees this instant pass without a newer report knows that nobody publishes any more."""
    stop: StopLine | None
    canaries: tuple[Canary, ...]
    """The newest of each region. None at all: nobody knows that the verifier finds bad backups."""
    uncatalogued: tuple[Uncatalogued, ...]
    seal: Seal | None
    kit: KitLine | None = None
    """None: no kit was ever exported, so nothing can be brought back once Airflow and the ledger are gone."""
    doubles: tuple[str, ...]
    """What in the shown evidence was a double and not the real thing."""
    catalog_problems: tuple[str, ...] = Field(default=())
    """What could not be read: catalog files, and records when the report is made from a store."""
    tiers: tuple[TierSummary, ...]
    services: tuple[ServiceReadiness, ...]
    """Unknown first, then stale, failed, proven; within a state by tier and name."""

    @property
    def canary(self) -> Canary | None:
        """The canary that decides the night: one that was not caught, if there is any."""
        return min(self.canaries, key=lambda one: one.caught, default=None)
