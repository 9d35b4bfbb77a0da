"""Handing WAL to a restored server while it recovers: it asks through a pipe, and the runner answers."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.programs import RunAs
from include.clouds.selfhosted.sandbox import Folder
from include.clouds.selfhosted.segments import SEGMENT, following

_WANTED = re.compile(r"^(?P<name>[0-9A-F]{24}|[0-9A-F]{8}\.history|[0-9A-F]{24}\.[0-9A-F]{8}\.backup) (?P<path>\S+)$")
_AHEAD = 2
"""Segments that are fetched and unpacked while the server replays the one before: what an archive takes to answer is no RTO."""


class Feed:
    """The runner's end of the pipe. The server's end is `configuration.restore_command`."""

    def __init__(self, folder: Folder, store: Store, segment_size: int, user: RunAs) -> None:
        self._folder, self._store, self._size, self._user = folder, store, segment_size, user
        self.served: list[str] = []
        """Names of the segments handed over, in order."""
        self.refused: dict[str, str] = {}
        """Why a file that is in the archive was not handed over."""
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[str, Future[Path | None]] = {}
        for name in ("want", "got"):
            path = folder.feed / name
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
            user.own(path)
        # Both open for reading and writing, so that neither ever ends when a shell closes its side: an answer waits in
        # the pipe until the shell that asked has read it.
        self._want, self._got = (os.open(folder.feed / name, os.O_RDWR | os.O_NONBLOCK) for name in ("want", "got"))

    def close(self) -> None:
        """Let go of the pipes. A shell that still waits then waits for ever: the server must have ended, or be ready."""
        self._drop_ahead(wait=False)
        os.close(self._want)
        os.close(self._got)

    def forget(self) -> None:
        """Pass over what a server that has ended asked, and what it was answered. No thread of ours runs afterwards."""
        self._drop_ahead(wait=True)
        for pipe in (self._want, self._got):
            with contextlib.suppress(BlockingIOError):
                while os.read(pipe, 4096):
                    pass

    def serve(self, patience: float) -> None:
        """Answer what is asked within `patience` seconds."""
        ready, _, _ = select.select([self._want], [], [], patience)
        if not ready:
            return
        for line in os.read(self._want, 4096).decode(errors="replace").splitlines():
            found = _WANTED.match(line)
            if found:
                answer = self._hand_over(found["name"], found["path"])
                os.write(self._got, f"{'ok' if answer else 'no'} {found['name']}\n".encode())

    def _hand_over(self, name: str, relative: str) -> bool:
        """Put one file of the archive where the server wants it. A damaged one is refused, with its reason noted."""
        if relative not in ("pg_wal/RECOVERYXLOG", "pg_wal/RECOVERYHISTORY"):
            return False
        target = self._folder.data / relative
        ahead = self._ahead.pop(name, None)
        prepared = ahead.result() if ahead else None
        if prepared is not None:
            self._user.own(prepared)
            prepared.replace(target)
        elif not self._fetch(name, target):
            return False
        if SEGMENT.match(name):
            self.served.append(name)
            self._look_ahead(name)
        return True

    def _fetch(self, name: str, target: Path) -> bool:
        """Put one file of the archive at `target`. False: it is not there, or damaged; why is noted then."""
        entry = next((one for one in (name, f"{name}.gz") if self._store.has(one)), None)
        if entry is None:
            return False
        target.unlink(missing_ok=True)
        # Never through a link: the folder belongs to the server, and this process may be root.
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            size = self._store.unpack_to(entry, handle)
        except (OSError, EOFError) as broken:
            self.refused[name] = f"{self._store.describe(entry)} cannot be read: {broken}"
            target.unlink()
            return False
        finally:
            os.close(handle)
        if SEGMENT.match(name) and size != self._size:
            self.refused[name] = f"{self._store.describe(entry)} has {size} bytes, a segment has {self._size}"
            target.unlink()
            return False
        self._user.own(target)
        return True

    def _look_ahead(self, name: str) -> None:
        """Begin to fetch what the server will ask for next, and drop what it passed over (its timeline has changed)."""
        wanted = following(name, _AHEAD, self._size)
        for passed in self._ahead.keys() - set(wanted):
            if prepared := self._ahead.pop(passed).result():
                prepared.unlink()
        if self._pool is None:
            self._folder.ahead.mkdir(mode=0o700, exist_ok=True)
            self._pool = ThreadPoolExecutor(_AHEAD)
        for one in wanted:
            if one not in self._ahead:
                self._ahead[one] = self._pool.submit(self._prepare, one)

    def _prepare(self, name: str) -> Path | None:
        """A segment, unpacked in a folder that the server does not see. None when it is not there or not whole: it may be
        being written, so whoever asks for it looks again, and notes what is wrong with it."""
        path = self._folder.ahead / name
        try:
            for entry in (name, f"{name}.gz"):
                if self._store.has(entry):
                    if self._store.unpack(entry, path) == self._size:
                        return path
                    break
        except (OSError, EOFError):
            pass
        path.unlink(missing_ok=True)
        return None

    def _drop_ahead(self, *, wait: bool) -> None:
        """`wait`: until no thread runs. A server that is ready shall not wait for a file that nobody asks for any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)
            self._pool = None
        self._ahead.clear()
        shutil.rmtree(self._folder.ahead, ignore_errors=True)


