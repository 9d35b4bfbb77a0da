"""The chain: what was sealed can be proven, and any change of any byte is found and named."""

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
from include.evidence.links import KEY_ROTATION, Link, read_link
from include.evidence.naming import link_path, record_path
from include.evidence.store import LocalStore, StoreDown
from include.evidence.stores import Stores
from include.ledger.model import Anchor
from include.values import canonical_json
from tests.unit.evidence_samples import T0, a_note, a_verification

PRIVATE, PUBLIC = "11" * 32, keys.public_of("11" * 32)
DAY = timedelta(days=1)


class Remembered:
    """An anchor outside the stores."""

    def __init__(self) -> None:
        self.head: Anchor | None = None

    def anchor(self) -> Anchor | None:
        return self.head

    def set_anchor(self, anchor: Anchor) -> None:
        if self.head is None or anchor.seq > self.head.seq:
            self.head = anchor


class Cut(RuntimeError):
    """The process was killed here."""


class Fragile(LocalStore):
    """A store that can be down, and whose writer can be killed after a number of writes."""

    down = False
    killed_after: int | None = None

    def _create(self, path: str, data: bytes) -> None:
        self._meet()
        if self.killed_after is not None:
            if self.killed_after == 0:
                raise Cut
            self.killed_after -= 1
        super()._create(path, data)

    def read(self, path: str) -> bytes:
        self._meet()
        return super().read(path)

    def list(self, prefix: str = "") -> tuple[str, ...]:
        self._meet()
        return tuple(super().list(prefix))

    def _meet(self) -> None:
        if self.down:
            raise StoreDown(f"store {self!r} is down")


def two(tmp_path: Path) -> Stores:
    return Stores([Fragile("one", tmp_path / "one", "hall-one"), Fragile("two", tmp_path / "two", "hall-two")])


def nights(stores: Stores, count: int, *, first: int = 0, anchors: Remembered | None = None, key: str = PRIVATE) -> None:
    """Each night two verifications, then the sealing."""
    for night in range(first, first + count):
        at = T0 + night * DAY
        for name in ("orders", "prices"):
            stores.write_record(a_verification(name, "main", at))
        seal(stores, key, at + timedelta(minutes=30), anchors=anchors, trusted_keys=[PUBLIC])


def kinds(found: chain.Findings) -> set[str]:
    return {finding.kind for finding in found.findings}


# ---- sealing -----------------------------------------------------------------------------------------------------


