"""Readiness: green only by recent measurements against the service's own targets; everything else has its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.evidence.kit import COLD_DRILL, EXPORTED
from include.evidence.naming import new_record_id
from include.evidence.publish import from_records
from include.evidence.readiness import Evidence, readiness
from include.evidence.readiness_model import SHOWN_FIRST, DatastoreReadiness, ServiceReadiness, TrendPoint
from include.evidence.record import DrillRecord, NoteRecord
from include.evidence.table import headlines
from tests.unit.evidence_samples import a_drill, a_verification
from tests.unit.readiness_samples import DAY, NOW, STOP, TIERS, a_loaded, a_platform, a_service, proven

ORDERS = a_service("orders")


def look(evidence: Evidence, *services: object, now: object = NOW) -> ServiceReadiness:
    report = readiness(a_loaded(*(services or (ORDERS,))), evidence, None, now)  # type: ignore[arg-type]
    return next(one for one in report.services if one.service == "orders")


def one(evidence: Evidence, now: object = NOW) -> DatastoreReadiness:
    return look(evidence, now=now).datastores[0]


def with_drill(drill: DrillRecord, *, proof: bool = True) -> Evidence:
    """The newest drill is this one; with `proof`, another passed a day before."""
    before = proven(ORDERS, age=2 * DAY)
    return replace(before, drills={"orders/main": drill}, passed=before.passed if proof else {})


def test_measured_recently_and_within_targets_is_proven() -> None:
    found = one(proven(ORDERS))
    assert (found.state, found.reasons, found.failed_checks) == ("proven", (), ())
    assert (found.rpo_proven_seconds, found.rto_measured_seconds, found.verdict) == (42.0, 30.0, "passed")
    assert found.proven_at == NOW - DAY and found.proof_expires_at == NOW - DAY + 14 * DAY
    assert found.verification_expires_at == found.stale_at == NOW - timedelta(hours=9) + 2 * DAY
    assert found.evidence_id == "20261122T140100.000000Z-drill-orders.main"


def test_never_drilled_never_verified_is_unknown() -> None:
    found = one(Evidence())
    assert (found.state, found.verdict, found.stale_at, found.evidence_id) == ("unknown", "never drilled", None, None)
    assert found.reasons == ("never drilled", "its backups were never verified")


@pytest.mark.parametrize("lacking", ["drills", "verifications"])
def test_half_a_proof_is_unknown(lacking: str) -> None:
    evidence = replace(proven(ORDERS), **{lacking: {}}, **({"passed": {}} if lacking == "drills" else {}))
    assert one(evidence).state == "unknown"


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (NOW - timedelta(hours=9) + 2 * DAY - timedelta(seconds=1), "proven"),
        (NOW - timedelta(hours=9) + 2 * DAY, "stale"),
        (NOW + 13 * DAY, "stale"),
    ],
)
def test_a_verification_older_than_twice_its_interval_is_stale(moment: object, state: str) -> None:
    found = one(proven(ORDERS), now=moment)
    assert found.state == state
    assert state == "proven" or any("not verified since" in reason for reason in found.reasons)


def test_a_proof_older_than_twice_the_drills_interval_is_stale() -> None:
    fresh, old = one(proven(ORDERS, age=14 * DAY - timedelta(seconds=1))), one(proven(ORDERS, age=14 * DAY))
    assert (fresh.state, old.state) == ("proven", "stale")
    assert fresh.stale_at == NOW + timedelta(seconds=1)
    assert "a drill is overdue" in old.reasons[0]


def test_a_tier_may_set_its_own_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIERS, "tier-1", TIERS["tier-1"].model_copy(update={"proof_expires_after": timedelta(hours=30)}))
    assert one(proven(ORDERS, age=timedelta(hours=31))).state == "stale"
    assert one(proven(ORDERS, age=timedelta(hours=29))).state == "proven"


def test_a_failed_drill_takes_an_older_proof_away() -> None:
    found = one(with_drill(a_drill("orders", "main", NOW - timedelta(hours=3), "failed")))
    assert (found.state, found.verdict, found.stale_at) == ("failed", "failed", None)
    assert found.failed_checks == ("orders have lines",)
    assert found.rpo_proven_seconds is None and found.rto_measured_seconds is None
    assert found.proven_at == NOW - 2 * DAY and found.proof_expires_at is None


def test_a_drill_that_passed_after_a_failure_proves_again() -> None:
    assert one(proven(ORDERS, age=timedelta(hours=1))).state == "proven"


@pytest.mark.parametrize("verdict", ["unknown", "partial"])
def test_a_drill_that_was_cut_off_leaves_a_proof_and_says_so(verdict: str) -> None:
    found = one(with_drill(a_drill("orders", "main", NOW - timedelta(hours=3), verdict)))
    assert (found.state, found.verdict) == ("proven", verdict)
    assert "a later drill was not finished" in found.reasons[0]
    assert found.rto_measured_seconds == 30.0, "what is shown as measured belongs to the proof"
    alone = one(with_drill(a_drill("orders", "main", NOW - timedelta(hours=3), verdict), proof=False))
    assert alone.state == "unknown" and "proved nothing" in alone.reasons[0]


@pytest.mark.parametrize("missing", ["rto_measured", "rpo_measured"])
def test_passed_without_a_measurement_is_never_green(missing: str) -> None:
    drill = a_drill("orders", "main", NOW - DAY, **{missing: None})
    evidence = replace(proven(ORDERS), drills={"orders/main": drill}, passed={"orders/main": drill})
    found = one(evidence)
    assert found.state == "unknown" and "without a measured" in found.reasons[0]


@pytest.mark.parametrize(("field", "late"), [("rto_measured", timedelta(hours=2)), ("rpo_measured", timedelta(minutes=16))])
def test_measured_above_todays_target_is_failed(field: str, late: timedelta) -> None:
    """The drill passed when the target was wider; the catalog was tightened since."""
    drill = a_drill("orders", "main", NOW - DAY, **{field: late})
    found = one(replace(proven(ORDERS), drills={"orders/main": drill}, passed={"orders/main": drill}))
    assert found.state == "failed" and "the target is" in found.reasons[0]


@pytest.mark.parametrize(("verdict", "state"), [("failed", "failed"), ("unknown", "unknown"), ("partial", "unknown")])
def test_a_bad_verification_counts_beside_a_good_drill(verdict: str, state: str) -> None:
    night = a_verification("orders", "main", NOW - timedelta(hours=1), verdict=verdict)
    found = one(replace(proven(ORDERS), verifications={"orders/main": night}))
    assert found.state == state and "verification" in found.reasons[0]
    assert found.failed_checks == ("wal-continuity",)


def test_a_held_drill_is_told_and_changes_nothing() -> None:
    found = one(replace(proven(ORDERS), held={"orders/main": "blackout year-end-peak"}))
    assert found.state == "proven" and found.reasons == ("the last due drill was held: blackout year-end-peak",)


def test_a_service_is_as_good_as_its_worst_datastore() -> None:
    service = a_service("orders", datastores=3)
    evidence = proven(service)
    assert look(evidence, service).state == "proven"
    old = {**evidence.verifications, "orders/db-1": a_verification("orders", "db-1", NOW - 5 * DAY)}
    assert look(replace(evidence, verifications=old), service).state == "stale"
    fewer = {key: value for key, value in old.items() if key != "orders/db-2"}
    found = look(replace(evidence, verifications=fewer), service)
    assert found.state == "unknown" and found.reasons[-1] == "db-2: its backups were never verified"


def test_nothing_to_restore_is_shown_and_is_not_green() -> None:
    service = a_service("orders", datastores=0)
    found = look(Evidence(), service)
    assert (found.state, found.datastores) == ("n/a", ()) and "nothing to restore" in found.reasons[0]


def test_a_broken_catalog_file_is_unknown_and_hides_nobody() -> None:
    report = readiness(a_loaded(ORDERS, broken={"prices": "prices.yaml:3: tier is missing"}), proven(ORDERS), STOP, NOW)
    assert [(s.service, s.state) for s in report.services] == [("prices", "unknown"), ("orders", "proven")]
    assert "prices.yaml:3" in report.services[0].reasons[0]
    assert report.stop and report.stop.by == "ines-holm"


def test_unknown_stale_and_failed_come_first_and_tiers_add_up() -> None:
    report = a_platform(60)
    order = [SHOWN_FIRST[service.state] for service in report.services]
    assert order == sorted(order) and set(order) == set(SHOWN_FIRST.values())
    assert sum(tier.services for tier in report.tiers) + 1 == len(report.services)
    for tier in report.tiers:
        assert sum(tier.states.values()) == tier.services > 0


def test_doubles_are_listed() -> None:
    drill = a_drill("orders", "main", NOW - DAY, doubles=("RDS control plane",))
    report = readiness(a_loaded(ORDERS), replace(proven(ORDERS), drills={"orders/main": drill}), None, NOW)
    assert report.doubles == ("RDS control plane",) == report.services[0].datastores[0].doubles


# ---- chains ------------------------------------------------------------------------------------------------------


def chain_of(name: str, needs: Mapping[str, list[str]], seconds: Mapping[str, float], broken: tuple[str, ...] = ()) -> object:
    services = [a_service(service, depends_on=list(deps)) for service, deps in needs.items()]
    drills = {
        f"{service}/main": a_drill(service, "main", NOW - DAY, rto_measured=timedelta(seconds=taken))
        for service, taken in seconds.items()
    }
    evidence = replace(proven(*services), drills=drills, passed=drills)
    report = readiness(a_loaded(*services, broken=dict.fromkeys(broken, "x")), evidence, None, NOW)
    return next(service for service in report.services if service.service == name).chain


def test_the_chain_is_the_slowest_way_through_the_dependencies() -> None:
    needs = {"orders": ["stock", "identity"], "stock": ["identity"], "identity": [], "prices": []}
    seconds = {"orders": 30, "stock": 20, "identity": 60, "prices": 999}
    chain = chain_of("orders", needs, seconds)
    assert (chain.path, chain.rto_seconds) == (("identity", "stock", "orders"), 110.0)  # type: ignore[attr-defined]


def test_a_chain_with_an_unmeasured_or_broken_link_is_unknown() -> None:
    chain = chain_of("orders", {"orders": ["stock"], "stock": []}, {"orders": 30})
    assert chain.rto_seconds is None and "stock" in chain.why_unknown  # type: ignore[attr-defined]
    chain = chain_of("orders", {"orders": ["stock"]}, {"orders": 30}, broken=("stock",))
    assert chain.rto_seconds is None and "stock" in chain.why_unknown  # type: ignore[attr-defined]


# ---- what can never happen ---------------------------------------------------------------------------------------

DRILLS = st.builds(
    lambda days, verdict, rto, rpo: a_drill(
        "orders", "main", NOW - timedelta(days=days), verdict, rto_measured=rto, rpo_measured=rpo
    ),
    st.floats(0, 40),
    st.sampled_from(["passed", "failed", "partial", "unknown"]),
    st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(hours=3))),
    st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(hours=1))),
)
NIGHTS = st.builds(
    lambda days, verdict: a_verification("orders", "main", NOW - timedelta(days=days), verdict=verdict),
    st.floats(0, 5),
    st.sampled_from(["passed", "failed", "partial", "unknown"]),
)


@given(
    drills=st.lists(DRILLS, max_size=4), night=st.one_of(st.none(), NIGHTS), later=st.timedeltas(timedelta(0), timedelta(days=60))
)
def test_green_always_has_a_recent_measured_proof_and_never_lasts(
    drills: list[DrillRecord], night: object, later: timedelta
) -> None:
    ordered = sorted(drills, key=lambda drill: drill.decided_at)
    proofs = [d for d in ordered if d.verdict == "passed" and None not in (d.rto_measured, d.rpo_measured)]
    evidence = Evidence(
        drills={"orders/main": ordered[-1]} if ordered else {},
        passed={"orders/main": proofs[-1]} if proofs else {},
        verifications={"orders/main": night} if night else {},  # type: ignore[dict-item]
    )
    found = one(evidence)
    if found.state != "proven":
        assert found.reasons and found.stale_at is None
        return
    proof = proofs[-1]
    assert NOW - proof.decided_at < 14 * DAY and proof.rto_measured <= TIERS["tier-1"].rto  # type: ignore[operator]
    assert proof.rpo_measured <= TIERS["tier-1"].rpo  # type: ignore[operator]
    assert not any(d.verdict == "failed" and d.decided_at > proof.decided_at for d in ordered)
    assert night.verdict == "passed" and NOW - night.written_at < 2 * DAY  # type: ignore[union-attr]
    assert found.stale_at is not None and found.stale_at > NOW
    expected = "proven" if NOW + later < found.stale_at else "stale"
    assert one(evidence, now=NOW + later).state == expected, "the page's script decides by stale_at alone, and must be right"


def test_trend_is_passed_on() -> None:
    points = (TrendPoint(at=NOW - DAY, verdict="passed", rto_seconds=3.0),)
    assert one(replace(proven(ORDERS), trend={"orders/main": points})).trend == points


def test_the_newest_cold_drill_of_each_store_and_the_kit_are_shown_from_records_alone() -> None:
    """A cold drill neither proves nor disproves the ordinary restore."""
    services = [a_service("orders")]
    at = NOW - DAY
    ordinary = a_drill("orders", "main", at)
    notes = [
        NoteRecord(
            record_id=new_record_id(f"note-{COLD_DRILL}", f"orders.main-{number}", when),
            written_at=when,
            event=COLD_DRILL,
            by="schedule",
            subject="orders/main",
            detail={"store": store, "verdict": verdict, "summary": verdict, "rto_seconds": 4.5},
        )
        for number, (store, verdict, when) in enumerate(
            [("south", "passed", at - DAY), ("south", "failed", at), ("north", "passed", at)]
        )
    ]
    kit = NoteRecord(
        record_id=new_record_id("note", EXPORTED, at),
        written_at=at,
        event=EXPORTED,
        by="drillyard",
        subject="platform",
        detail={"kit_id": "20260101T000000.000000Z", "problems": ["x: none"]},
    )
    records = [ordinary, *notes, kit, a_verification("orders", "main", at)]
    report = readiness(a_loaded(*services), from_records(records, NOW), None, NOW)
    (line,) = report.services[0].datastores
    assert [(one.store, one.verdict, one.rto_seconds) for one in line.cold] == [
        ("north", "passed", 4.5),
        ("south", "failed", 4.5),
    ]
    assert line.cold[0].expires_at == at + 28 * DAY
    assert report.kit is not None and report.kit.problems == ("x: none",)
    assert line.verdict == "passed" and line.proven_at == ordinary.decided_at
    said = "\n".join(headlines(report, NOW))
    assert "cold kit: 1d old, 1 problems; 1 of 1 databases were brought back from one in time" in said
    assert "cold kit: none" in "\n".join(headlines(report.model_copy(update={"kit": None}), NOW))
