"""What is proven, decided from records alone: the catalog, the newest evidence and `now`, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.catalog.model import Datastore, Service, Tier
from include.evidence.readiness_chains import with_chains
from include.evidence.readiness_model import (
    SHOWN_FIRST,
    WORST_FIRST,
    Canary,
    ColdLine,
    DatastoreReadiness,
    DrillLine,
    KitLine,
    PhaseLine,
    Readiness,
    Seal,
    ServiceReadiness,
    State,
    StopLine,
    TierSummary,
    TrendPoint,
    Uncatalogued,
    VerificationLine,
)
from include.evidence.record import DrillRecord, NoteRecord, VerificationRecord
from include.recovery.model import Check, Outcome, Verdict
from include.values import format_duration

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.ledger.model import Stop

PUBLISHED_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class Evidence:
    """What the ledger knows, by datastore id (``service/datastore``)."""

    drills: Mapping[str, DrillRecord] = field(default_factory=dict)
    """The newest drill of each."""
    passed: Mapping[str, DrillRecord] = field(default_factory=dict)
    """The newest passed drill of each."""
    verifications: Mapping[str, VerificationRecord] = field(default_factory=dict)
    """The newest verification of each."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Why the newest due drill did not run, where it was held after the newest one that ran."""
    trend: Mapping[str, Sequence[TrendPoint]] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)
    """Relative links to Data Docs, by drill id."""
    canaries: Sequence[Canary] = ()
    """The newest of each cloud and region."""
    uncatalogued: Sequence[Uncatalogued] = ()
    cold: Mapping[tuple[str, str], NoteRecord] = field(default_factory=dict)
    """The newest cold drill of each datastore id from each store."""
    kit: NoteRecord | None = None
    """Of the newest exported kit."""
    waived: Mapping[str, str] = field(default_factory=dict)
    """By service or datastore id: who says until when that it need not be drilled. It proves nothing: the state stays."""


def readiness(
    loaded: Loaded,
    evidence: Evidence,
    stop: Stop | None,
    now: datetime,
    *,
    seal: Seal | None = None,
) -> Readiness:
    """The report. Services whose catalog file is broken, and what was never drilled or verified, are `unknown`."""
    catalog = loaded.catalog
    services = [_service(service, catalog.platform.tiers[service.tier], evidence, now) for service in catalog.services.values()]
    services = with_chains(services, loaded.catalog.services)
    services += [_broken(name, reason) for name, reason in loaded.broken.items()]
    tiers = list(catalog.platform.tiers)
    order = {name: position for position, name in enumerate(tiers)}
    services.sort(key=lambda one: (SHOWN_FIRST[one.state], order.get(one.tier, -1), one.service))
    doubles = {double for one in services for datastore in one.datastores for double in datastore.doubles}
    return Readiness(
        platform=catalog.platform.name,
        catalog_revision=loaded.revision,
        generated_at=now,
        expected_again_by=now + 2 * PUBLISHED_EVERY,
        stop=StopLine(by=stop.by, reason=stop.reason, at=stop.at) if stop else None,
        canaries=tuple(evidence.canaries),
        uncatalogued=tuple(evidence.uncatalogued),
        seal=seal,
        kit=_kit_line(evidence.kit) if evidence.kit else None,
        doubles=tuple(sorted(doubles)),
        catalog_problems=tuple(str(problem) for problem in loaded.errors),
        tiers=tuple(_tier(name, catalog.platform.tiers[name], services) for name in tiers),
        services=tuple(services),
    )


# ---- one service -------------------------------------------------------------------------------------------------


def _service(service: Service, tier: Tier, evidence: Evidence, now: datetime) -> ServiceReadiness:
    datastores = tuple(_datastore(service, datastore, tier, evidence, now) for datastore in service.datastores)
    state: State = min((one.state for one in datastores), key=lambda one: WORST_FIRST[one], default="n/a")
    reasons = tuple(f"{one.datastore}: {reason}" for one in datastores for reason in one.reasons)
    return ServiceReadiness(
        service=service.service,
        description=service.description,
        tier=service.tier,
        owner=service.owner,
        state=state,
        reasons=reasons if datastores else ("nothing to restore: the catalog names no datastore",),
        depends_on=tuple(service.depends_on),
        datastores=datastores,
        chain=None,
    )


