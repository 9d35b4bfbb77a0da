"""Platforms of any size with a believable past, for tests of the readiness report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Datastore, EvidenceStore, Person, Platform, Service, Tier
from include.evidence.readiness import Evidence, readiness
from include.evidence.readiness_model import Canary, Readiness, Seal, TrendPoint
from include.ledger.model import Stop
from include.recovery.model import Check, Outcome
from tests.unit.evidence_samples import REVISION, T0, a_drill, a_verification

NOW = T0 + timedelta(days=322, hours=12)
DAY = timedelta(days=1)
TIERS = {
    "tier-1": Tier(rpo=timedelta(minutes=15), rto=timedelta(hours=1), drill_every=7 * DAY, blocks_release=True),
    "tier-2": Tier(rpo=timedelta(hours=4), rto=timedelta(hours=4), drill_every=14 * DAY),
    "tier-3": Tier(rpo=timedelta(days=1), rto=timedelta(hours=12), drill_every=30 * DAY),
}


def a_service(name: str, tier: str = "tier-1", datastores: int = 1, **changed: Any) -> Service:
    made = [
        Datastore(
            name=f"db-{n}" if n else "main", cloud="selfhosted", region="dc-north", database=name, business_time="SELECT now()"
        )
        for n in range(datastores)
    ]
    return Service(service=name, tier=tier, owner=changed.pop("owner", "commerce"), datastores=made, **changed)


def a_loaded(*services: Service, broken: dict[str, str] | None = None) -> Loaded:
    platform = Platform(
        name="example-distribution",
        currency="EUR",
        clouds={},
        tiers=TIERS,
        people=[Person(name="ann", email="ann@example.test")],
        evidence=[EvidenceStore(name="one", url="build/x", failure_domain="hall-one")],
    )
    return Loaded(
        catalog=Catalog(platform=platform, services={s.service: s for s in services}),
        base=Path(),
        revision=REVISION,
        broken=broken or {},
    )


def proven(*services: Service, age: timedelta = DAY, night: timedelta = timedelta(hours=9)) -> Evidence:
    """Every datastore passed its drill `age` ago and its verification `night` ago."""
    subjects = [(s.service, d.name) for s in services for d in s.datastores]
    drills = {f"{s}/{d}": a_drill(s, d, NOW - age) for s, d in subjects}
    return Evidence(
        drills=drills, passed=drills, verifications={f"{s}/{d}": a_verification(s, d, NOW - night) for s, d in subjects}
    )


def a_canary(verdict: str = "passed", age: timedelta = timedelta(hours=9), summary: str = "refused by: manifest") -> Canary:
    return Canary(
        cloud="selfhosted",
        region="dc-north",
        written_at=NOW - age,
        verdict=verdict,
        summary=summary,
        evidence_id="a-canary",
    )


NAMES = (
    *("order-intake", "inventory", "pricing", "identity", "erp-connector", "warehouse-events", "shipping"),
    *("invoicing", "returns", "customer-portal", "notifications", "partner-exchange", "product-content", "analytics"),
)
OWNERS = ("commerce", "stock-and-warehouse", "platform", "integration", "finance-systems")


def a_platform(count: int = 14, weeks: int = 46) -> Readiness:
    """`count` services, among them every state, with a drill a week behind them."""
    services, drills, passed, nights, trend = [], {}, {}, {}, {}
    for number in range(count):
        name = NAMES[number % len(NAMES)] + (f"-{number // len(NAMES)}" if number >= len(NAMES) else "")
        needs = [services[0].service] if 0 < number % 5 < 3 and services else []
        needs += [services[-1].service] if number % 4 == 3 else []
        service = a_service(
            name,
            f"tier-{number % 3 + 1}",
            0 if number % 14 == 10 else 2 if number % 9 == 4 else 1,
            owner=OWNERS[number % len(OWNERS)],
            depends_on=needs,
            description=f"What {name.replace('-', ' ')} does for the business.",
        )
        services.append(service)
        for datastore in service.datastores:
            subject = f"{name}/{datastore.name}"
            if number % 14 == 12:
                continue
            _past(subject, number, weeks, drills, passed, nights, trend)
    evidence = Evidence(drills, passed, nights, {"returns/main": "blackout year-end-peak until 2026-12-24"}, trend, _docs(drills))
    seal = Seal(
        word="UNTRUSTED",
        head="1042:" + "5f4b365f094c607b8e5d987eadeec7244120061966f9ebf95b3fa77a004550a5",
        keys=("d1a3bc1dcb0c8c7e",),
        checked="newest 48 links and 96 records in 2 stores; `drillyard evidence verify` reads all",
    )
    evidence = replace(evidence, canaries=[a_canary()])
    loaded = a_loaded(
        *services, broken={"carrier-labels": "services/carrier-labels.yaml:7: tier: 'teir-1' is unknown; nearest: tier-1"}
    )
    return readiness(loaded, evidence, None, NOW, seal=seal)


def _past(subject: str, number: int, weeks: int, *kept: dict[str, Any]) -> None:
    drills, passed, nights, trend = kept
    service, _, datastore = subject.partition("/")
    kind = number % 14
    age = timedelta(days=70) if kind == 5 else timedelta(days=1 + number % 6, hours=number % 11)
    bad = kind in (2, 8)
    ok = a_drill(service, datastore, NOW - age - 7 * DAY * bad, seconds=40 + number % 60, checks=_checks(""))
    passed[subject] = drills[subject] = ok
    if bad:
        wrong = (
            "orders have lines: expected 0, got 118"
            if kind == 2
            else "index orders_pkey is corrupt: item order invariant violated"
        )
        name = "orders-have-lines" if kind == 2 else "database-amcheck"
        drills[subject] = a_drill(
            service, datastore, NOW - age, "failed", 35, checks=_checks(name, wrong), summary=f"{name}: {wrong}", doubles=()
        )
    nights[subject] = a_verification(
        service, datastore, NOW - timedelta(hours=9, seconds=number), verdict="failed" if kind == 7 else "passed"
    )
    trend[subject] = [
        TrendPoint(
            at=NOW - age - 7 * DAY * week,
            verdict="failed" if (week * 7 + number) % 23 == 5 or (bad and week == 0) else "passed",
            rto_seconds=None if (week * 7 + number) % 23 == 5 else 20 + (number * 13 + week * 29) % 31 + week % 7,
        )
        for week in reversed(range(weeks))
    ]


def _checks(failed: str, detail: str = "") -> tuple[Check, ...]:
    lines = [
        ("permissions", "preflight", "", ""),
        ("space", "preflight", "41.2 GB", "3.1 GB"),
        ("archiving-off", "harmless", "off", "off"),
        ("logical-workers", "harmless", "0", "0"),
        ("passwords-rotated", "harmless", "6 roles", "6 roles"),
        ("restore-ready", "database", "copy 3.1s, start 0.6s, replay 4.9s", ""),
        ("orders-have-lines", "business", "0", "0"),
        ("stock-never-negative", "business", "0", "0"),
        ("invoices-reconcile", "business", "0.00", "0.00"),
        ("database-amcheck", "database", "214 relations", ""),
        ("sequences-ahead", "database", "18", "18"),
        ("expect_column_values_to_not_be_null(order_id)", "expectations", "", ""),
        ("rto", "target", "28.412s", "1h"),
        ("rpo", "target", "4.120s", "15m"),
        ("nothing-left", "cleanup", "0", "0"),
    ]
    return tuple(
        Check(
            name=name,
            layer=layer,
            outcome=Outcome.FAILED if name == failed else Outcome.PASSED,
            measured=measured or None,
            threshold=threshold or None,
            detail=detail if name == failed else "",
        )
        for name, layer, measured, threshold in lines
    )


def _docs(drills: dict[str, Any]) -> dict[str, str]:
    return {drill.drill_id: f"data-docs/{drill.drill_id}/index.html" for drill in drills.values()}


STOP = Stop(by="ines-holm", reason="network works in dc-north", at=NOW - timedelta(minutes=40))
