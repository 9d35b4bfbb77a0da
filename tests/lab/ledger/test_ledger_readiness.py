"""The report from the ledger: the same as from the records alone, published whole, with its seal."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from include.catalog.model import EvidenceStore
from include.connections import ConnectionInfo, parse
from include.evidence import chain, publish
from include.evidence.publish import from_ledger, from_records
from include.evidence.readiness_model import Readiness
from include.evidence.stores import open_stores
from include.ledger.ledger import Ledger
from tests.unit.evidence_samples import T0, a_note, a_verification, a_year
from tests.unit.readiness_samples import a_loaded, a_service

KEY = "11" * 32
NOW = T0 + timedelta(days=30, hours=6)


def test_ledger_and_records_tell_the_same(ledger: Ledger) -> None:
    held = [
        a_note("drill-held", NOW - timedelta(hours=hours), why=f"blackout {hours}").model_copy(update={"subject": subject})
        for subject, hours in (("service-1/main", 2), ("service-2/main", 24 * 20))
    ]
    stray = a_note("uncatalogued-database", NOW, cloud="selfhosted", region="hq").model_copy(update={"subject": "shadow"})
    records = [*a_year(services=3, days=30), *held, stray]
    ledger.rebuild(records)
    from_store = from_records(records, NOW)
    assert from_ledger(ledger, NOW) == from_store
    assert from_store.held == {"service-1/main": "blackout 2"}, "a drill that ran since makes an older hold no news"
    assert [(one.region, one.verdict) for one in from_store.canaries] == [("hq", "failed")]
    assert [one.database for one in from_store.uncatalogued] == ["shadow"]
    assert ledger.stopped() == publish.stop_in(records)


def test_published_whole_with_stop_and_seal(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = a_loaded(*(a_service(f"service-{number}") for number in range(4)))
    entries = [EvidenceStore(name=name, url=str(tmp_path / name), failure_domain=name) for name in ("north", "south")]
    loaded.catalog.platform.evidence[:] = entries
    monkeypatch.setattr("include.catalog.load.load", lambda directory: loaded)
    monkeypatch.setattr(publish, "utcnow", lambda: NOW)
    monkeypatch.setenv("DRILLYARD_REPORTS", str(tmp_path / "reports"))

    def connections(conn_id: str) -> ConnectionInfo:
        assert conn_id == "drillyard_ledger"
        return parse(conn_id, ledger.url.replace("postgresql+psycopg2", "postgres"))

    stores = open_stores(entries)
    for record in [*a_year(services=3, days=30), a_verification("service-0", "main", NOW - timedelta(hours=4))]:
        stores.write_record(record)
        ledger.project(record)
    sealed = chain.seal(stores, KEY, NOW, anchors=ledger, window=None)
    path = publish.publish_readiness(connections)
    assert path == tmp_path / "reports" / "readiness.html" and path.read_text().startswith("<!doctype html>")
    report = Readiness.model_validate_json((tmp_path / "reports" / "readiness.json").read_text())
    assert report.stop is not None and report.stop.reason == "peak"
    assert report.seal is not None and (report.seal.word, report.seal.head) == ("UNTRUSTED", str(sealed.head))
    assert {s.service: s.state for s in report.services}["service-3"] == "unknown"
    assert report.services[0].datastores[0].evidence_id is None and len(report.services) == 4
    trend = next(s for s in report.services if s.service == "service-0").datastores[0].trend
    assert [point.rto_seconds for point in trend if point.verdict == "passed"] == [30.625] * 4
    again = publish.publish_readiness(connections)
    assert sorted(file.name for file in again.parent.iterdir()) == ["readiness.html", "readiness.json"]
    assert json.loads((again.parent / "readiness.json").read_text())["generated_at"] == "2026-02-04T08:00:00Z"
