"""Sealing: every record once, in one chain, whoever is killed, down or sealing at the same time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.evidence import chain
from include.evidence.chain import SealRefused, seal, verify, verify_stores
from include.evidence.naming import record_path
from include.evidence.store import StoreDown
from include.values import canonical_json
from tests.unit.chain_samples import DAY, PRIVATE, PUBLIC, Cut, Remembered, files_of, kinds, nights, two
from tests.unit.evidence_samples import T0, a_verification

# ---- sealing -----------------------------------------------------------------------------------------------------


def test_sealed_records_verify_and_both_stores_hold_the_same(tmp_path: Path) -> None:
    stores, anchors = two(tmp_path), Remembered()
    nights(stores, 3, anchors=anchors)
    one, other = verify_stores(stores.stores, [PUBLIC], anchors.head)
    assert (one.seal, one.links, one.records, one.findings, one.pending) == ("TRUSTED", 3, 6, (), ())
    assert one.model_copy(update={"store": other.store}) == other
    assert one.head == anchors.head
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_sealing_again_without_new_records_writes_nothing(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    before = files_of(tmp_path)
    again = seal(stores, PRIVATE, T0 + DAY)
    assert (again.entries, again.head.seq if again.head else None) == (0, 1)
    assert files_of(tmp_path) == before


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
    nights(stores, 20)  # more than twice the window
    found = verify(stores.stores[0], [PUBLIC])
    assert (found.findings, found.records, found.links) == ((), 40, 20)


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
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
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
