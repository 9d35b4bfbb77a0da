"""Damage in a store is found, named, and found again at the next incremental look."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selfhosted_steps import Plane, Site, plane

from include.clouds.selfhosted.inspection import SLICES
from include.clouds.selfhosted.settings import BaseBackupCopy, BaseBackups, Datastore
from include.lab import accounts
from include.recovery.model import Check, Outcome, RecoveryPoint
from include.values import utcnow


@pytest.fixture(scope="module")
def made() -> Iterator[Plane]:
    with plane() as one:
        one.back_up("good")
        for _ in range(6):
            one.order(10)
            one.archived()
        yield one


@pytest.fixture
def store(made: Plane, tmp_path: Path) -> Iterator[Datastore]:
    """A copy of the store, to be damaged."""
    for name in ("base", "wal"):
        shutil.copytree(made.home / name, tmp_path / name)
    yield made.datastore(
        backups=BaseBackups(
            kind="base_backup",
            location=str(tmp_path / "base"),
            wal=str(tmp_path / "wal"),
            copies=[BaseBackupCopy(location=str(made.base), wal=str(made.wal), failure_domain="dc-south")],
        )
    )


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("0*.gz") if len(path.name) == 27)


def after_backup(folder: Path, point: RecoveryPoint, number: int) -> Path:
    inside = max(point.facts["wal_inside"])
    return [path for path in segments(folder) if path.name[:24] > inside][number]


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def shorten(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[: 1 << 19]))


def turn_record(path: Path) -> None:
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[300] ^= 0xFF
    path.write_bytes(gzip.compress(bytes(data)))


def of_another_cluster(path: Path) -> None:
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[24:32] = (123456789).to_bytes(8, "little")
    path.write_bytes(gzip.compress(bytes(data)))


def of_another_place(path: Path) -> None:
    shutil.copyfile(segments(path.parent)[0], path)


def look(site: Site, datastore: Datastore, *, full: bool = False, cursor: dict[str, object] | None = None) -> dict[str, Check]:
    point = site.points(datastore)["good"]
    return {one.name: one for one in site.source.inspect(datastore, point, cursor, full=full).checks}


@pytest.mark.parametrize("damage", [lose, empty, cut, shorten, turn_record, of_another_cluster, of_another_place])
def test_a_bad_segment_is_found_by_name(made: Plane, store: Datastore, damage: Callable[[Path], None]) -> None:
    site = Site(made)
    point = site.points(store)["good"]
    assert look(site, store)["wal-continuity"].outcome is Outcome.PASSED
    victim = after_backup(Path(store.backups.wal), point, 2)  # type: ignore[union-attr]
    damage(victim)
    check = look(site, store)["wal-continuity"]
    assert check.outcome is Outcome.FAILED, check
    assert victim.name[:24] in check.detail
    assert look(site, store)["manifest"].outcome is Outcome.PASSED


def test_the_log_before_a_hole_is_what_can_be_restored(made: Plane, store: Datastore) -> None:
    site = Site(made)
    before = site.points(store)["good"]
    after_backup(Path(store.backups.wal), before, 2).unlink()  # type: ignore[union-attr]
    holed = site.points(store)["good"]
    assert before.taken_at <= holed.restorable_until < before.restorable_until
    assert holed.facts["wal_missing"]


def test_only_new_segments_are_read_again(made: Plane, store: Datastore) -> None:
    site = Site(made)
    point = site.points(store)["good"]
    first = site.source.inspect(store, point, None, full=False)
    again = site.source.inspect(store, point, first.cursor, full=False)
    assert "0 of" in str(again.checks[1].measured)
    made.order(1)
    name = made.archived()
    shutil.copyfile(made.wal / f"{name}.gz", Path(store.backups.wal) / f"{name}.gz")  # type: ignore[union-attr]
    assert "1 of" in str(site.source.inspect(store, point, again.cursor, full=False).checks[1].measured)
    whole = site.source.inspect(store, point, again.cursor, full=True)
    count = str(whole.checks[1].measured).split(", ")[-1].split(" ")
    assert count[0] == count[2]


def test_a_segment_that_changed_after_it_was_read_is_read_again(made: Plane, store: Datastore) -> None:
    site = Site(made)
    point = site.points(store)["good"]
    cursor = site.source.inspect(store, point, None, full=False).cursor
    turn_record(segments(Path(store.backups.wal))[-1])  # type: ignore[union-attr]
    check = site.source.inspect(store, point, cursor, full=False).checks[1]
    assert check.outcome is Outcome.FAILED


def test_every_file_has_its_turn_in_the_slices(made: Plane, store: Datastore) -> None:
    """A file of the right size and the wrong content is found within one round, and by a full look at once."""
    site = Site(made)
    point = site.points(store)["good"]
    cursor = site.source.inspect(store, point, None, full=False).cursor
    victim = max((Path(point.location) / "base").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.write_bytes(bytes(data))
    assert look(site, store, full=True)["manifest"].outcome is Outcome.FAILED
    outcomes = []
    for _ in range(SLICES):
        found = site.source.inspect(store, point, cursor, full=False)
        outcomes.append(found.checks[0].outcome)
        cursor = {**found.cursor, "point": point.id}
    assert outcomes.count(Outcome.FAILED) == 1
    assert outcomes.count(Outcome.PASSED) == SLICES - 1


def test_a_point_that_failed_is_read_whole_the_next_time(made: Plane, store: Datastore) -> None:
    site = Site(made)
    point = site.points(store)["good"]
    victim = Path(point.location) / "base" / "1" / "1259"
    kept = victim.read_bytes()
    victim.write_bytes(b"\0" * len(kept))
    failed = site.source.inspect(store, point, None, full=False)
    assert failed.checks[0].outcome is Outcome.FAILED
    assert site.source.inspect(store, point, failed.cursor, full=False).checks[0].outcome is Outcome.FAILED
    victim.write_bytes(kept)
    assert site.source.inspect(store, point, failed.cursor, full=False).checks[0].outcome is Outcome.PASSED


def test_a_missing_file_and_a_cut_manifest(made: Plane, store: Datastore) -> None:
    site = Site(made)
    point = site.points(store)["good"]
    (Path(point.location) / "base" / "1" / "1259").unlink()
    assert "base/1/1259 is missing" in look(site, store)["manifest"].detail
    cut(Path(point.location) / "backup_manifest")
    survey = site.source.survey({"shop/it": store}, utcnow())
    assert "good" in survey.unreadable["shop/it"]
    assert site.source.inspect(store, point, None, full=False).checks[0].outcome is Outcome.FAILED


def test_one_bad_set_is_named_beside_the_good_ones(made: Plane, store: Datastore) -> None:
    location = Path(store.backups.location)
    shutil.copytree(location / "good", location / "worse")
    (location / "worse" / "backup_label").unlink()
    survey = Site(made).source.survey({"shop/it": store}, utcnow())
    assert [one.id for one in survey.points["shop/it"]] == ["good"]
    assert "worse" in survey.settings["shop/it"]["unreadable_points"][0]


def test_copies_name_their_domain_and_the_same_set(made: Plane, store: Datastore) -> None:
    point = Site(made).points(store)["good"]
    assert [(one.failure_domain, one.location) for one in point.copies] == [("dc-south", str(made.base / "good"))]
    assert point.failure_domain == "dc-north"


def test_digests_beside_a_set_come_along(made: Plane, store: Datastore) -> None:
    location = Path(store.backups.location)
    (location / "good.digests.json").write_text(json.dumps({"as_of": "x", "digests": {}}))
    assert Site(made).points(store)["good"].facts["digests"] == {"as_of": "x", "digests": {}}


def test_a_server_that_is_down_hides_no_backup(made: Plane, store: Datastore) -> None:
    site = Site(made)
    site.source._clients = lambda name: made.clients(name).model_copy(update={"port": 1})
    survey = site.source.survey({"shop/it": store}, utcnow())
    assert survey.points["shop/it"]
    assert "shop_db" in survey.settings["shop/it"]["server"]
    told = site.source.discover({"shop/it": store})
    assert told.drafts == ()
    assert "refused" in told.unreadable["connection shop_db"]


def test_the_store_is_only_read(made: Plane) -> None:
    folder = accounts.folder(made.home / "empty-store", made.user)
    datastore = made.datastore(backups=BaseBackups(kind="base_backup", location=str(folder), wal=str(folder)))
    assert Site(made).source.survey({"shop/it": datastore}, utcnow()).points["shop/it"] == ()