def target_not_reached(log: str) -> bool:
    """Whether recovery ended because all WAL lies before the target time.

    PostgreSQL stops at the first commit after the target and gives up when there is none. When the archive ends before
    the target, everything in it belongs to the state asked for, so the runner starts again without a target; whether
    the archive reaches far enough at all was decided before (check `point-reaches-target`).
    """
    return "recovery ended before configured recovery target was reached" in log


def recovery_seconds(log: str) -> dict[str, float]:
    """Seconds of ``start`` (first line to the begin of redo) and ``replay`` (to ready), from the server's own log."""
    stamps: dict[str, float] = {}
    for line in log.splitlines():
        if not (found := _STAMP.match(line)):
            continue
        instant = _seconds(found["time"])
        stamps.setdefault("first", instant)
        for word, text in (("redo", "redo starts at"), ("ready", "database system is ready to accept connections")):
            if text in line:
                stamps[word] = instant
    if "ready" not in stamps:
        return {}
    redo = stamps.get("redo", stamps["ready"])
    return {"start": round(redo - stamps["first"], 3), "replay": round(stamps["ready"] - redo, 3)}


_STAMP = re.compile(r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[\d+\]")


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp + "+00:00").timestamp()


def tail(log: Path, size: int = 200_000) -> str:
    """The end of the server's log; empty when there is none yet."""
    try:
        with log.open("rb") as reader:
            reader.seek(max(0, log.stat().st_size - size))
            return reader.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def reasons(log: str, lines: int = 4) -> str:
    """What the server itself says went wrong: what ended it comes first, whatever it said afterwards, then its last errors.

    When it names no error: its last lines. Clients that came too early are no reason. At most 900 characters.
    """
    said = [re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", line.strip()) for line in log.splitlines() if line.strip()]
    errors = [line for line in said if _ERROR.search(line) and not _EARLY.search(line)]
    ends = [at for at, line in enumerate(errors) if _END.search(line)]
    first = errors[ends[-1] : ends[-1] + lines] if ends else []
    return " | ".join(list(dict.fromkeys(first + (errors or said)[-lines:]))[:lines])[:900]


_ERROR = re.compile(r"\b(FATAL|PANIC|ERROR|HINT|DETAIL):")
_END = re.compile(r"\b(FATAL|PANIC):")
_EARLY = re.compile(r"\bFATAL:  the database system is (starting up|shutting down|not yet accepting|in recovery)")
