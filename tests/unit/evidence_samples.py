"""Believable records for tests of evidence, ledger and readiness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from include.evidence.naming import new_record_id
from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord, Phase, Record, VerificationRecord
from include.recovery.model import Check, Forecast, Lease, Outcome, RecoveryPoint, Request, Target, Verdict

T0 = datetime(2026, 1, 5, 2, 0, 0, tzinfo=UTC)
REVISION = "c0ffee" + "0" * 34


def a_point(id: str, taken_at: datetime, size: int | None = 4_000_000) -> RecoveryPoint:
    return RecoveryPoint(
        id=id,
        kind="base_backup",
        taken_at=taken_at,
        restorable_until=taken_at + timedelta(hours=2, minutes=50),
        region="hq",
        failure_domain="hall-one",
        location=f"/backups/{id}",
        size_bytes=size,
        engine_version="18",
        facts={"lsn": "0/3000028", "ratio": 0.1},
    )


def a_verification(service: str, datastore: str, at: datetime, **changed: Any) -> VerificationRecord:
    point = changed.pop("point", None) or a_point(f"base-{at:%Y%m%d}", at - timedelta(hours=3), changed.pop("size", 4_000_000))
    verdict = Verdict(changed.pop("verdict", "passed"))
    failed = (
        []
        if verdict is Verdict.PASSED
        else [_check("wal-continuity", Outcome.FAILED, "segment 00000001000000000000002A is missing")]
    )
    return VerificationRecord(
        record_id=new_record_id("verification-canary" if changed.get("canary") else "verification", f"{service}/{datastore}", at),
        written_at=at,
        service=service,
        datastore=datastore,
        cloud="selfhosted",
        region="hq",
        tier="tier-1",
        catalog_revision=REVISION,
        point=point,
        checks=(_check("recovery-point-age", Outcome.PASSED, measured="10m", threshold="15m"), *failed),
        verdict=verdict,
        summary="recovery point is complete" if verdict is Verdict.PASSED else "wal-continuity failed",
        **changed,
    )


def a_drill(
    service: str, datastore: str, at: datetime, verdict: str = "passed", seconds: float = 60, **changed: Any
) -> DrillRecord:
    """A drill decided at `at`, whose sandbox was gone after `seconds`."""
    passed = verdict == "passed"
    end = at + timedelta(seconds=seconds)
    answered = at + timedelta(seconds=seconds / 2)
    checks = [
        _check("orders have lines", Outcome.PASSED if passed else Outcome.FAILED, "" if passed else "0 orders", layer="business"),
        _check("pg-amcheck", Outcome.PASSED, layer="database"),
        _check("inventory-empty", Outcome.PASSED, layer="cleanup", measured="0", threshold="0"),
    ]
    values: dict[str, Any] = {
        "record_id": new_record_id("drill", f"{service}/{datastore}", end),
        "written_at": end,
        "drill_id": f"{service}.{datastore}.{at:%Y-%m-%dT%H:%M}",
        "service": service,
        "datastore": datastore,
        "cloud": "selfhosted",
        "region": "hq",
        "tier": "tier-1",
        "catalog_revision": REVISION,
        "request": Request(),
        "why": "due weekly",
        "target": Target(),
        "recovery_point": a_point(f"base-{at:%Y%m%d}", at - timedelta(hours=3)),
        "decided_at": at,
        "phases": (
            Phase(name="restore", started=at, ended=at + timedelta(seconds=seconds / 4)),
            Phase(name="secure", started=at + timedelta(seconds=seconds / 4), ended=at + timedelta(seconds=seconds / 3)),
            Phase(name="validate", started=at + timedelta(seconds=seconds / 3), ended=answered),
            Phase(name="discard", started=answered, ended=end),
        ),
        "checks": tuple(checks),
        "created": ("dy-sandbox",),
        "removed": ("dy-sandbox",),
        "forecast": Forecast(
            duration=timedelta(minutes=2), cost=Decimal("0.02"), cap=Decimal("5.00"), currency="EUR", basis="last 5 drills"
        ),
        "cost": Decimal("0.0150"),
        "rpo_target": timedelta(minutes=15),
        "rpo_measured": timedelta(seconds=42) if passed else None,
        "rto_target": timedelta(hours=1),
        "rto_measured": answered - at if passed else None,
        "verdict": Verdict(verdict),
        "summary": "restored and answered its questions" if passed else "orders have lines: 0 orders",
    }
    return DrillRecord(**(values | changed))


def a_lease(service: str, datastore: str, slot: str, opened: datetime = T0) -> Lease:
    return Lease(
        lease_id=f"{service}.{datastore}.{slot}",
        sandbox=f"dy-{service}-{datastore}",
        cloud="selfhosted",
        region="hq",
        service=service,
        datastore=datastore,
        opened_at=opened,
        expires_at=opened + timedelta(hours=6),
        requested_by="schedule",
    )


def a_lease_record(event: str, lease: Lease, at: datetime) -> LeaseRecord:
    return LeaseRecord(
        record_id=new_record_id(f"lease-{event}", lease.lease_id, at),
        written_at=at,
        event=event,  # type: ignore[arg-type]
        lease=lease,
        by="schedule",
    )


def a_note(event: str, at: datetime, **detail: Any) -> NoteRecord:
    return NoteRecord(
        record_id=new_record_id("note", event, at), written_at=at, event=event, by="ann", subject="platform", detail=detail
    )


def a_year(services: int, days: int) -> list[Record]:
    """Nightly verifications with their canary, weekly drills with their leases; one drill still runs, and all is stopped."""
    records: list[Record] = []
    for number in range(services):
        name = f"service-{number}"
        for day in range(days):
            at = T0 + timedelta(days=day, seconds=number, microseconds=day)
            bad = (day + number) % 11 == 3
            records.append(a_verification(name, "main", at, verdict="failed" if bad else "passed", size=1000 + day))
            if (day + number) % 7 == 0:
                records += _drill_with_lease(name, at + timedelta(hours=1), "failed" if bad else "passed")
        records.append(a_verification(name, "main", T0 + timedelta(days=days, seconds=number), canary=True, verdict="failed"))
    last = a_lease("service-0", "main", "running", opened=T0 + timedelta(days=days, hours=2))
    records.append(a_lease_record("opened", last, last.opened_at))
    records.append(a_note("waiver", T0 + timedelta(days=1), service="service-0", until="2026-02-01"))
    records.append(a_note("global-stop", T0 + timedelta(days=days, hours=3), reason="peak"))
    return records


def _drill_with_lease(service: str, at: datetime, verdict: str) -> list[Record]:
    drill = a_drill(service, "main", at, verdict=verdict, seconds=61.25)
    lease = a_lease(service, "main", f"{at:%Y-%m-%dT%H:%M}", opened=at)
    closed = lease.model_copy(update={"closed_at": drill.written_at})
    return [a_lease_record("opened", lease, at), drill, a_lease_record("closed", closed, drill.written_at)]


def _check(
    name: str,
    outcome: Outcome,
    detail: str = "",
    *,
    layer: str = "backup",
    measured: str | None = None,
    threshold: str | None = None,
) -> Check:
    return Check(name=name, layer=layer, outcome=outcome, measured=measured, threshold=threshold, detail=detail)
