"""Records into tables and answers: again, in any order and from nothing, always the same."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.ledger import open_ledger
from include.ledger.ledger import Ledger
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP
from tests.unit.evidence_samples import T0, a_drill, a_lease, a_lease_record, a_note, a_point, a_verification, a_year

# ---- projection --------------------------------------------------------------------------------------------------


def test_what_the_plan_and_readiness_ask(ledger: Ledger) -> None:
    day = timedelta(days=1)
    ledger.project(a_drill("orders", "main", T0, verdict="passed", seconds=60))
    ledger.project(a_drill("orders", "main", T0 + day, verdict="passed", seconds=90))
    ledger.project(a_drill("orders", "main", T0 + 2 * day, verdict="failed", seconds=5))
    ledger.project(a_verification("orders", "main", T0 + day, size=1000))
    ledger.project(a_verification("orders", "main", T0 + 3 * day, size=2000))
    ledger.project(a_verification("orders", "main", T0 + 4 * day, canary=True, size=7))
    ledger.project(a_verification("prices", "main", T0, size=50))
    running = a_lease("prices", "main", "2026-11-30", opened=T0 + day)
    ledger.open_lease(running)
    past = ledger.history()
    assert set(past) == {"orders/main", "prices/main"}
    assert past["orders/main"].last_passed == T0 + day
    assert past["orders/main"].last_attempt == T0 + 2 * day
    assert past["orders/main"].restore_seconds == (90.0, 60.0)
    assert past["orders/main"].size_bytes == 2000
    assert past["orders/main"].in_progress is None
    assert past["prices/main"].in_progress == running.lease_id
    assert past["prices/main"].last_slot == "2026-11-30"
    assert ledger.latest_drills()["orders/main"].verdict == "failed"
    assert ledger.proofs()["orders/main"].decided_at == T0 + day
    assert ledger.latest_verifications()["orders/main"].written_at == T0 + 3 * day
    assert [drill.decided_at for drill in ledger.drills("orders", T0 + day)] == [T0 + day, T0 + 2 * day]
    sizes = ledger.measurements("orders/main", "size_bytes", T0 + 2 * day)
    assert [int(m.value) for m in sizes if m.record_id.find("verification") > 0] == [2000]
    assert {m.metric for m in ledger.measurements("orders/main")} >= {"rto_seconds", "rpo_seconds", "cost", "phase.restore"}


def test_points_seen_are_those_of_earlier_verifications(ledger: Ledger) -> None:
    for night in range(4):
        at = T0 + timedelta(days=night)
        point = a_point(f"base-{night // 2}", at - timedelta(hours=night % 2 * 24 + 3))
        ledger.project(a_verification("orders", "main", at, point=point))
    assert [p.id for p in ledger.points_seen("orders/main", T0)] == ["base-1", "base-0"]
    assert [p.id for p in ledger.points_seen("orders/main", T0 + timedelta(days=2))] == ["base-1"]
    assert ledger.points_seen("orders/other", T0) == ()


def test_projecting_again_changes_nothing(ledger: Ledger) -> None:
    records = a_year(services=3, days=10)
    for record in records:
        assert ledger.project(record)
    before = ledger.answers()
    assert not any(ledger.project(record) for record in records)
    assert ledger.answers() == before


def test_a_rebuilt_ledger_answers_the_same_to_the_byte(ledger: Ledger, second: Ledger) -> None:
    records = a_year(services=4, days=30)
    for record in records:
        ledger.project(record)
    assert ledger.open_leases() and ledger.stopped()
    assert second.rebuild(reversed(records)) == len(records)
    assert second.answers() == ledger.answers()
    assert second.history() == ledger.history()
    second.rebuild(records)
    assert second.answers() == ledger.answers(), "a rebuild over a full ledger must not add to it"


def test_answers_tell_two_ledgers_apart(ledger: Ledger, second: Ledger) -> None:
    records = a_year(services=2, days=5)
    ledger.rebuild(records)
    for record in records:
        second.rebuild([other for other in records if other.record_id != record.record_id])
        assert second.answers() != ledger.answers(), f"{record.record_id} leaves no trace in the answers"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_any_order_of_arrival_leads_to_the_same_answers(ledger: Ledger, second: Ledger, seed: int) -> None:
    lease = a_lease("orders", "main", "s1")
    at = lease.opened_at
    held = lease.model_copy(update={"adopted_by": "ann", "expires_at": at + timedelta(days=1)})
    given_back = held.model_copy(update={"adopted_by": None, "expires_at": at + timedelta(hours=2)})
    over = given_back.model_copy(update={"closed_at": at + timedelta(hours=3)})
    anew = lease.model_copy(update={"opened_at": at + timedelta(hours=5), "expires_at": at + timedelta(hours=9)})
    story = [
        a_lease_record("opened", lease, at),
        a_lease_record("adopted", held, at + timedelta(hours=1)),
        a_lease_record("expired", given_back, at + timedelta(hours=2)),
        a_lease_record("closed", over, at + timedelta(hours=3)),
        a_lease_record("opened", anew, at + timedelta(hours=5)),
        *a_year(services=1, days=4),
        a_note(GLOBAL_STOP, T0 + timedelta(days=400)),
        a_note(GLOBAL_RESUME, T0 + timedelta(days=401)),
    ]
    ledger.rebuild(story)
    second.rebuild([])
    for record in random.Random(seed).sample(story, len(story)):
        second.project(record)
    assert second.answers() == ledger.answers()


def test_a_role_with_nothing_but_select_gets_every_answer(ledger: Ledger) -> None:
    from sqlalchemy import create_engine, text

    ledger.rebuild(a_year(services=2, days=5))
    ledger.append("d1", "decided", T0, {})
    engine = create_engine(ledger.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text('DROP ROLE IF EXISTS "board reader"'))
        connection.execute(text('CREATE ROLE "board reader" LOGIN'))
    ledger.grant_reader("board reader")
    reader = open_ledger(ledger.url.replace("//drillyard@", "//board%20reader@"))
    assert reader.answers() == ledger.answers()
    assert reader.history() == ledger.history()
    assert reader.journal("d1") and reader.cursor("x") is None and reader.anchor() is None
    with pytest.raises(Exception, match="permission denied"):
        reader.append("d1", "forged", T0, {})
    reader.close()
    with engine.connect() as connection:
        connection.execute(text('DROP OWNED BY "board reader"'))
        connection.execute(text('DROP ROLE "board reader"'))
    engine.dispose()
