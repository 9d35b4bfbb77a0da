"""What the lab does to files: the archive script, the damage to an index page, the age of a backup, its own notes."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.lab import accounts, archive_wal, home, interpreter, processes, state
from include.lab.faults.of_backups import rewrite_label
from include.lab.faults.of_servers import PAGE, swap_entries


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=2000))
def test_the_archive_gives_back_what_it_took(tmp_path_factory, data):
    folders = [tmp_path_factory.mktemp("wal") for _ in range(2)]
    source = folders[0] / "source"
    source.write_bytes(data)
    for _ in range(2):
        assert archive_wal.main(str(source), "0001", [str(f) for f in folders]) == 0
    for folder in folders:
        assert zlib.decompress((folder / "0001.gz").read_bytes(), 31) == data
        assert not list(folder.glob("*.part"))


def test_other_content_under_the_same_name_is_refused(tmp_path, capsys):
    source = tmp_path / "source"
    source.write_bytes(b"one")
    assert archive_wal.main(str(source), "0001", [str(tmp_path)]) == 0
    source.write_bytes(b"two")
    assert archive_wal.main(str(source), "0001", [str(tmp_path)]) == 1
    assert "another server archives into this folder" in capsys.readouterr().err
    assert zlib.decompress((tmp_path / "0001.gz").read_bytes(), 31) == b"one"


def test_a_missing_folder_is_told_to_the_server(tmp_path, capsys):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    assert archive_wal.main(str(source), "0001", [str(tmp_path / "gone")]) == 1
    assert "0001" in capsys.readouterr().err


def test_the_archive_script_runs_isolated(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"segment")
    script = Path(archive_wal.__file__)
    subprocess.run([sys.executable, "-IS", str(script), str(source), "0001", str(tmp_path)], check=True, cwd="/")
    assert zlib.decompress((tmp_path / "0001.gz").read_bytes(), 31) == b"segment"


def leaf(items: int, *, following: int, flags: int = 1) -> bytes:
    """An index page with so many line pointers, each told by its number."""
    page = bytearray(PAGE)
    lower, special = 24 + 4 * items, PAGE - 16
    struct.pack_into("<HHH", page, 12, lower, special, special)
    for number in range(items):
        struct.pack_into("<I", page, 24 + 4 * number, number + 1)
    struct.pack_into("<IIIHH", page, special, 0, following, 0, flags, 0)
    return bytes(page)


def pointers(page: bytes, items: int) -> list[int]:
    return list(struct.unpack_from(f"<{items}I", page, 24))


@pytest.mark.parametrize(("following", "expected"), [(0, [12, *range(2, 12), 1]), (7, [1, 12, *range(3, 12), 2])])
def test_two_entries_change_places_and_the_high_key_stays(tmp_path, following, expected):
    meta, root = bytes(PAGE), leaf(40, following=0, flags=2)
    file = tmp_path / "index"
    file.write_bytes(meta + root + leaf(12, following=following) + leaf(30, following=0))
    assert swap_entries(file)
    after = file.read_bytes()
    assert after[: 2 * PAGE] == meta + root
    assert pointers(after[2 * PAGE : 3 * PAGE], 12) == expected
    assert after[3 * PAGE :] == leaf(30, following=0)


def test_an_index_without_a_page_with_room_is_left_alone(tmp_path):
    file = tmp_path / "index"
    file.write_bytes(bytes(PAGE) + leaf(5, following=0) + leaf(50, following=0, flags=2) + bytes(PAGE))
    before = file.read_bytes()
    assert not swap_entries(file)
    assert file.read_bytes() == before


def test_a_rewritten_label_still_fits_its_manifest(tmp_path):
    label = "START TIME: 2026-11-23 14:37:28 UTC\n"
    (tmp_path / "backup_label").write_text(label)
    entry = (
        f'{{ "Path": "backup_label", "Size": {len(label)}, "Last-Modified": "2026-11-23 14:37:28 GMT", '
        f'"Checksum-Algorithm": "SHA256", "Checksum": "{hashlib.sha256(label.encode()).hexdigest()}" }}'
    )
    body = f'{{ "Files": [\n{entry}\n],\n'
    (tmp_path / "backup_manifest").write_text(f'{body}"Manifest-Checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')
    fresh = label.replace("11-23", "11-14")
    rewrite_label(tmp_path, fresh)
    text = (tmp_path / "backup_manifest").read_text()
    (told,) = json.loads(text)["Files"]
    assert told["Checksum"] == hashlib.sha256(fresh.encode()).hexdigest()
    assert told["Last-Modified"] == "2026-11-14 14:37:28 GMT"
    head = text[: text.index('"Manifest-Checksum"')]
    assert json.loads(text)["Manifest-Checksum"] == hashlib.sha256(head.encode()).hexdigest()


def test_the_named_home_wins_and_an_unreachable_project_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DRILLYARD_LAB_HOME", str(tmp_path / "mine"))
    assert home.lab_home() == tmp_path / "mine"
    monkeypatch.delenv("DRILLYARD_LAB_HOME")
    monkeypatch.setattr(accounts, "can_enter", lambda *_: True)
    assert home.lab_home() == home.PROJECT / "build" / "lab"
    monkeypatch.setattr(accounts, "can_enter", lambda *_: False)
    elsewhere = home.lab_home()
    assert elsewhere == home.lab_home()
    assert home.PROJECT not in elsewhere.parents
    with pytest.raises(PermissionError, match="DRILLYARD_LAB_HOME"):
        home.prepare(tmp_path / "closed", "nobody")


def test_a_missing_lab_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="drillyard lab up"):
        state.load(tmp_path)


def test_private_files_are_private_from_their_first_byte(tmp_path):
    before = os.umask(0)
    try:
        state.write_private(tmp_path / "secret", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_pid_that_is_another_process_now_is_not_touched():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        known = processes.identify(child.pid)
        earlier = known.model_copy(update={"born": known.born - 100})
        assert processes.alive(known)
        assert not processes.alive(earlier)
        processes.end(earlier)
        assert child.poll() is None
        processes.end(known)
        assert not processes.alive(known)
    finally:
        child.kill()
        child.wait()


def test_a_stale_postmaster_file_names_nobody(tmp_path):
    assert processes.postmaster(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n{int(time.time()) - 10_000_000}\n")
    assert processes.postmaster(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text("not a pid\n")
    assert processes.postmaster(tmp_path) is None
    born = processes.identify(os.getpid()).born
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n{round(born + 0.5)}\n")
    assert processes.postmaster(tmp_path).pid == os.getpid()


def test_an_interpreter_that_the_server_user_cannot_run_is_copied(tmp_path, monkeypatch):
    """Every interpreter outside of the lab's home refuses: the copy alone is asked to run, and really does."""
    real = accounts.can_run

    def only_copies(command, user, environment=None):
        return str(tmp_path) in command[0] and real(command, None, environment)

    monkeypatch.setattr(accounts, "can_run", only_copies)
    prefix = interpreter.usable_python(tmp_path, None)
    assert str(tmp_path) in prefix
    done = subprocess.run(
        ["/bin/sh", "-c", f'{prefix} -c "import zlib, sys; print(sys.prefix)"'],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    assert done.stdout.strip() == str(tmp_path / "python")
