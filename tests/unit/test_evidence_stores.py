"""Stores: an object is created once, whole or not at all, whoever else writes at the same time and whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.catalog.model import EvidenceStore
from include.connections import ConnectionInfo
from include.evidence.naming import link_path, link_seq, new_record_id, record_id_of, record_path
from include.evidence.store import RESTS, AlreadyThere, LocalStore, ObjectStore, Store, StoreDown
from include.evidence.stores import Stores, StoresDown, open_store, open_stores
from include.settings import PROJECT
from include.values import canonical_json
from tests.unit.evidence_samples import T0, a_note, a_verification


@pytest.fixture(params=["folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return LocalStore("one", tmp_path / "evidence")
    return ObjectStore("one", f"memory://{tmp_path.name}-{time.monotonic_ns()}/evidence")


def test_an_object_is_created_once(store: Store) -> None:
    assert store.put_new("records/a.json", b"one") is True
    assert store.put_new("records/a.json", b"one") is False
    with pytest.raises(AlreadyThere, match="not overwritten"):
        store.put_new("records/a.json", b"two")
    assert store.read("records/a.json") == b"one"


def test_reading_and_listing(store: Store) -> None:
    assert store.list() == () and store.list("records/") == () and not store.exists("records/a")
    for path in ("records/2026/11/b.json", "records/2026/11/a.json", "chain/1.json", "recordsother"):
        store.put_new(path, b"x")
    assert store.list("records/") == ("records/2026/11/a.json", "records/2026/11/b.json")
    assert store.list() == ("chain/1.json", "records/2026/11/a.json", "records/2026/11/b.json", "recordsother")
    assert store.exists("chain/1.json") and not store.exists("chain/2.json")
    with pytest.raises(FileNotFoundError):
        store.read("chain/2.json")


def test_of_many_writers_at_once_exactly_one_creates(store: Store) -> None:
    for number in range(20):

        def write(who: int, path: str = f"chain/{number:010d}.json") -> str:
            try:
                return "created" if store.put_new(path, str(who % 4).encode()) else "same"
            except AlreadyThere:
                return "other"

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(write, range(8)))
        assert done.count("created") == 1
        assert done.count("same") == 1
        assert done.count("other") == 6
    assert not [path for path in store.list() if "draft" in path]


def test_a_full_disk_is_loud_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = Stores([LocalStore("one", tmp_path / "one"), LocalStore("two", tmp_path / "two")])

    def full(descriptor: int) -> None:
        if str(tmp_path / "one") in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    record = a_verification("orders", "main", T0)
    written = stores.write_record(record)
    assert written.stores == ("two",) and "No space left on device" in written.failures["one"]
    assert [path for path in (tmp_path / "one").rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    assert stores.repair().copied == ((record_path(record.record_id), "one"),)
    assert stores.stores[0].read(written.path) == canonical_json(record)


def test_an_unanswered_write_that_was_done_is_not_called_failed(tmp_path: Path) -> None:
    class Silent(LocalStore):
        def _create(self, path: str, data: bytes) -> None:
            super()._create(path, data)
            raise StoreDown("the answer was lost")

    store = Silent("one", tmp_path)
    assert store.put_new("records/a", b"x") is False
    with pytest.raises(AlreadyThere):
        store.put_new("records/a", b"y")


def test_an_object_stores_errors_name_the_store_and_the_object() -> None:
    class Denied:
        """Stands for an SDK, whose errors belong to no family that Python knows."""

        def __getattr__(self, name: str) -> object:
            raise Exception("AccessDenied")

    store = ObjectStore("far", "s3://bucket/evidence")
    store._opened = (Denied(), "bucket/evidence")
    for verb, ask in {"read": store.read, "list": store.list, "look for": store.exists}.items():
        with pytest.raises(
            StoreDown, match=rf"store far \(s3://bucket/evidence\) cannot {verb} records/a: Exception: AccessDenied"
        ):
            ask("records/a")
    with pytest.raises(StoreDown, match="cannot write"):
        store.put_new("records/a", b"x")


def test_a_store_that_is_down_does_not_make_every_record_of_a_night_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure costs all retries of an SDK: after two in a row the store rests, loudly, and is then asked again."""
    store, now, asked = ObjectStore("far", f"memory://rest-{time.monotonic_ns()}"), [time.monotonic()], []
    whole, broken = store._fs(), []
    monkeypatch.setattr("include.evidence.store.time.monotonic", lambda: now[0])

    class Refused:
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise ConnectionError("refused")

    store._opened = (Refused(), whole[1])
    for number in range(20):
        with pytest.raises(StoreDown, match=r"far .*refused") as down:
            store.put_new(f"records/{number}", b"x")
        broken.append(str(down.value))
    assert asked == ["exists", "cat_file"]
    assert "asked again in" in broken[-1]
    store._opened, now[0] = whole, now[0] + RESTS
    assert store.put_new("records/0", b"x") is True


