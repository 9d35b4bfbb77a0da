"""A store that cannot be opened is one store that is down: named, red where that is asked, and mended by the next run."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.catalog.model import EvidenceStore
from include.connections import ConnectionInfo, Connections
from include.evidence import chain, keys
from include.evidence.publish import look_at_seal
from include.evidence.readiness import Evidence, readiness
from include.evidence.store import LocalStore
from include.evidence.stores import Stores, StoresDown, open_stores
from include.notices.conditions import conditions
from tests.unit.evidence_samples import T0, a_note
from tests.unit.readiness_samples import NOW, a_loaded, a_service

PRIVATE, PUBLIC = keys.generate()


def entries(tmp_path: Path) -> list[EvidenceStore]:
    near = EvidenceStore(name="near", url=str(tmp_path / "near"), failure_domain="hall-one")
    far = EvidenceStore(name="far", url=str(tmp_path / "far"), failure_domain="hall-two", connection="far_store")
    return [near, far]


def missing(conn_id: str) -> ConnectionInfo:
    raise LookupError(f"connection {conn_id!r} is not known here: set AIRFLOW_CONN_{conn_id.upper()}")


def present(conn_id: str) -> ConnectionInfo:
    return ConnectionInfo(conn_id=conn_id, conn_type="generic")


def garbled(conn_id: str) -> ConnectionInfo:
    raise ValueError(f"connection {conn_id!r} is neither JSON nor a URI")


def listed(conn_id: str) -> ConnectionInfo:
    return ConnectionInfo(conn_id=conn_id, conn_type="generic", extra={"storage_options": ["token"]})


@pytest.mark.parametrize("connections", [missing, garbled])
def test_one_store_without_its_connection_is_down_and_the_other_goes_on(tmp_path: Path, connections: Connections) -> None:
    stores = open_stores(entries(tmp_path), connections)
    written = stores.write_record(a_note("x", T0))
    assert written.stores == ("near",)
    assert "far" in written.failures["far"] and "far_store" in written.failures["far"]
    near, far = chain.verify_stores(stores.stores, [PUBLIC], None)
    assert near.findings == ()
    assert far.seal == "BROKEN" and [one.kind for one in far.findings] == ["unreadable"]
    assert "far_store" in far.findings[0].detail


def test_the_next_run_repairs_a_store_whose_connection_is_back(tmp_path: Path) -> None:
    shut = open_stores(entries(tmp_path), missing)
    shut.write_record(a_note("x", T0))
    sealed = chain.seal(shut, PRIVATE, T0, anchors=None, trusted_keys=[PUBLIC])
    assert sealed.entries == 1 and "far_store" in sealed.failures["far"]
    assert "far_store" in shut.repair().failures["far"]

    whole = open_stores(entries(tmp_path), present)
    again = chain.seal(whole, PRIVATE, T0, anchors=None, trusted_keys=[PUBLIC])
    assert again.failures == {} and whole.repair().complete
    assert {look.seal for look in chain.verify_stores(whole.stores, [PUBLIC], None)} == {"TRUSTED"}
    near, far = whole.stores
    assert near.list("records/") == far.list("records/") and near.list("chain/") == far.list("chain/")


def test_options_that_are_none_shut_a_store(tmp_path: Path) -> None:
    near, _ = entries(tmp_path)
    far = EvidenceStore(name="far", url="memory://far", failure_domain="hall-two", connection="far_store")
    assert "far" in open_stores([near, far], listed).write_record(a_note("x", T0)).failures


def test_a_store_whose_sdk_is_not_installed_is_down(tmp_path: Path) -> None:
    near, _ = entries(tmp_path)
    far = EvidenceStore(name="far", url="nosuchcloud://bucket", failure_domain="hall-two")
    written = open_stores([near, far], present).write_record(a_note("x", T0))
    assert written.stores == ("near",) and "nosuchcloud" in written.failures["far"]


def test_no_store_at_all_says_what_to_do(tmp_path: Path) -> None:
    _, far = entries(tmp_path)
    with pytest.raises(LookupError, match=r"no evidence store can be opened.*AIRFLOW_CONN_FAR_STORE"):
        open_stores([far], missing)
    with pytest.raises(ValueError, match=r"platform\.yaml"):
        open_stores([], missing)


def test_a_shut_store_is_no_place_to_look_for_what_another_has(tmp_path: Path) -> None:
    near, far = entries(tmp_path)
    stores = open_stores([far, near], missing)
    LocalStore("near", tmp_path / "near").put_new("records/a", b"x")
    assert stores.read("records/a") == b"x"
    with pytest.raises(StoresDown):
        Stores(stores.stores[:1]).put_new("records/b", b"y")


def test_readiness_and_notices_name_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    stores = open_stores(entries(tmp_path), missing)
    stores.write_record(a_note("x", T0))
    chain.seal(stores, PRIVATE, T0, anchors=None, trusted_keys=[PUBLIC])
    loaded = a_loaded(a_service("orders"))
    report = readiness(loaded, Evidence(), None, NOW, seal=look_at_seal(stores, loaded, None))
    assert report.seal is not None and any("far" in one and "AIRFLOW_CONN_FAR_STORE" in one for one in report.seal.findings)
    told = conditions(report, {})["platform:evidence chain"]
    assert told.bad and "AIRFLOW_CONN_FAR_STORE" in told.detail
