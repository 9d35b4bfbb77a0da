"""Where backups lie: a local folder, or any store that fsspec knows. The only module that reads either."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any


@dataclass(frozen=True)
class Entry:
    """One file or folder of a store."""

    name: str
    size: int
    modified: datetime
    is_folder: bool


class Unpacked(gzip.GzipFile):
    """A gzip file as it is unpacked, in which damage of every kind is an OSError or EOFError."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except zlib.error as damaged:
            raise gzip.BadGzipFile(str(damaged)) from damaged


class Store:
    """A folder somewhere. Raises FileNotFoundError or PermissionError, naming the place, like the file system does."""

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/") or "/"
        self.local: Path | None = None
        self._remote: Any = None
        if "://" not in location or location.startswith("file://"):
            self.local = Path(location.removeprefix("file://"))
        else:
            import fsspec

            self._remote, self._path = fsspec.core.url_to_fs(self.location)

    def describe(self, name: str = "") -> str:
        """The place in words, for an error."""
        return f"{self.location}/{name}" if name else self.location

    def child(self, name: str) -> Store:
        return Store(f"{self.location}/{name}")

    def entries(self) -> list[Entry]:
        """What lies here, by name. Hidden names are left out."""
        if self.local is not None:
            found = [_local_entry(entry) for entry in os.scandir(self.local)]
        else:
            found = [_remote_entry(one) for one in self._remote.ls(self._path, detail=True, refresh=True)]
        return sorted((one for one in found if one and not one.name.startswith(".")), key=lambda one: one.name)

    def has(self, name: str) -> bool:
        if self.local is not None:
            return (self.local / name).exists()
        return bool(self._remote.exists(f"{self._path}/{name}"))

    def open(self, name: str) -> IO[bytes]:
        """Open one file for reading."""
        if self.local is not None:
            return (self.local / name).open("rb")
        opened: IO[bytes] = self._remote.open(f"{self._path}/{name}", "rb")
        return opened

    def read(self, name: str, limit: int = -1) -> bytes:
        """A file's content, or its first `limit` bytes."""
        with self.open(name) as reader:
            return reader.read(limit)

    def unpack_to(self, name: str, handle: int) -> int:
        """Write a file, unpacked when it ends in .gz, to an open file. Gives the bytes written."""
        written = 0
        with self.open(name) as reader:
            packed = name.endswith(".gz")
            if not packed and self.local is not None:
                while count := os.copy_file_range(reader.fileno(), handle, 1 << 30):
                    written += count
                return written
            source: IO[bytes] = Unpacked(fileobj=reader) if packed else reader  # type: ignore[assignment]
            while block := source.read(1 << 20):
                written += os.write(handle, block)
        return written

    def unpack(self, name: str, target: Path) -> int:
        """Write a file, unpacked when it ends in .gz, to a new file. Gives the bytes written."""
        with target.open("xb") as writer:
            return self.unpack_to(name, writer.fileno())

    @contextmanager
    def at_hand(self, near: Path | None = None) -> Iterator[Path]:
        """This folder, or file, as a local path: itself when it is local, else a copy that is removed on exit.

        `near`: the folder to make the copy in, where there is room for it. Default: the system's temporary one.
        """
        if self.local is not None:
            yield self.local
            return
        with TemporaryDirectory(prefix=".fetch-", dir=near) as scratch:
            target = Path(scratch, self._path.rsplit("/", 1)[-1])
            self.fetch(target)
            yield target

    def fetch(self, target: Path) -> None:
        """Copy the whole folder, or file, to a new local path."""
        if self.local is not None:
            (shutil.copytree if self.local.is_dir() else shutil.copyfile)(self.local, target)
        else:
            self._remote.get(self._path, str(target), recursive=self._remote.isdir(self._path))

    def size(self) -> int:
        """Bytes of everything below."""
        if self.local is not None:
            if self.local.is_file():
                return self.local.stat().st_size
            return sum(Path(folder, name).stat().st_size for folder, _, names in os.walk(self.local) for name in names)
        return int(self._remote.du(self._path))


def unpacked_head(store: Store, name: str, count: int) -> bytes:
    """The first bytes of a file as it is unpacked. Raises OSError or EOFError when it cannot be unpacked."""
    if not name.endswith(".gz"):
        return store.read(name, count)
    with store.open(name) as reader, Unpacked(fileobj=reader) as source:
        return source.read(count)


def _local_entry(entry: os.DirEntry[str]) -> Entry | None:
    try:
        stat = entry.stat()
    except FileNotFoundError:  # it went away while we looked, or its link leads nowhere
        return None
    return Entry(
        name=entry.name, size=stat.st_size, modified=datetime.fromtimestamp(stat.st_mtime, UTC), is_folder=entry.is_dir()
    )


def _remote_entry(one: dict[str, Any]) -> Entry:
    when = one.get("LastModified") or one.get("mtime") or one.get("last_modified") or one.get("created") or one.get("updated")
    if isinstance(when, int | float):
        when = datetime.fromtimestamp(when, UTC)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if when is None:
        when = datetime.fromtimestamp(0, UTC)
    elif when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return Entry(
        name=one["name"].rstrip("/").rsplit("/", 1)[-1],
        size=one.get("size") or 0,
        modified=when,
        is_folder=one["type"] == "directory",
    )


def text_of(store: Store, name: str) -> str:
    """A small file as text."""
    return io.TextIOWrapper(io.BytesIO(store.read(name)), errors="replace").read()
