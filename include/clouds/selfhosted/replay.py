"""Handing WAL to a restored server while it recovers: it asks through a pipe, and the runner answers."""

from __future__ import annotations

import contextlib
import os
import re
import select
from pathlib import Path

from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.programs import RunAs
from include.clouds.selfhosted.sandbox import Folder

_WANTED = re.compile(r"^(?P<name>[0-9A-F]{24}|[0-9A-F]{8}\.history|[0-9A-F]{24}\.[0-9A-F]{8}\.backup) (?P<path>\S+)$")
_SEGMENT = re.compile(r"^[0-9A-F]{24}$")


class Feed:
    """The runner's end of the pipe. The server's end is `configuration.restore_command`."""

    def __init__(self, folder: Folder, store: Store, segment_size: int, user: RunAs) -> None:
        self._folder, self._store, self._size, self._user = folder, store, segment_size, user
        self.served: list[str] = []
        """Names of the segments handed over, in order."""
        self.refused: dict[str, str] = {}
        """Why a file that is in the archive was not handed over."""
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
        os.close(self._want)
        os.close(self._got)

    def forget(self) -> None:
        """Pass over what a server that has ended asked, and what it was answered."""
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
        entry = next((one for one in (name, f"{name}.gz") if self._store.has(one)), None)
        if entry is None:
            return False
        target = self._folder.data / relative
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
        if _SEGMENT.match(name) and size != self._size:
            self.refused[name] = f"{self._store.describe(entry)} has {size} bytes, a segment has {self._size}"
            target.unlink()
            return False
        self._user.own(target)
        self.served.append(name)
        return True


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
