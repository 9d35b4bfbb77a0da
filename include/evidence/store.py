"""One evidence store: objects that are created once and never changed, in a folder or behind an fsspec URL."""

from __future__ import annotations

import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter

from include.evidence.naming import CHAIN, RECORDS
from include.evidence.record import Record

RECORD: TypeAdapter[Record] = TypeAdapter(Record)
RESTS = 120.0
"""Seconds for which an object store that failed twice in a row is not asked again. Each failure costs all retries of its SDK
(half a minute for S3): without a rest, a night that writes fifty records would wait for the one store that is down."""

DEFAULTS: dict[str, dict[str, Any]] = {"s3": {"config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 3}}}}
"""Storage options by scheme, where a connection gives no other: s3fs repeats what is throttled on top of botocore's own."""


class StoreDown(OSError):
    """A store did not do what it was asked: which store, what, why. Whether a write happened is unknown: repeat it."""


class AlreadyThere(RuntimeError):
    """An object of this name exists with other bytes. Evidence is never overwritten; both versions are worth a look."""


class Store(ABC):
    """Objects by relative path, such as ``records/2026/11/23/….json``.

    Every failure is a StoreDown, a missing object a FileNotFoundError.
    """

    def __init__(self, name: str, url: str, failure_domain: str = "") -> None:
        self.name, self.url, self.failure_domain = name, url, failure_domain

    def __repr__(self) -> str:
        return f"{self.name} ({self.url})"

    def put_new(self, path: str, data: bytes) -> bool:
        """Create an object, whole or not at all. False when it is there already with the same bytes.

        Raises AlreadyThere when it is there with other bytes.
        """
        try:
            self._create(path, data)
        except FileExistsError:
            held: bytes | None = self.read(path)
        except StoreDown:
            # The answer may be lost and the write done, or another writer was first: look before calling it failed.
            held = self._look(path)
            if held is None:
                raise
        else:
            return True
        if held != data:
            raise AlreadyThere(f"store {self!r} already holds {path} with other content; it was not overwritten")
        return False

    def _look(self, path: str) -> bytes | None:
        try:
            return self.read(path)
        except OSError:
            return None

    def records(self, prefix: str = RECORDS, unreadable: dict[str, str] | None = None) -> Iterator[Record]:
        """Every record, oldest first. What is none raises ValueError naming it, or goes to `unreadable` (path: why)."""
        for path in self.list(prefix):
            try:
                yield RECORD.validate_json(self.read(path))
            except ValueError as error:
                if unreadable is None:
                    raise ValueError(f"{path} in store {self!r} is not a record: {error}") from error
                unreadable[path] = str(error).splitlines()[0]

    def replace(self, path: str, data: bytes) -> None:
        """Write an object whether it is there or not. Raises ValueError for evidence: that is never changed."""
        _refuse_evidence(path)
        try:
            self._overwrite(path, data)
        except FileExistsError as error:  # not this object, which may be there, but something in the place of its folder
            raise StoreDown(f"store {self!r} cannot write {path}: {error}") from error

    def delete(self, path: str) -> None:
        """Remove an object; harmless when it is gone. Raises ValueError for evidence."""
        _refuse_evidence(path)
        self._remove(path)

    @abstractmethod
    def _overwrite(self, path: str, data: bytes) -> None:
        """Write, whole or not at all."""

    @abstractmethod
    def _remove(self, path: str) -> None:
        """Remove if there."""

    @abstractmethod
    def _create(self, path: str, data: bytes) -> None:
        """Create or raise FileExistsError."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The bytes of an object."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is such an object."""

    @abstractmethod
    def list(self, prefix: str = "") -> Sequence[str]:
        """The paths below a folder-like prefix (ending in ``/``, or empty), sorted."""


class LocalStore(Store):
    """A folder. Objects appear by a hard link from a finished file, so a killed writer leaves no half object."""

    def __init__(self, name: str, root: Path, failure_domain: str = "") -> None:
        super().__init__(name, str(root), failure_domain)
        self.root = root

    def _create(self, path: str, data: bytes) -> None:
        self._write(path, data, os.link)

    def _overwrite(self, path: str, data: bytes) -> None:
        self._write(path, data, os.replace)

    def _write(self, path: str, data: bytes, name_it: Callable[[Path, Path], None]) -> None:
        target = self.root / path
        with self._named("write", path):
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.parent / f".draft-{secrets.token_hex(8)}"
            try:
                with draft.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                name_it(draft, target)
                _sync_folder(target.parent)
            finally:
                draft.unlink(missing_ok=True)

    def _remove(self, path: str) -> None:
        target = self.root / path
        with self._named("remove", path):
            target.unlink(missing_ok=True)
            if target.parent.is_dir() and not any(target.parent.iterdir()):
                target.parent.rmdir()

    def read(self, path: str) -> bytes:
        with self._named("read", path):
            return (self.root / path).read_bytes()

    def exists(self, path: str) -> bool:
        with self._named("look for", path):
            return (self.root / path).is_file()

    def list(self, prefix: str = "") -> Sequence[str]:
        found = []
        with self._named("list", prefix):
            for folder, _, files in os.walk(self.root / prefix, onerror=_raise_unless_missing):
                below = Path(folder).relative_to(self.root).as_posix()
                found += [name if below == "." else f"{below}/{name}" for name in files if not name.startswith(".draft-")]
        return tuple(sorted(found))

    @contextmanager
    def _named(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            raise StoreDown(f"store {self!r} cannot {verb} {path}: {error.strerror or error}") from error


class ObjectStore(Store):
    """Anything that fsspec knows: ``s3://``, ``gs://``, ``abfs://``, ``memory://`` … with a conditional create."""

    def __init__(self, name: str, url: str, failure_domain: str = "", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, url, failure_domain)
        self._options = dict(options or {})
        self._opened: tuple[Any, str] | None = None
        self._failures = 0
        self._failed_at = 0.0
        self._why = ""

    def _fs(self) -> tuple[Any, str]:
        if self._opened is None:
            from fsspec.core import url_to_fs

            # No listing cache: another writer's objects must be seen.
            defaults = DEFAULTS.get(self.url.partition("://")[0], {})
            fs, root = url_to_fs(self.url, **{"use_listings_cache": False, **defaults, **self._options})
            self._opened = (fs, str(root).rstrip("/"))
        return self._opened

    def _create(self, path: str, data: bytes) -> None:
        with self._named("write", path) as (fs, root):
            full = f"{root}/{path}"
            # A store that does not know conditional writes would overwrite: this look makes that a race, not a rule.
            if fs.exists(full):
                raise FileExistsError(full)
            fs.pipe_file(full, data, mode="create")

    def _overwrite(self, path: str, data: bytes) -> None:
        with self._named("write", path) as (fs, root):
            fs.pipe_file(f"{root}/{path}", data)

    def _remove(self, path: str) -> None:
        with self._named("remove", path) as (fs, root):
            if fs.exists(f"{root}/{path}"):
                fs.rm_file(f"{root}/{path}")

    def read(self, path: str) -> bytes:
        with self._named("read", path) as (fs, root):
            return bytes(fs.cat_file(f"{root}/{path}"))

    def exists(self, path: str) -> bool:
        with self._named("look for", path) as (fs, root):
            return bool(fs.exists(f"{root}/{path}"))

    def list(self, prefix: str = "") -> Sequence[str]:
        with self._named("list", prefix) as (fs, root):
            try:
                found = fs.find(f"{root}/{prefix}".rstrip("/"))
            except FileNotFoundError:
                return ()
            return tuple(sorted(str(path)[len(root) + 1 :] for path in found))

    @contextmanager
    def _named(self, verb: str, path: str) -> Iterator[tuple[Any, str]]:
        if self._failures >= 2 and (left := self._failed_at + RESTS - time.monotonic()) > 0:
            raise StoreDown(f"store {self!r} cannot {verb} {path}: {self._why} (it is asked again in {left:.0f} s)")
        try:
            yield self._fs()
        except (FileNotFoundError, FileExistsError):
            self._failures = 0
            raise
        except Exception as error:  # every SDK has its own family of errors
            self._failures, self._failed_at, self._why = self._failures + 1, time.monotonic(), f"{type(error).__name__}: {error}"
            raise StoreDown(f"store {self!r} cannot {verb} {path}: {self._why}") from error
        self._failures = 0


class ShutStore(Store):
    """A store that cannot even be opened, such as one whose connection is missing: it is down, for a reason that is known."""

    def __init__(self, name: str, url: str, failure_domain: str, why: str) -> None:
        super().__init__(name, url, failure_domain)
        self.why = why

    def _down(self, *_: object) -> NoReturn:
        raise StoreDown(f"store {self!r} cannot be opened: {self.why}")

    def _create(self, path: str, data: bytes) -> None:
        self._down(path, data)

    def _overwrite(self, path: str, data: bytes) -> None:
        self._down(path, data)

    def _remove(self, path: str) -> None:
        self._down(path)

    def read(self, path: str) -> bytes:
        self._down(path)

    def exists(self, path: str) -> bool:
        self._down(path)

    def list(self, prefix: str = "") -> Sequence[str]:
        self._down(prefix)


def _refuse_evidence(path: str) -> None:
    if path.startswith((RECORDS, CHAIN)):
        raise ValueError(f"{path} is evidence: it is written once and never changed or deleted")


def _sync_folder(folder: Path) -> None:
    """The name must survive a power cut as well as the bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
