"""Tampering: any change of any byte of records and links is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.evidence import chain, keys
from include.evidence.chain import SealRefused, seal, verify, verify_stores
from include.evidence.links import Link, read_link
from include.evidence.naming import link_path, record_path
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.ledger.model import Anchor
from include.values import canonical_json
from tests.unit.chain_samples import DAY, PRIVATE, PUBLIC, Remembered, kinds, nights, two
from tests.unit.evidence_samples import T0, a_verification


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalStore, Anchor]:
    stores, anchors = two(tmp_path_factory.mktemp("sealed")), Remembered()
    nights(stores, 4, anchors=anchors)
    assert anchors.head is not None
    return LocalStore("one", stores.stores[0].root), anchors.head  # type: ignore[attr-defined]


@contextmanager
def _tampered(store: LocalStore, path: str) -> Iterator[Path]:
    file = store.root / path
    before = file.read_bytes()
    try:
        yield file
    finally:
        file.write_bytes(before)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_any_file_is_found_and_named(sealed: tuple[LocalStore, Anchor], data: st.DataObject) -> None:
    store, _ = sealed
    path = data.draw(st.sampled_from(store.list()))
    content = bytearray((store.root / path).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    with _tampered(store, path) as file:
        file.write_bytes(content)
        found = verify(store, [PUBLIC])
    assert found.seal == "BROKEN"
    assert path in {finding.where for finding in found.findings}


@pytest.mark.full
def test_every_single_byte_is_covered(sealed: tuple[LocalStore, Anchor]) -> None:
    """What the test before samples, for every byte of every file."""
    store, _ = sealed
    for path in store.list():
        content = (store.root / path).read_bytes()
        for position in range(len(content)):
            with _tampered(store, path) as file:
                file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
                assert path in {finding.where for finding in verify(store, [PUBLIC]).findings}, f"{path} byte {position}"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_inserted_removed_or_cut_bytes_are_found(sealed: tuple[LocalStore, Anchor], data: st.DataObject) -> None:
    store, _ = sealed
    path = data.draw(st.sampled_from(store.list()))
    content = (store.root / path).read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    stop = data.draw(st.integers(start, len(content)))
    put = data.draw(st.sampled_from([b"", b" ", b"\n", b"x", content[start:stop] * 2]))
    changed = content[:start] + put + content[stop:]
    if changed == content:
        changed = content + b"\n"
    with _tampered(store, path) as file:
        file.write_bytes(changed)
        found = verify(store, [PUBLIC])
    assert found.seal == "BROKEN" and path in {finding.where for finding in found.findings}


def _fields(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, below in inner for found in _fields(below, (*path, key))]


def test_every_field_of_every_record_and_link_is_covered(sealed: tuple[LocalStore, Anchor]) -> None:
    """Each field in turn is given another value, and the file is written back in canonical form."""
    store, _ = sealed
    paths = [*store.list("records/2026/01/05/"), *store.list("chain/")]
    tried = 0
    for path in paths:
        content = json.loads(store.read(path))
        for field in _fields(content):
            changed = json.loads(store.read(path))
            place = changed
            for key in field[:-1]:
                place = place[key]
            place[field[-1]] = "2026-01-01T00:00:00Z" if isinstance(place[field[-1]], str) else 7
            if changed == content:
                continue
            tried += 1
            with _tampered(store, path) as file:
                file.write_bytes(canonical_json(changed))
                found = verify(store, [PUBLIC])
            assert path in {finding.where for finding in found.findings}, f"{path}: {field}"
    assert tried > 120


def test_a_deleted_record_is_missing(sealed: tuple[LocalStore, Anchor]) -> None:
    store, _ = sealed
    for path in store.list("records/"):
        with _tampered(store, path) as file:
            file.unlink()
            found = verify(store, [PUBLIC])
        assert [(f.kind, f.where) for f in found.findings] == [("missing", path)]


def test_a_swapped_pair_of_records_is_reordered(sealed: tuple[LocalStore, Anchor]) -> None:
    store, _ = sealed
    first, last = store.list("records/")[0], store.list("records/")[-1]
    with _tampered(store, first) as one, _tampered(store, last) as other:
        a, b = one.read_bytes(), other.read_bytes()
        one.write_bytes(b)
        other.write_bytes(a)
        found = verify(store, [PUBLIC])
    assert {(f.kind, f.where) for f in found.findings} == {("reordered", first), ("reordered", last)}


def test_a_swapped_pair_of_links_is_reordered(sealed: tuple[LocalStore, Anchor]) -> None:
    store, _ = sealed
    with _tampered(store, link_path(2)) as one, _tampered(store, link_path(3)) as other:
        a, b = one.read_bytes(), other.read_bytes()
        one.write_bytes(b)
        other.write_bytes(a)
        found = verify(store, [PUBLIC])
    assert {(f.kind, f.where) for f in found.findings} >= {("reordered", link_path(2)), ("reordered", link_path(3))}


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_deleted_link_is_missing_and_its_records_unsealed(sealed: tuple[LocalStore, Anchor], seq: int) -> None:
    store, anchor = sealed
    with _tampered(store, link_path(seq)) as file:
        file.unlink()
        found = verify(store, [PUBLIC], anchor)
    assert ("missing", link_path(seq)) in {(f.kind, f.where) for f in found.findings}
    assert "unsealed" in kinds(found)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_cut_tail_is_truncated_by_the_anchor_alone(sealed: tuple[LocalStore, Anchor], tmp_path: Path, cut: int) -> None:
    """Links and the records that they name are both gone: the store by itself looks whole."""
    store, anchor = sealed
    cut_off = LocalStore("cut", tmp_path / "cut")
    shutil.copytree(store.root, cut_off.root)
    for seq in range(4, 4 - cut, -1):
        for entry in read_link(cut_off, seq)[0].entries:
            (cut_off.root / entry.path).unlink()
        (cut_off.root / link_path(seq)).unlink()
    assert verify(cut_off, [PUBLIC]).findings == ()
    found = verify(cut_off, [PUBLIC], anchor)
    assert [(f.kind, f.where) for f in found.findings] == [("truncated", link_path(5 - cut))]
    remembered = Remembered()
    remembered.head = anchor
    with pytest.raises(SealRefused, match="cut off or rolled back"):
        seal(Stores([cut_off]), PRIVATE, T0 + 5 * DAY, anchors=remembered)


def test_a_store_rolled_back_is_named_beside_one_that_was_not(sealed: tuple[LocalStore, Anchor], tmp_path: Path) -> None:
    store, anchor = sealed
    rolled = LocalStore("rolled", tmp_path / "rolled")
    shutil.copytree(store.root, rolled.root)
    for entry in read_link(rolled, 4)[0].entries:
        (rolled.root / entry.path).unlink()
    (rolled.root / link_path(4)).unlink()
    whole, back = verify_stores([store, rolled], [PUBLIC], anchor)
    assert whole.findings == ()
    assert [(f.kind, f.where) for f in back.findings] == [("lagging", link_path(3))]
    assert "rolled back" in back.findings[0].detail


def test_a_chain_made_anew_with_another_key_is_untrusted_and_forged(sealed: tuple[LocalStore, Anchor], tmp_path: Path) -> None:
    store, anchor = sealed
    forged = LocalStore("forged", tmp_path / "forged")
    shutil.copytree(store.root / "records", forged.root / "records")
    victim = forged.root / forged.list("records/")[0]
    content = json.loads(victim.read_bytes())
    content["summary"] = "all fine"
    victim.write_bytes(canonical_json(content))
    seal(Stores([forged]), "66" * 32, T0 + 4 * DAY, window=None)
    assert verify(forged, [PUBLIC]).seal == "UNTRUSTED"
    assert kinds(verify(forged, [PUBLIC], anchor)) == {"untrusted", "truncated"}
    both = verify_stores([store, forged], [PUBLIC], anchor)
    assert both[0].findings == () and kinds(both[1]) >= {"untrusted", "forged"}
    with pytest.raises(SealRefused):
        seal(Stores([store, forged]), PRIVATE, T0 + 5 * DAY)


def test_a_link_forged_under_the_trusted_keys_name_is_forged(sealed: tuple[LocalStore, Anchor]) -> None:
    store, _ = sealed
    honest, _ = read_link(store, 4)
    lie = honest.model_copy(update={"entries": honest.entries[:1], "signature": ""})
    with _tampered(store, link_path(4)) as file:
        file.write_bytes(canonical_json(lie.model_copy(update={"signature": keys.sign("66" * 32, lie.body())})))
        found = verify(store, [PUBLIC])
    assert ("forged", link_path(4)) in {(f.kind, f.where) for f in found.findings}


def test_a_record_slipped_in_later_is_unsealed(sealed: tuple[LocalStore, Anchor]) -> None:
    store, _ = sealed
    path = record_path(a_verification("ghost", "main", T0).record_id)
    (store.root / path).write_bytes(canonical_json(a_verification("ghost", "main", T0)))
    try:
        assert [(f.kind, f.where) for f in verify(store, [PUBLIC]).findings] == [("unsealed", path)]
    finally:
        (store.root / path).unlink()


def test_a_record_that_waits_for_the_next_sealing_is_pending(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    late = a_verification("orders", "main", T0 + timedelta(hours=1))
    stores.write_record(late)
    found = verify(stores.stores[0], [PUBLIC])
    assert (found.findings, found.pending, found.seal) == ((), (record_path(late.record_id),), "TRUSTED")


@pytest.mark.parametrize("path", ["records/notes.txt", "chain/0000000001.json.bak", "records/2026/01/06/x.json"])
def test_what_does_not_belong_there_is_foreign(sealed: tuple[LocalStore, Anchor], path: str) -> None:
    store, _ = sealed
    (store.root / path).write_text("x")
    try:
        assert [(f.kind, f.where) for f in verify(store, [PUBLIC]).findings] == [("foreign", path)]
    finally:
        (store.root / path).unlink()


def test_repair_does_not_spread_an_altered_copy(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    path = stores.stores[0].list("records/")[0]
    (tmp_path / "two" / path).unlink()
    (tmp_path / "one" / path).write_bytes(b"{}")
    repaired = stores.repair(sealed=chain.sealed_digests(stores.stores[0]))
    assert path in repaired.conflicts and repaired.copied == () and not (tmp_path / "two" / path).exists()


def test_a_forged_link_in_one_store_is_not_spread(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 2)
    _, sha256 = read_link(stores.stores[0], 2)
    lie = Link(
        seq=3, previous=sha256, sealed_at=T0, entries=(), key_id=keys.key_id(keys.public_of("66" * 32)),
        public_key=keys.public_of("66" * 32), signature="",
    )  # fmt: skip
    lie = lie.model_copy(update={"signature": keys.sign("66" * 32, lie.body())})
    (tmp_path / "two" / link_path(3)).write_bytes(canonical_json(lie))
    with pytest.raises(SealRefused, match="unknown key"):
        nights(stores, 1, first=2)
    assert not (tmp_path / "one" / link_path(3)).exists()