def test_sealed_records_verify_and_both_stores_hold_the_same(tmp_path: Path) -> None:
    stores, anchors = two(tmp_path), Remembered()
    nights(stores, 3, anchors=anchors)
    one, other = verify_stores(stores.stores, [PUBLIC], anchors.head)
    assert (one.seal, one.links, one.records, one.findings, one.pending) == ("TRUSTED", 3, 6, (), ())
    assert one.model_copy(update={"store": other.store}) == other
    assert one.head == anchors.head
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_sealing_again_without_new_records_writes_nothing(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    before = _files(tmp_path)
    again = seal(stores, PRIVATE, T0 + DAY)
    assert (again.entries, again.head.seq if again.head else None) == (0, 1)
    assert _files(tmp_path) == before


def test_nothing_to_seal_has_no_head(tmp_path: Path) -> None:
    assert seal(two(tmp_path), PRIVATE, T0).head is None
    assert verify(two(tmp_path).stores[0], [PUBLIC]).seal == "NONE"


def test_a_record_that_came_late_is_sealed_by_a_full_sealing(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1, first=60)
    stores.write_record(a_verification("late", "main", T0))
    assert seal(stores, PRIVATE, T0 + 61 * DAY).entries == 0
    assert kinds(verify(stores.stores[0], [PUBLIC])) == {"unsealed"}
    assert seal(stores, PRIVATE, T0 + 61 * DAY, window=None).entries == 1
    assert verify(stores.stores[0], [PUBLIC]).findings == ()


def test_the_window_never_seals_a_record_twice(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 45)
    found = verify(stores.stores[0], [PUBLIC])
    assert (found.findings, found.records, found.links) == ((), 90, 45)


def test_what_is_no_record_is_left_out_loudly(tmp_path: Path) -> None:
    stores = two(tmp_path)
    good = a_verification("orders", "main", T0)
    stores.write_record(good)
    half = tmp_path / "one" / record_path(a_verification("prices", "main", T0).record_id)
    half.write_bytes(canonical_json(good)[:100])
    elsewhere = half.with_name(half.name.replace("prices", "identity"))
    elsewhere.write_bytes(canonical_json(good))
    done = seal(stores, PRIVATE, T0 + timedelta(minutes=1))
    assert done.entries == 1
    assert sorted(text.split(":")[0] for text in done.left_out.values()) == [
        "it is not a record",
        f"it says that it is record '{good.record_id}', which belongs elsewhere",
    ]


def test_stores_that_disagree_about_a_new_record_do_not_get_it_sealed(tmp_path: Path) -> None:
    stores = two(tmp_path)
    record = a_verification("orders", "main", T0)
    stores.write_record(record)
    changed = record.model_copy(update={"summary": "all fine, trust me"})
    (tmp_path / "two" / record_path(record.record_id)).write_bytes(canonical_json(changed))
    done = seal(stores, PRIVATE, T0)
    assert done.entries == 0 and "different contents" in done.left_out[record_path(record.record_id)]


# ---- crashes, stores that are down, two sealers ------------------------------------------------------------------


@pytest.mark.parametrize("store", [0, 1])
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_killed_between_any_two_writes_the_next_run_converges(tmp_path: Path, store: int, writes: int) -> None:
    stores, anchors = two(tmp_path), Remembered()
    nights(stores, 2, anchors=anchors)
    stores.stores[store].killed_after = writes  # type: ignore[attr-defined]
    try:
        nights(stores, 1, first=2, anchors=anchors)
    except Cut:
        stores.stores[store].killed_after = None  # type: ignore[attr-defined]
        nights(stores, 1, first=2, anchors=anchors)
    stores.stores[store].killed_after = None  # type: ignore[attr-defined]
    nights(stores, 1, first=3, anchors=anchors)
    stores.repair(sealed=chain.sealed_digests(stores.stores[0]))
    assert [found.findings for found in verify_stores(stores.stores, [PUBLIC], anchors.head)] == [(), ()]
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert len(list(stores.stores[0].records())) == 8


@pytest.mark.parametrize("down", [0, 1])
def test_a_store_down_for_a_night_is_loud_and_repaired_by_the_next_run(tmp_path: Path, down: int) -> None:
    stores, anchors = two(tmp_path), Remembered()
    nights(stores, 1, anchors=anchors)
    stores.stores[down].down = True  # type: ignore[attr-defined]
    written = stores.write_record(a_verification("orders", "main", T0 + DAY))
    assert list(written.failures) == [stores.stores[down].name] and written.stores == (stores.stores[1 - down].name,)
    sealed = seal(stores, PRIVATE, T0 + DAY, anchors=anchors)
    assert sealed.entries == 1 and list(sealed.failures) == [stores.stores[down].name]
    found = verify_stores(stores.stores, [PUBLIC], anchors.head)
    assert [kinds(one) for one in found][down] == {"unreadable"}
    stores.stores[down].down = False  # type: ignore[attr-defined]
    assert kinds(verify_stores(stores.stores, [PUBLIC], anchors.head)[down]) == {"lagging"}
    nights(stores, 1, first=2, anchors=anchors)
    repaired = stores.repair(sealed=chain.sealed_digests(stores.stores[0]))
    assert [name for _, name in repaired.copied] == [stores.stores[down].name] and repaired.complete
    assert all(one.seal == "TRUSTED" for one in verify_stores(stores.stores, [PUBLIC], anchors.head))


def test_both_stores_down_raises_and_loses_nothing(tmp_path: Path) -> None:
    stores = two(tmp_path)
    for store in stores:
        store.down = True  # type: ignore[attr-defined]
    record = a_verification("orders", "main", T0)
    with pytest.raises(StoreDown, match="write it again"):
        stores.write_record(record)
    with pytest.raises(StoreDown, match="run it again"):
        seal(stores, PRIVATE, T0)
    for store in stores:
        store.down = False  # type: ignore[attr-defined]
    assert stores.write_record(record).failures == {}
    assert seal(stores, PRIVATE, T0).entries == 1


def test_a_link_in_a_store_that_is_down_is_not_written_twice(tmp_path: Path) -> None:
    """Killed after the first store took the link; then that store is down: a second link of this number would fork the chain."""
    stores, anchors = two(tmp_path), Remembered()
    nights(stores, 1, anchors=anchors)
    stores.write_record(a_verification("orders", "main", T0 + DAY))
    stores.stores[1].killed_after = 0  # type: ignore[attr-defined]
    with pytest.raises(Cut):
        seal(stores, PRIVATE, T0 + DAY, anchors=anchors)
    stores.stores[1].killed_after = None  # type: ignore[attr-defined]
    stores.stores[0].down = True  # type: ignore[attr-defined]
    with pytest.raises(SealRefused, match="not answering: one"):
        seal(stores, PRIVATE, T0 + DAY, anchors=anchors)
    stores.stores[0].down = False  # type: ignore[attr-defined]
    nights(stores, 1, first=2, anchors=anchors)
    assert all(one.seal == "TRUSTED" for one in verify_stores(stores.stores, [PUBLIC], anchors.head))


def test_two_sealers_at_once_make_one_chain(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def both(number: int) -> None:
        stores = two(tmp_path)
        for night in range(6):
            stores.write_record(a_verification(f"sealer-{number}", "main", T0 + night * DAY))
            for _ in range(20):
                try:
                    seal(stores, PRIVATE, T0 + night * DAY)
                    break
                except SealRefused:
                    continue

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(both, range(2)))
    stores = two(tmp_path)
    seal(stores, PRIVATE, T0 + 6 * DAY)
    for found in verify_stores(stores.stores, [PUBLIC]):
        assert (found.findings, found.records) == ((), 12)


# ---- tampering ---------------------------------------------------------------------------------------------------


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


# ---- keys --------------------------------------------------------------------------------------------------------

NEW = "22" * 32


def _rotation(at: object, **detail: object) -> object:
    return a_note(KEY_ROTATION, at, old_key_id=keys.key_id(PUBLIC), new_public_key=keys.public_of(NEW), **detail)  # type: ignore[arg-type]


def test_an_announced_key_takes_over(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    stores.write_record(_rotation(T0 + timedelta(hours=1)))  # type: ignore[arg-type]
    seal(stores, PRIVATE, T0 + timedelta(hours=1))
    nights(stores, 2, first=1, key=NEW)
    trusted = [PUBLIC, keys.public_of(NEW)]
    assert verify(stores.stores[0], trusted).seal == "TRUSTED"
    assert verify(stores.stores[0], trusted).keys == (keys.key_id(PUBLIC), keys.key_id(keys.public_of(NEW)))
    assert verify(stores.stores[0], [PUBLIC]).seal == "UNTRUSTED"


def test_a_key_that_nobody_announced_is_refused_and_found(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    with pytest.raises(SealRefused, match="no sealed record announces it"):
        nights(stores, 1, first=1, key=NEW)
    link, sha256 = read_link(stores.stores[0], 1)
    forged = link.model_copy(
        update={"seq": 2, "previous": sha256, "entries": (), "public_key": keys.public_of(NEW), "signature": ""}
    )
    forged = forged.model_copy(update={"key_id": keys.key_id(keys.public_of(NEW))})
    forged = forged.model_copy(update={"signature": keys.sign(NEW, forged.body())})
    stores.put_new(link_path(2), canonical_json(forged))
    assert kinds(verify(stores.stores[0], [PUBLIC, keys.public_of(NEW)])) == {"rotation"}


def test_a_lost_key_is_replaced_by_a_record_that_says_so(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    stores.write_record(_rotation(T0 + timedelta(hours=1), lost=True))  # type: ignore[arg-type]
    seal(stores, NEW, T0 + timedelta(hours=1), trusted_keys=[PUBLIC])
    assert verify(stores.stores[0], [PUBLIC, keys.public_of(NEW)]).findings == ()


def test_keys_are_checked_and_never_shown() -> None:
    private, public = keys.generate()
    assert keys.public_of(private) == public and len(keys.key_id(public)) == 16
    assert keys.signed_by(public, b"x", keys.sign(private, b"x"))
    assert not keys.signed_by(public, b"y", keys.sign(private, b"x"))
    assert not keys.signed_by("zz", b"x", "11") and not keys.signed_by(public, b"x", "zz")
    for wrong in ("", private[:-2], private.upper() + "AA", "g" * 64, " " + private):
        with pytest.raises(ValueError, match="keygen") as error:
            keys.sign(wrong, b"x")
        assert not wrong.strip() or wrong.strip() not in str(error.value)


def _files(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