def _broken(name: str, reason: str) -> ServiceReadiness:
    return ServiceReadiness(
        service=name,
        description="",
        tier="",
        owner="",
        state="unknown",
        reasons=(f"its catalog file cannot be used: {reason}",),
        depends_on=(),
        datastores=(),
        chain=None,
    )


def _datastore(service: Service, datastore: Datastore, tier: Tier, evidence: Evidence, now: datetime) -> DatastoreReadiness:
    subject = f"{service.service}/{datastore.name}"
    drill, passed = evidence.drills.get(subject), evidence.passed.get(subject)
    night = evidence.verifications.get(subject)
    proof = passed if drill is None or passed is None or drill.decided_at <= passed.decided_at else _still(passed, drill)
    expires = proof.decided_at + (tier.proof_expires_after or 2 * tier.drill_every) if proof else None
    seen_until = night.written_at + 2 * tier.verify_every if night else None
    state, reasons = _judge(_Facts(tier, drill, proof, night, expires, seen_until), now)
    shown = drill or passed
    reasons += [evidence.waived[one] for one in (service.service, subject) if one in evidence.waived]
    if subject in evidence.held:
        reasons.append(f"the last due drill was held: {evidence.held[subject]}")
    measured = proof or shown
    return DatastoreReadiness(
        datastore=datastore.name,
        cloud=datastore.cloud,
        region=datastore.region,
        state=state,
        reasons=tuple(reasons),
        failed_checks=tuple(check.name for check in _failed(drill) + _failed(night)),
        rpo_target_seconds=tier.rpo.total_seconds(),
        rpo_proven_seconds=_seconds(measured.rpo_measured) if measured else None,
        rto_target_seconds=tier.rto.total_seconds(),
        rto_measured_seconds=_seconds(measured.rto_measured) if measured else None,
        verdict=shown.verdict.value if shown else "never drilled",
        proven_at=passed.decided_at if passed else None,
        proof_expires_at=expires,
        verification_expires_at=seen_until,
        stale_at=min(expires, seen_until) if state == "proven" and expires and seen_until else None,
        evidence_id=shown.record_id if shown else night.record_id if night else None,
        drill=_drill_line(shown, evidence.docs.get(shown.drill_id)) if shown else None,
        verification=_verification_line(night) if night else None,
        doubles=tuple(sorted({*(shown.doubles if shown else ()), *(night.doubles if night else ())})),
        cold=tuple(_cold_line(note, tier) for (key, _), note in sorted(evidence.cold.items()) if key == subject),
        trend=tuple(evidence.trend.get(subject, ())),
    )


def _still(passed: DrillRecord, newest: DrillRecord) -> DrillRecord | None:
    """A drill that failed takes an older proof away; one that was stopped or cut off says nothing, and leaves it."""
    return None if newest.verdict is Verdict.FAILED else passed


@dataclass(frozen=True)
class _Facts:
    tier: Tier
    drill: DrillRecord | None
    proof: DrillRecord | None
    night: VerificationRecord | None
    proof_expires: datetime | None
    night_expires: datetime | None


def _judge(facts: _Facts, now: datetime) -> tuple[State, list[str]]:
    """The state and every reason for it. The worst reason decides; nothing is green that was not measured."""
    found: list[tuple[State, str]] = [*_from_drills(facts, now), *_from_verification(facts, now)]
    state: State = min((state for state, _ in found), key=lambda one: WORST_FIRST[one], default="proven")
    return state, [reason for _, reason in sorted(found, key=lambda pair: WORST_FIRST[pair[0]])]


