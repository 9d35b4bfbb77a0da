"""The cold kit: what is in it, that it is found whole or refused by name, and that it stays small in number."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from include.evidence import chain, runbook, schemas, shelf
from include.evidence.kit import KIT_FILE, Kit, instant_of, kit_path, new_kit_id, note_path
from include.evidence.packing import Seen, catalog_files, domains, pack
from include.evidence.shelf import KitError, fetch
from include.evidence.store import LocalStore, StoreDown
from include.evidence.stores import Stores
from include.values import canonical_json
from tests.unit.chain_samples import PRIVATE, PUBLIC, Fragile
from tests.unit.evidence_samples import T0
from tests.unit.kit_samples import HARBOUR, a_kit, a_point, harbour, shelve, two_stores

HOUR = timedelta(hours=1)


def test_it_holds_what_a_restore_needs_and_its_published_schema_knows_it() -> None:
    kit = a_kit(environ={"HARBOUR_SANDBOX": "/srv/sandboxes", "UNRELATED": "x"})
    Draft202012Validator(json.loads((schemas.FOLDER / "kit.schema.json").read_text())).validate(json.loads(canonical_json(kit)))
    assert Kit.model_validate_json(canonical_json(kit)) == kit
    assert kit.files == catalog_files(HARBOUR) and "services/orders.expectations.yaml" in kit.files
    assert kit.variables == {"HARBOUR_SANDBOX": "/srv/sandboxes"}
    orders = kit.service("orders")
    assert (
        orders is not None and orders.depends_on == ("identity", "inventory") and orders.hostnames == ("orders.harbour.example",)
    )
    (main,) = orders.datastores
    assert (main.failure_domain, domains(main), main.engine_version, main.size_bytes) == (
        "hall-1",
        ["hall-1", "hall-2"],
        "18",
        4_000_000,
    )
    assert main.points[0].facts["digests"] and main.points[0].key_id == "key-7"
    assert {one.conn_id for one in kit.connections} >= {"orders", "identity"}
    assert [one.name for one in kit.stores] == ["near", "far"]
    assert kit.problems == ()


def test_services_come_in_the_order_of_recovery() -> None:
    waves = {one.service: one.wave for one in a_kit().services}
    assert all(waves[one.service] > waves[need] for one in a_kit().services for need in one.depends_on)
    assert [one.wave for one in a_kit().services] == sorted(waves.values())


def test_a_value_that_looks_like_a_secret_stays_outside(tmp_path: Path) -> None:
    files = {"platform.yaml": "x: ${DB_PASSWORD:-none}${HARBOUR_SANDBOX}", "tenants.yaml": "y: ${API_TOKEN}"}
    environ = {"DB_PASSWORD": "hunter2", "HARBOUR_SANDBOX": "/srv", "API_TOKEN": "abcdef"}
    kit = pack(harbour(), files, environ, {}, {}, T0)
    assert kit.variables == {"HARBOUR_SANDBOX": "/srv"} and kit.withheld == ("API_TOKEN", "DB_PASSWORD")
    text = canonical_json(kit).decode() + runbook.as_text(kit) + runbook.as_page(kit)
    assert "hunter2" not in text and "abcdef" not in text


def test_what_cannot_be_brought_back_is_said() -> None:
    point = a_point("identity", T0 - HOUR)
    seen = {
        "identity/main": Seen(points=(point.model_copy(update={"copies": ()}),), at=T0),
        "orders/main": Seen(note="disk gone"),
    }
    found = "\n".join(pack(harbour(), {}, {}, seen, {}, T0).problems)
    assert "orders/main: no recovery point is known: disk gone" in found
    assert "identity/main: everything it can be restored from is in hall-1" in found


def test_a_sealed_kit_is_trusted_by_its_key_and_by_no_other(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    shelve(stores, a_kit())
    assert fetch(stores.stores[0], T0 + HOUR, [PUBLIC]).seal == "NOT SEALED"
    chain.seal(stores, PRIVATE, T0 + HOUR)
    for store in stores:
        found = fetch(store, T0 + HOUR, [PUBLIC])
        assert (found.seal, found.kit.kit_id) == ("TRUSTED", a_kit().kit_id)
        assert fetch(store, T0 + HOUR, ["22" * 32]).seal == "UNTRUSTED"
    assert chain.verify(stores.stores[0], [PUBLIC]).findings == ()


def test_the_newest_is_taken_and_a_cut_off_export_is_passed_over(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    shelve(stores, a_kit(T0))
    shelve(stores, a_kit(T0 + HOUR))
    cut_off = a_kit(T0 + 2 * HOUR)
    shelf.put(stores, {kit_path(cut_off.kit_id, KIT_FILE): canonical_json(cut_off)})
    found = fetch(stores.stores[0], T0 + 3 * HOUR)
    assert instant_of(found.kit.kit_id) == T0 + HOUR
    assert cut_off.kit_id in found.passed_over[0] and "cut off" in found.passed_over[0]


def test_every_damage_is_found_and_the_newest_whole_kit_is_named(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    shelve(stores, a_kit(T0))
    newest = a_kit(T0 + HOUR)
    shelve(stores, newest)
    store = stores.stores[0]
    assert isinstance(store, LocalStore)
    paths = [*store.list(f"kits/{newest.kit_id}/"), note_path(newest.kit_id)]
    for path in paths:
        file = store.root / path
        good = file.read_bytes()
        for bad in (good[:-1], good + b" ", bytes([good[0] ^ 1]) + good[1:], b""):
            file.write_bytes(bad)
            with pytest.raises(KitError, match=rf"damaged.*--kit {re.escape(a_kit(T0).kit_id)}"):
                fetch(store, T0 + 2 * HOUR)
        if path != note_path(newest.kit_id):
            file.unlink()
            with pytest.raises(KitError, match="is gone"):
                fetch(store, T0 + 2 * HOUR)
        file.write_bytes(good)
    assert fetch(store, T0 + 2 * HOUR, kit_id=a_kit(T0).kit_id).kit == a_kit(T0)


def test_an_unproven_kit_is_used_only_when_asked_for(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    shelve(stores, a_kit())
    store = stores.stores[0]
    assert isinstance(store, LocalStore)
    (store.root / note_path(a_kit().kit_id)).unlink()
    with pytest.raises(KitError, match="--unproven"):
        fetch(store, T0 + HOUR)
    assert fetch(store, T0 + HOUR, unproven=True).seal == "UNPROVEN"


def test_no_kit_and_an_old_kit_are_refused_with_what_to_do(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    with pytest.raises(KitError, match=r"store one .* has no kit"):
        fetch(stores.stores[0], T0)
    shelve(stores, a_kit())
    with pytest.raises(KitError, match=r"is 1w2d1h old \(at most 1w1d\).*--max-age 1w2d1h"):
        fetch(stores.stores[0], T0 + timedelta(days=9, hours=1))
    assert fetch(stores.stores[0], T0 + timedelta(days=9, hours=1), max_age=timedelta(days=9, hours=1)).kit == a_kit()
    with pytest.raises(KitError, match="has no kit 20260101"):
        fetch(stores.stores[0], T0, kit_id="20260101T000000.000000Z")


def test_old_kits_are_dropped_and_the_pointer_follows(tmp_path: Path) -> None:
    stores = two_stores(tmp_path)
    for night in range(shelf.KEPT + 3):
        at = T0 + night * timedelta(days=1)
        shelve(stores, a_kit().model_copy(update={"kit_id": new_kit_id(at), "written_at": at}), render=False)
    for store in stores:
        assert isinstance(store, LocalStore)
        ids = shelf.kit_ids(store)
        assert len(ids) == shelf.KEPT and instant_of(ids[0]) == T0 + timedelta(days=shelf.KEPT + 2)
        assert json.loads(store.read(shelf.POINTER))["kit_id"] == ids[0]
        assert {path.name for path in (store.root / "kits").iterdir()} == set(ids)
        assert len(store.list("records/")) == shelf.KEPT + 3  # evidence is never dropped


def test_a_store_that_was_down_gets_the_kits_it_lacks(tmp_path: Path) -> None:
    down = Fragile("one", tmp_path / "one")
    stores = Stores([down, LocalStore("two", tmp_path / "two")])
    down.down = True
    kit = a_kit()
    files = shelf.contents(kit, runbook.as_text(kit), runbook.as_page(kit))
    assert set(shelf.put(stores, files)) == {"one"}
    assert set(shelf.tidy(stores, kit.kit_id)) == {"one"}
    down.down = False
    shelve(stores, a_kit(T0 + HOUR))
    assert shelf.kit_ids(down) == shelf.kit_ids(stores.stores[1]) != []
    down.down = True
    with pytest.raises(StoreDown):
        fetch(down, T0 + HOUR)


def test_evidence_can_be_neither_replaced_nor_deleted(tmp_path: Path) -> None:
    store = LocalStore("one", tmp_path)
    for path in ("records/2026/01/05/a.json", "chain/0000000001.json"):
        store.put_new(path, b"x")
        with pytest.raises(ValueError, match="is evidence"):
            store.replace(path, b"y")
        with pytest.raises(ValueError, match="is evidence"):
            store.delete(path)
        assert store.read(path) == b"x"
    store.delete("kits/none/kit.json")


def test_the_runbook_names_order_commands_people_and_places() -> None:
    kit = a_kit()
    text, page = runbook.as_text(kit), runbook.as_page(kit)
    for service in kit.services:
        assert f"### {service.service}\n" in text and f'id="{service.service}"' in page
    for words in ("drillyard recover --all --from file:///var/tmp/evidence-b", "ada@harbour.example", "/hall-2/orders", "hall-2"):
        assert words in text and words in page
    assert text.index("### identity") < text.index("### orders")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    part = runbook.as_text(kit, "inventory")
    assert "### orders\n" not in part and "### inventory\n" in part
    with pytest.raises(LookupError, match="no service 'nope'"):
        runbook.as_text(kit, "nope")


def test_a_page_escapes_what_the_catalog_says() -> None:
    kit = a_kit()
    evil = kit.services[0].model_copy(update={"description": "<script>alert(1)</script>"})
    assert "<script>alert" not in runbook.as_page(kit.model_copy(update={"services": (evil, *kit.services[1:])}))


def test_something_in_the_place_of_a_stores_folder_is_a_store_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("no folder")
    store = LocalStore("one", tmp_path / "one")
    for verb in (lambda: store.replace("newest-kit.json", b"x"), lambda: store.delete("kits/a/b"), lambda: store.list("kits/")):
        with pytest.raises(StoreDown, match="store one"):
            verb()
