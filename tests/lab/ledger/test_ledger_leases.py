"""Leases: opened once, adopted by one, closed for good, the same in any order of arrival."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.ledger.acts import adopt, release
from include.ledger.ledger import Ledger
from include.ledger.model import LedgerError
from tests.unit.evidence_samples import T0, a_lease, a_lease_record

# ---- leases ------------------------------------------------------------------------------------------------------


def test_a_lease_from_open_to_closed(ledger: Ledger) -> None:
    lease = a_lease("orders", "main", "s1")
    assert ledger.open_lease(lease) == lease
    longer = lease.model_copy(update={"expires_at": lease.expires_at + timedelta(days=9)})
    assert ledger.open_lease(longer) == lease, "a retry must find the first try's lease, not stretch it"
    assert ledger.lease_for("orders/main") == lease
    assert ledger.open_leases(now=lease.expires_at) == ()
    assert ledger.open_leases() == (lease,)
    closed = ledger.close_lease(lease.lease_id, T0 + timedelta(hours=1))
    assert ledger.close_lease(lease.lease_id, T0 + timedelta(hours=5)) == closed
    assert ledger.lease_for("orders/main") is None and ledger.open_leases() == ()
    again = lease.model_copy(update={"opened_at": T0 + timedelta(hours=2), "expires_at": T0 + timedelta(hours=9)})
    assert ledger.open_lease(again).closed_at is None, "a drill that runs again opens its lease anew"
    with pytest.raises(LookupError, match="drillyard ledger leases"):
        ledger.close_lease("nobody", T0)


def test_an_adopted_lease_is_ended_by_nobody_else(ledger: Ledger) -> None:
    lease = ledger.open_lease(a_lease("orders", "main", "s1"))
    until = T0 + timedelta(days=2)
    assert ledger.kept_until(lease.lease_id, T0) is None
    assert ledger.adopt_lease(lease.lease_id, "ann", until).adopted_by == "ann"
    assert ledger.kept_until(lease.lease_id, T0) == until
    assert ledger.kept_until(lease.lease_id, until) is None
    assert ledger.expire_lease(lease.lease_id, T0).expires_at == until
    assert ledger.expire_lease(lease.lease_id, T0, by="bo").expires_at == until
    with pytest.raises(LedgerError, match="held by ann"):
        ledger.adopt_lease(lease.lease_id, "bo", until)
    given = ledger.expire_lease(lease.lease_id, T0 + timedelta(hours=1), by="ann")
    assert (given.adopted_by, given.expires_at) == (None, T0 + timedelta(hours=1))
    ledger.close_lease(lease.lease_id, T0)
    with pytest.raises(LedgerError, match="closed"):
        ledger.adopt_lease(lease.lease_id, "ann", until)


def test_expiring_never_makes_a_lease_longer(ledger: Ledger) -> None:
    lease = ledger.open_lease(a_lease("orders", "main", "s1"))
    assert ledger.expire_lease(lease.lease_id, lease.expires_at + timedelta(days=1)) == lease
    assert ledger.expire_lease(lease.lease_id, T0 + timedelta(minutes=5)).expires_at == T0 + timedelta(minutes=5)


def test_adopting_and_releasing_leave_records_that_rebuild_the_same(ledger: Ledger, second: Ledger, tmp_path: Path) -> None:
    stores = Stores([LocalStore("one", tmp_path)])
    lease = a_lease("orders", "main", "s1")
    opened = a_lease_record("opened", lease, lease.opened_at)
    stores.write_record(opened)
    ledger.project(opened)
    adopt(ledger, stores, lease.lease_id, "ann", T0 + timedelta(days=1), "compare prices", T0 + timedelta(minutes=1))
    with pytest.raises(LedgerError, match="held by ann"):
        release(ledger, stores, lease.lease_id, "bo", "", T0 + timedelta(minutes=2))
    second.rebuild(stores.stores[0].records())
    assert second.lease(lease.lease_id) == ledger.lease(lease.lease_id)
    release(ledger, stores, lease.lease_id, "ann", "done", T0 + timedelta(hours=1))
    second.rebuild(stores.stores[0].records())
    assert second.answers() == ledger.answers()
    assert [entry.event for entry in stores.stores[0].records()] == ["opened", "adopted", "expired"]
