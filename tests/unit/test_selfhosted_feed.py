"""The pipe between a recovering server and the runner, with the real shell command that PostgreSQL would run."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.clouds.selfhosted import configuration, programs
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.replay import Feed
from include.clouds.selfhosted.sandbox import Folder
from include.clouds.selfhosted.segments import following

SIZE = 4096


class Nobody(programs.RunAs):
    """Whoever runs the tests."""

    def __init__(self) -> None:
        self.changes = False
        self.uid, self.gid, self.name = os.geteuid(), os.getegid(), "me"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "it's a 100% sandbox")
    for path in (made.data / "pg_wal", made.feed, tmp_path / "wal"):
        path.mkdir(parents=True)
    return made


@pytest.fixture
def feed(folder: Folder) -> Iterator[Feed]:
    made = Feed(folder, Store(str(folder.path.parent / "wal")), SIZE, Nobody())
    going = threading.Event()
    going.set()

    def serve() -> None:
        while going.is_set():
            made.serve(0.01)

    thread = threading.Thread(target=serve)
    thread.start()
    yield made
    going.clear()
    thread.join()
    made.close()


def name(number: int) -> str:
    return f"{1:08X}{0:08X}{number:08X}"


def store(folder: Folder, number: int, content: bytes | None = None, *, packed: bool = False) -> bytes:
    data = bytes([number % 256]) * SIZE if content is None else content
    path = folder.path.parent / "wal" / (name(number) + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(data) if packed else data)
    return data


def fetch(folder: Folder, wanted: str, path: str = "pg_wal/RECOVERYXLOG") -> int:
    """What PostgreSQL does: fill in the command and give it to the shell, in the data directory."""
    command = configuration.restore_command(folder)
    command = command.replace("%%", "\0").replace("%f", wanted).replace("%p", path).replace("\0", "%")
    return subprocess.run(["/bin/sh", "-c", command], cwd=folder.data, check=False, timeout=20).returncode


def test_every_segment_arrives_whole_however_many_are_asked_for(folder: Folder, feed: Feed) -> None:
    """The answer to one request must never be lost or taken for the answer to another."""
    for number in range(60):
        data = store(folder, number, packed=number % 2 == 0)
        assert fetch(folder, name(number)) == 0
        assert (folder.data / "pg_wal" / "RECOVERYXLOG").read_bytes() == data
    assert feed.served == [name(number) for number in range(60)]


def test_segments_are_fetched_ahead_and_dropped_when_the_timeline_changes(folder: Folder, feed: Feed) -> None:
    """And what was not yet whole when we looked ahead is read again when it is asked for."""
    for number in (1, 2):
        store(folder, number, packed=True)
    store(folder, 3, b"still being written")
    assert fetch(folder, name(1)) == 0
    until(lambda: sorted(one.name for one in folder.ahead.iterdir()) == [name(2)])
    data = store(folder, 3)
    store(folder, 4)
    store(folder, 5)
    assert fetch(folder, name(2)) == 0
    assert fetch(folder, name(3)) == 0
    assert (folder.data / "pg_wal" / "RECOVERYXLOG").read_bytes() == data
    until(lambda: sorted(one.name for one in folder.ahead.iterdir()) == [name(4), name(5)])
    other = name(4).replace("00000001", "00000002", 1)
    (folder.path.parent / "wal" / other).write_bytes(b"2" * SIZE)
    assert fetch(folder, other) == 0
    until(lambda: not list(folder.ahead.iterdir()))
    assert feed.refused == {}
    feed.forget()
    assert not folder.ahead.exists()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_next_names_follow_the_archive() -> None:
    assert following("00000001000000A1000000FE", 2, 1 << 24) == ["00000001000000A1000000FF", "00000001000000A200000000"]


def test_what_is_not_there_is_refused(folder: Folder, feed: Feed) -> None:
    assert fetch(folder, name(7)) != 0
    assert fetch(folder, "00000002.history", "pg_wal/RECOVERYHISTORY") != 0
    (folder.path.parent / "wal" / "00000002.history").write_text("1\t0/0\tx\n")
    assert fetch(folder, "00000002.history", "pg_wal/RECOVERYHISTORY") == 0
    assert feed.refused == {}


def test_a_damaged_segment_is_refused_with_its_reason(folder: Folder, feed: Feed) -> None:
    store(folder, 1, b"too short")
    (folder.path.parent / "wal" / f"{name(2)}.gz").write_bytes(b"no gzip")
    assert fetch(folder, name(1)) != 0
    assert fetch(folder, name(2)) != 0
    assert "9 bytes" in feed.refused[name(1)]
    assert "cannot be read" in feed.refused[name(2)]
    assert not (folder.data / "pg_wal" / "RECOVERYXLOG").exists()


def test_a_segment_whose_packing_is_damaged_is_refused_when_it_is_asked_for(folder: Folder, feed: Feed) -> None:
    """And ends nothing before: it was only fetched ahead."""
    store(folder, 1)
    whole = gzip.compress(b"2" * SIZE)
    (folder.path.parent / "wal" / f"{name(2)}.gz").write_bytes(whole[:10] + b"\x07" + whole[11:])
    assert fetch(folder, name(1)) == 0
    assert fetch(folder, name(2)) != 0
    assert "cannot be read" in feed.refused[name(2)]


def test_a_slow_archive_does_not_hold_up_a_server_that_is_ready(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be fetched ahead is asked for by nobody any more."""
    store(folder, 1)
    store(folder, 2)
    let_go = threading.Event()
    archive = Store(str(folder.path.parent / "wal"))
    made = Feed(folder, archive, SIZE, Nobody())
    monkeypatch.setattr(archive, "unpack", lambda *_: let_go.wait(10) and SIZE)
    try:
        assert made._hand_over(name(1), "pg_wal/RECOVERYXLOG")
        began = time.monotonic()
        made.close()
        assert time.monotonic() - began < 5
    finally:
        let_go.set()


def test_nothing_is_written_elsewhere_and_never_through_a_link(folder: Folder, feed: Feed, tmp_path: Path) -> None:
    data = store(folder, 3)
    precious = tmp_path / "precious"
    precious.write_text("production's")
    assert fetch(folder, name(3), "../../../precious") != 0
    (folder.data / "pg_wal" / "RECOVERYXLOG").symlink_to(precious)
    assert fetch(folder, name(3)) == 0
    assert precious.read_text() == "production's"
    assert (folder.data / "pg_wal" / "RECOVERYXLOG").read_bytes() == data


def test_an_answer_for_a_server_that_is_gone_is_passed_over(folder: Folder, feed: Feed) -> None:
    store(folder, 4)
    with (folder.feed / "want").open("w") as pipe:
        pipe.write(f"{name(9)} pg_wal/RECOVERYXLOG\n")
    assert fetch(folder, name(4)) == 0
