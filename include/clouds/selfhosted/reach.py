"""How far the log that is really there carries a base backup: the last commit in its unbroken run of segments."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from include.clouds.selfhosted import programs, wal
from include.clouds.selfhosted.files import Store
from include.values import Frozen

_ENDED = re.compile(r"desc: (?:COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED)\b.*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
_LOOK_BACK = 8
"""Segments searched for a commit, from the newest backwards. Busy servers commit in every one."""


class Reach(Frozen):
    """The latest instant that a run of segments restores to, and how that is known."""

    until: datetime
    basis: str
    """``last commit in SEGMENT``, or ``SEGMENT archived at`` when the newest segments hold no commit."""
    segment: str


class Reader:
    """Looks into the newest segments of one archive. What it found is kept, for every base backup shares the same end."""

    def __init__(self, store: Store, tools: Path, size: int) -> None:
        self._store, self._tools, self._size = store, tools, size
        self._known: dict[str, datetime | None] = {}

    def of(self, run: wal.Run) -> Reach | None:
        """The reach of a run; None when it has no readable segment. Raises ProgramFailed when pg_waldump cannot be run."""
        readable = [one for one in run.segments[-_LOOK_BACK:] if not wal.head_fault(self._store, one, self._size, None)]
        for segment in reversed(readable):
            if (found := self.last_commit(segment)) is not None:
                return Reach(until=found, basis=f"last commit in {segment.entry.name}", segment=segment.entry.name)
        if not readable:
            return None
        newest = readable[-1].entry
        return Reach(
            until=newest.modified, basis=f"{newest.name} archived at (no commit in the newest segments)", segment=newest.name
        )

    def last_commit(self, segment: wal.Segment) -> datetime | None:
        """The time of the last transaction that ended in a segment. pg_waldump stops with an error at the segment's end
        when a record goes on in the next one; what it printed before holds."""
        name = segment.entry.name
        if name not in self._known:
            if self._store.local is not None and not segment.packed:
                said = programs.run(self._tools, "pg_waldump", "--rmgr=Transaction", self._store.local / name, check=False).stdout
            else:
                with TemporaryDirectory(prefix="dy-wal-") as scratch:
                    plain = Path(scratch, name.removesuffix(".gz"))
                    self._store.unpack(name, plain)
                    said = programs.run(self._tools, "pg_waldump", "--rmgr=Transaction", plain, check=False).stdout
            found = _ENDED.findall(said)
            self._known[name] = datetime.fromisoformat(max(found) + "+00:00") if found else None
        return self._known[name]
