"""The archive's own sequence, without a server: names, timelines, gaps, headers, times."""

from __future__ import annotations

import gzip
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.clouds.selfhosted import wal
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.segments import name_of

MB = 1 << 20
sizes = st.sampled_from([1 << power for power in range(20, 31)])


def segment(folder: Path, timeline: int, number: int, *, size: int = MB, packed: bool = False, system: int = 7) -> Path:
    head = struct.pack("=HHIQI4xQII", 0xD118, 0x0002, timeline, number * size, 0, system, size, 8192)
    data = head + bytes(size - len(head))
    path = folder / (name_of(timeline, number, size) + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def run(folder: Path, timeline: int = 1, start: int = 5, own: frozenset[str] = frozenset()) -> wal.Run:
    return wal.run_from(wal.read(Store(str(folder)), MB), timeline, start * MB + 40, MB, own)


@given(sizes, st.integers(1, 2**32 - 1), st.integers(0, 2**32))
def test_a_name_is_read_back(size: int, timeline: int, number: int) -> None:
    number %= (1 << 64) // size
    name = name_of(timeline, number, size)
    per_log = (1 << 32) // size
    assert len(name) == 24
    assert (int(name[:8], 16), int(name[8:16], 16) * per_log + int(name[16:], 16)) == (timeline, number)


def test_names_are_postgresqls() -> None:
    assert name_of(1, 2, 1 << 24) == "000000010000000000000002"
    assert name_of(3, 0x1FF, 1 << 24) == "0000000300000001000000FF"
    assert wal.lsn("0/2000028") == 0x2000028
    assert wal.lsn("A/0") == 10 << 32


def test_an_unbroken_run(tmp_path: Path) -> None:
    for number in range(3, 9):
        segment(tmp_path, 1, number, packed=number % 2 == 0)
    (tmp_path / "000000010000000000000009.partial").touch()
    (tmp_path / "something else").touch()
    found = run(tmp_path)
    assert [one.number for one in found.segments] == [5, 6, 7, 8]
    assert found.missing == ()


def test_a_gap_ends_the_run_and_is_named(tmp_path: Path) -> None:
    for number in (5, 6, 8, 10):
        segment(tmp_path, 1, number)
    found = run(tmp_path)
    assert [one.number for one in found.segments] == [5, 6]
    assert found.missing == (name_of(1, 7, MB), name_of(1, 9, MB))


def test_what_the_set_brings_is_not_missing(tmp_path: Path) -> None:
    for number in (6, 7):
        segment(tmp_path, 1, number)
    assert run(tmp_path).missing == (name_of(1, 5, MB),)
    found = run(tmp_path, own=frozenset({name_of(1, 5, MB)}))
    assert found.missing == ()
    assert [one.number for one in found.segments] == [6, 7]


def test_an_empty_archive_has_an_empty_run(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert (found.segments, found.missing, found.timeline) == ((), (), 1)


def test_the_run_changes_to_the_newest_timeline_in_the_segment_of_the_switch(tmp_path: Path) -> None:
    for number in range(5, 10):
        segment(tmp_path, 1, number)
    for number in range(7, 12):
        segment(tmp_path, 2, number)
    (tmp_path / "00000002.history").write_text(f"1\t0/{7 * MB + 999:X}\tno recovery target specified\n")
    found = run(tmp_path)
    assert found.timeline == 2
    assert [(one.timeline, one.number) for one in found.segments] == [(1, 5), (1, 6), (2, 7), (2, 8), (2, 9), (2, 10), (2, 11)]


def test_a_timeline_that_left_before_the_backup_is_not_followed(tmp_path: Path) -> None:
    for number in range(5, 8):
        segment(tmp_path, 1, number)
    segment(tmp_path, 2, 3)
    (tmp_path / "00000002.history").write_text(f"1\t0/{3 * MB:X}\tbefore\n")
    found = run(tmp_path)
    assert found.timeline == 1
    assert [one.number for one in found.segments] == [5, 6, 7]


@pytest.mark.parametrize("packed", [True, False])
def test_a_good_segment_has_no_fault(tmp_path: Path, packed: bool) -> None:
    segment(tmp_path, 1, 5, packed=packed)
    archive = wal.read(Store(str(tmp_path)), MB)
    assert wal.head_fault(Store(str(tmp_path)), archive.segments[1, 5], MB, 7) == ""
    assert "another cluster" in wal.head_fault(Store(str(tmp_path)), archive.segments[1, 5], MB, 8)
    assert wal.segment_size(Store(str(tmp_path))) == MB


def test_a_segment_under_another_name_is_told(tmp_path: Path) -> None:
    segment(tmp_path, 1, 5).rename(tmp_path / name_of(1, 6, MB))
    archive = wal.read(Store(str(tmp_path)), MB)
    assert "header" in wal.head_fault(Store(str(tmp_path)), archive.segments[1, 6], MB, 7)


def test_an_archive_tells_the_size_of_its_segments_past_damaged_ones(tmp_path: Path) -> None:
    segment(tmp_path, 1, 4).write_bytes(b"")
    (tmp_path / (name_of(1, 5, MB) + ".gz")).write_bytes(b"no gzip")
    segment(tmp_path, 1, 6)
    assert wal.segment_size(Store(str(tmp_path))) == MB
    assert wal.segment_size(Store(str(tmp_path / ".."))) == 1 << 24


def test_a_time_with_an_ambiguous_zone_is_not_guessed() -> None:
    assert wal.utc_time("2026-11-23 14:21:31 UTC") == datetime(2026, 11, 23, 14, 21, 31, tzinfo=UTC)
    assert wal.utc_time("2026-11-23 14:21:31 +0530") == datetime(2026, 11, 23, 8, 51, 31, tzinfo=UTC)
    assert wal.utc_time("2026-11-23 14:21:31 CST") is None
