"""Bringing a base backup into a sandbox: plain folders and tar sets, with tablespaces inside, as fast as the disk allows."""

from __future__ import annotations

import fcntl
import os
import shutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from include.clouds.selfhosted.programs import RunAs

_FICLONE = 0x40049409
_LARGE = 8 << 20
"""Bytes from which a file is worth a thread of its own."""
_NEEDED = ("pg_commit_ts", "pg_tblspc", "pg_twophase", "pg_stat", "pg_logical/snapshots", "pg_logical/mappings", "pg_wal")
_EMPTIED = ("pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans")
"""Documented as not to be backed up (PostgreSQL, "Making a Base Backup Using the Low Level API"); slots would hold WAL."""
_DROPPED = (
    "postmaster.pid",
    "postmaster.opts",
    "standby.signal",
    "recovery.signal",
    "postgresql.conf",
    "postgresql.auto.conf",
    "pg_hba.conf",
    "pg_ident.conf",
    "recovery.conf",
    "current_logfiles",
    "server.crt",
    "server.key",
)
"""Production's configuration, roles of the server and keys: nothing of it is needed or wanted in a sandbox."""


class BadSet(Exception):
    """The base backup cannot be copied. The text says what is wrong, where, and what to do."""


def copy_set(source: Path, data: Path, user: RunAs, *, tarred: bool) -> None:
    """Copy a base backup to a new data directory that belongs to `user`. Raises BadSet or OSError."""
    data.mkdir(mode=0o700)
    if tarred:
        unpack_set(source, data)
    else:
        copy_tree(source, data)
        copy_tablespaces(source, data)
    settle_in(data, user)


def settle_in(data: Path, user: RunAs) -> None:
    """Make a copied set the server's: without what belonged to the running server, and owned by `user`."""
    (data / "tablespace_map").unlink(missing_ok=True)
    for name in _NEEDED:
        # A store of objects knows no empty folders.
        (data / name).mkdir(parents=True, exist_ok=True)
    clean(data)
    hand_over(data, user)
    hand_over(data.parent / "tablespaces", user)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder's files. Links are followed only where PostgreSQL has them: pg_tblspc and pg_wal.

    Large files are copied two at a time inside the kernel; for small ones a second thread costs more than it brings.
    """
    with ThreadPoolExecutor(2) as pool:
        large = []
        for folder, inner in walk(source, target):
            inner.mkdir(exist_ok=True, mode=0o700)
            for entry in os.scandir(folder):
                if not entry.is_file(follow_symlinks=True):
                    continue
                size = entry.stat().st_size
                if size >= _LARGE:
                    large.append(pool.submit(copy_file, entry.path, f"{inner}/{entry.name}", size))
                else:
                    copy_file(entry.path, f"{inner}/{entry.name}", size)
        for one in large:
            one.result()


def walk(source: Path, target: Path, *, top: bool = True) -> Iterator[tuple[Path, Path]]:
    """Every folder of a set with its place in the copy. Tablespaces are left to `copy_tablespaces`."""
    yield source, target
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=top and entry.name == "pg_wal"):
            yield from walk(Path(entry.path), target / entry.name, top=False)


def copy_file(source: str, target: str, size: int) -> None:
    """Copy one file: by sharing its blocks where the file system can (XFS, btrfs), else inside the kernel."""
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if size == 0:
            return
        reader = os.open(source, os.O_RDONLY)
        try:
            if size < _LARGE or not share(reader, writer):
                copy_range(reader, writer)
        finally:
            os.close(reader)
    finally:
        os.close(writer)


def share(reader: int, writer: int) -> bool:
    """Whether the file system lets two files share their blocks, and now they do."""
    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    except OSError:
        return False
    return True


def copy_range(reader: int, writer: int) -> None:
    """Copy one open file to another. Falls back to reading where the kernel cannot copy between two file systems."""
    try:
        while os.copy_file_range(reader, writer, 1 << 30):
            pass
    except OSError:
        os.lseek(reader, 0, os.SEEK_SET)
        os.lseek(writer, 0, os.SEEK_SET)
        os.ftruncate(writer, 0)
        while block := os.read(reader, 1 << 20):
            os.write(writer, block)


def unpack_set(source: Path, data: Path) -> None:
    """Unpack base.tar, pg_wal.tar and one OID.tar for each tablespace, plain or with .gz. Raises BadSet."""
    archives = {path.name.split(".")[0]: path for path in sorted(source.iterdir()) if tar_suffix(path.name)}
    if "base" not in archives:
        raise BadSet(f"{source} holds no base.tar or base.tar.gz: the base backup is not complete; take another one")
    for name, archive in archives.items():
        place = {"base": data, "pg_wal": data / "pg_wal"}.get(name) or tablespace(data, name)
        place.mkdir(exist_ok=True, parents=True)
        try:
            with tarfile.open(archive, "r:*") as opened:
                opened.extractall(place, members=safe_members(opened), filter="fully_trusted")  # noqa: S202 members are checked
        except (tarfile.TarError, EOFError, OSError) as broken:
            raise BadSet(f"{archive} cannot be unpacked: {broken}; the base backup is damaged, choose another one") from broken


def tar_suffix(name: str) -> bool:
    """Whether a file of a tar set is one of its archives."""
    return name.endswith((".tar", ".tar.gz"))


def safe_members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members that stay below the folder. Links are only those of tablespaces, which are made anew."""
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            continue
        yield member


def copy_tablespaces(source: Path, data: Path) -> None:
    """Copy what the links in pg_tblspc point to. Raises BadSet for a link that leads nowhere."""
    if not (source / "pg_tblspc").is_dir():
        return
    for entry in os.scandir(source / "pg_tblspc"):
        if entry.is_symlink():
            if not entry.is_dir():
                raise BadSet(f"tablespace {entry.path} points to {Path(entry.path).readlink()}, which is not there")
            copy_tree(Path(entry.path).resolve(), tablespace(data, entry.name))


def tablespace(data: Path, oid: str) -> Path:
    """The place of a tablespace inside the sandbox, linked as PostgreSQL expects it, so that nothing lies elsewhere."""
    place = data.parent / "tablespaces" / oid
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    spaces = data / "pg_tblspc"
    spaces.mkdir(exist_ok=True, mode=0o700)
    link = spaces / oid
    if not link.is_symlink():
        link.symlink_to(place)
    return place


def clean(data: Path) -> None:
    """Take away what belonged to the running server: its configuration, its slots, its state files."""
    for name in _DROPPED:
        (data / name).unlink(missing_ok=True)
    for name in _EMPTIED:
        shutil.rmtree(data / name, ignore_errors=True)
        (data / name).mkdir(mode=0o700)
    (data / "postgresql.auto.conf").touch()
    for name in ("archive_status", "summaries"):
        shutil.rmtree(data / "pg_wal" / name, ignore_errors=True)
    (data / "pg_wal" / "archive_status").mkdir(parents=True, exist_ok=True)


def hand_over(data: Path, user: RunAs) -> None:
    """Make everything the server's, and nobody else's."""
    for folder, _, files in os.walk(data):
        user.own(Path(folder))
        Path(folder).chmod(0o700)
        for name in files:
            user.own(Path(folder, name))