def test_no_store_is_refused_and_all_down_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"platform\.yaml"):
        Stores([])
    (tmp_path / "file").write_text("not a folder")
    stores = Stores([LocalStore("one", tmp_path / "file")])
    with pytest.raises(StoresDown, match="nothing is lost"):
        stores.write_record(a_note("x", T0))


def test_reading_goes_on_to_the_store_that_has_it(tmp_path: Path) -> None:
    stores = Stores([LocalStore("one", tmp_path / "one"), LocalStore("two", tmp_path / "two")])
    stores.stores[1].put_new("records/a", b"x")
    assert stores.read("records/a") == b"x"
    with pytest.raises(FileNotFoundError):
        stores.read("records/b")


def test_stores_of_the_platform_with_their_connections(tmp_path: Path) -> None:
    entries = [
        EvidenceStore(name="near", url="build/evidence", failure_domain="hall-one"),
        EvidenceStore(name="far", url="memory://far", failure_domain="hall-two", connection="far_store"),
    ]
    info = ConnectionInfo(conn_id="far_store", conn_type="generic", extra={"storage_options": {"token": "x"}})
    near, far = open_stores(entries, lambda conn_id: info)
    assert isinstance(near, LocalStore) and near.root == PROJECT / "build" / "evidence"
    assert isinstance(far, ObjectStore) and far._options == {"token": "x"} and far.failure_domain == "hall-two"
    assert isinstance(open_store(f"file://{tmp_path}"), LocalStore)
    assert open_store(f"file://{tmp_path}").root == tmp_path  # type: ignore[attr-defined]


def test_names_lead_to_paths_and_back() -> None:
    name = new_record_id("drill", "orders/main db", T0)
    assert name == "20260105T020000.000000Z-drill-orders.main.db"
    assert record_path(name) == f"records/2026/01/05/{name}.json"
    assert record_id_of(record_path(name)) == name
    assert record_id_of(f"records/2026/01/06/{name}.json") is None
    assert link_seq(link_path(12)) == 12 and link_seq("chain/12.json") is None
    for wrong in ("../../etc/passwd", "20260105T020000.000000Z-a/b", "", "20260105T020000Z-drill-x"):
        with pytest.raises(ValueError, match="record id"):
            record_path(wrong)


def test_records_come_back_as_they_were(store: Store) -> None:
    written = [a_verification("orders", "main", T0), a_note("waiver", T0, until="2026-02-01")]
    for record in written:
        store.put_new(record_path(record.record_id), canonical_json(record))
    assert sorted(store.records(), key=lambda record: record.record_id) == sorted(written, key=lambda record: record.record_id)
    store.put_new("records/2026/01/05/half.json", b"{")
    with pytest.raises(ValueError, match=r"half\.json in store"):
        list(store.records())


def test_cloud_storage_is_asked_over_https_alone() -> None:
    """Also on a bare machine: its library would ask over gRPC first, and wait a minute for each call."""
    code = "import include, gcsfs; print(gcsfs.GCSFileSystem.__module__)"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "gcsfs.core"