def _from_drills(facts: _Facts, now: datetime) -> list[tuple[State, str]]:
    drill, proof, tier = facts.drill, facts.proof, facts.tier
    found: list[tuple[State, str]] = []
    if drill is not None and drill.verdict is Verdict.FAILED:
        return [("failed", f"the newest drill failed: {drill.summary}")]
    if proof is None:
        why = f"the newest drill proved nothing ({drill.verdict.value}): {drill.summary}" if drill else "never drilled"
        return [("unknown", why)]
    if drill is not None and drill.verdict is not Verdict.PASSED:
        found.append(("proven", f"a later drill was not finished ({drill.verdict.value}): {drill.summary}"))
    measures = (("RTO", proof.rto_measured, tier.rto), ("RPO", proof.rpo_measured, tier.rpo))
    for name, measured, target in measures:
        if measured is None:
            found.append(("unknown", f"the drill passed without a measured {name}"))
        elif measured > target:
            late = f"{name} {format_duration(measured)} was measured, the target is {format_duration(target)}"
            found.append(("failed", late))
    if facts.proof_expires is not None and now >= facts.proof_expires:
        found.append(("stale", f"the proof expired at {facts.proof_expires:%Y-%m-%d %H:%M} UTC; a drill is overdue"))
    return found


def _from_verification(facts: _Facts, now: datetime) -> list[tuple[State, str]]:
    night = facts.night
    if night is None:
        return [("unknown", "its backups were never verified")]
    found: list[tuple[State, str]] = []
    if night.verdict is Verdict.FAILED:
        found.append(("failed", f"the newest verification failed: {night.summary}"))
    elif night.verdict is not Verdict.PASSED:
        found.append(("unknown", f"the newest verification is {night.verdict.value}: {night.summary}"))
    if facts.night_expires is not None and now >= facts.night_expires:
        found.append(("stale", f"not verified since {night.written_at:%Y-%m-%d %H:%M} UTC"))
    return found


def _failed(record: DrillRecord | VerificationRecord | None) -> list[Check]:
    return [check for check in record.checks if check.outcome is Outcome.FAILED] if record else []


# ---- lines and tiers ----------------------------------------------------------------------------------------------


def _drill_line(drill: DrillRecord, docs: str | None) -> DrillLine:
    point = drill.recovery_point
    return DrillLine(
        evidence_id=drill.record_id,
        drill_id=drill.drill_id,
        decided_at=drill.decided_at,
        requested_by=drill.request.requested_by,
        why=drill.why,
        verdict=drill.verdict.value,
        summary=drill.summary,
        recovery_point=point.id if point else None,
        recovery_point_taken_at=point.taken_at if point else None,
        phases=tuple(
            PhaseLine(
                name=phase.name,
                started_seconds=(phase.started - drill.decided_at).total_seconds(),
                ended_seconds=(phase.ended - drill.decided_at).total_seconds() if phase.ended else None,
                note=phase.note,
            )
            for phase in drill.phases
        ),
        checks=drill.checks,
        cost=str(drill.cost) if drill.cost is not None else None,
        forecast_cost=str(drill.forecast.cost),
        currency=drill.forecast.currency,
        kept=drill.kept,
        docs=docs,
    )


def _cold_line(note: NoteRecord, tier: Tier) -> ColdLine:
    detail = note.detail
    return ColdLine(
        store=str(detail.get("store", "?")),
        at=note.written_at,
        verdict=str(detail.get("verdict", "unknown")),
        rto_seconds=detail.get("rto_seconds"),
        summary=str(detail.get("summary", "")),
        evidence_id=note.record_id,
        expires_at=note.written_at + tier.cold_drill_every,
    )


def _kit_line(note: NoteRecord) -> KitLine:
    return KitLine(
        kit_id=str(note.detail.get("kit_id", "?")),
        written_at=note.written_at,
        problems=tuple(map(str, note.detail.get("problems", ()))),
        evidence_id=note.record_id,
    )


def _verification_line(night: VerificationRecord) -> VerificationLine:
    return VerificationLine(
        evidence_id=night.record_id,
        written_at=night.written_at,
        verdict=night.verdict.value,
        summary=night.summary,
        checks=night.checks,
    )


def _tier(name: str, tier: Tier, services: Sequence[ServiceReadiness]) -> TierSummary:
    own = [one.state for one in services if one.tier == name]
    return TierSummary(
        tier=name,
        rpo_target_seconds=tier.rpo.total_seconds(),
        rto_target_seconds=tier.rto.total_seconds(),
        drill_every_seconds=tier.drill_every.total_seconds(),
        services=len(own),
        states={state: own.count(state) for state in SHOWN_FIRST if state in own},
        blocks_release=tier.blocks_release,
    )


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else round(value.total_seconds(), 3)
