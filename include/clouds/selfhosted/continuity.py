"""The continuity of a log: the archive's own sequence, every segment's header, and every new record by pg_waldump."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.clouds.selfhosted import programs, wal
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.segments import name_of
from include.recovery.model import Check, Outcome, RecoveryPoint

_BATCH = 64
"""Segments that pg_waldump reads in one go."""


def check(outcome: Outcome, measured: str | None = None, threshold: str | None = None, detail: str = "") -> Check:
    """The check ``wal-continuity``."""
    return Check(name="wal-continuity", layer="backup", outcome=outcome, measured=measured, threshold=threshold, detail=detail)


def log_check(point: RecoveryPoint, cursor: Mapping[str, Any], tools: Path) -> tuple[Check, dict[str, Any]]:
    """The archive's sequence from the point's start, and how far its records were read for the next look."""
    facts = point.facts
    size, system = int(facts["segment_size"]), facts.get("system")
    store = Store(str(facts["wal"]))
    threshold = "no gap, every segment whole"
    try:
        archive = wal.read(store, size)
        run = wal.run_from(archive, facts["timeline"], wal.lsn(facts["start_lsn"]), size, frozenset(facts.get("wal_inside", ())))
        if run.missing:
            what = f"{len(run.missing)} missing: {', '.join(run.missing[:3])}"
            detail = (
                f"{store.describe()}: {what}; nothing after the gap can be restored from this base backup: "
                "take a new base backup, and find out why the archive lost it"
            )
            return check(Outcome.FAILED, what, threshold, detail), {}
        if fault := next((one for one in (wal.head_fault(store, seg, size, system) for seg in run.segments) if one), ""):
            return damaged(store, fault, threshold), {}
        if fault := end_fault(point, run, size):
            return damaged(store, fault, threshold), {}
        fresh = after(run.segments, store, cursor.get("wal"))
        if fault := record_fault(store, fresh, tools, size):
            return damaged(store, fault, threshold), {}
    except (OSError, EOFError, programs.ProgramFailed) as broken:
        detail = f"{store.describe()} could not be read: {broken}"
        return check(Outcome.UNKNOWN, None, threshold, detail), {}
    measured = f"{wal.numbers(run.segments, size)}, timeline {run.timeline}, {len(fresh)} of {len(run.segments)} read whole"
    reached = {"wal": mark_of(store, run.segments[-1])} if run.segments else {}
    return check(Outcome.PASSED, measured, threshold), reached


def damaged(store: Store, fault: str, threshold: str) -> Check:
    """The log's check when a segment is not whole."""
    detail = f"{store.describe()}: {fault}; nothing after it can be restored: take a new base backup and look at the store"
    return check(Outcome.FAILED, fault[:120], threshold, detail)


def end_fault(point: RecoveryPoint, run: wal.Run, size: int) -> str:
    """Whether the log, with what the set brings, reaches the end of the base backup; before that it is not consistent."""
    end = point.facts.get("end_lsn")
    if end is None:
        return ""
    needed = (wal.lsn(end) - 1) // size
    reached = max((one.number for one in run.segments), default=-1)
    inside = point.facts.get("wal_inside", ())
    if reached >= needed or name_of(point.facts["timeline"], needed, size) in inside:
        return ""
    return f"the log ends before the base backup does ({end})"


def mark_of(store: Store, segment: wal.Segment) -> dict[str, Any]:
    """What is remembered of the last segment that was read: its name and the digest of its file."""
    return {"name": segment.entry.name, "sha256": sha256(store.read(segment.entry.name)).hexdigest()}


def after(segments: Sequence[wal.Segment], store: Store, mark: Mapping[str, Any] | None) -> tuple[wal.Segment, ...]:
    """The segments that were not read before: those after the remembered one, when that one is still what it was."""
    for position, segment in enumerate(segments):
        if mark and segment.entry.name == mark["name"]:
            return tuple(segments[position + 1 :]) if mark_of(store, segment) == dict(mark) else tuple(segments)
    return tuple(segments)


def record_fault(store: Store, segments: Sequence[wal.Segment], tools: Path, size: int) -> str:
    """What pg_waldump finds wrong in the records of some segments; empty when every record's checksum holds.

    It reads from the first record that begins in the first segment. The record that goes on after the last one cannot be
    read to its end, which is no fault.
    """
    for begin in range(0, len(segments), _BATCH):
        batch = segments[begin : begin + _BATCH + 1]
        for piece in by_timeline(batch):
            with TemporaryDirectory(prefix="dy-wal-") as scratch:
                for segment in piece:
                    bring(store, segment, Path(scratch))
                names = [segment.entry.name.removesuffix(".gz") for segment in piece]
                done = programs.run(tools, "pg_waldump", "-q", "-p", scratch, names[0], names[-1], check=False, timeout=None)
                if done.returncode and not is_end(done.stderr, piece[-1]):
                    return f"{place_of(done.stderr, piece, size)}: {programs.last_words(done.stderr)}"
    return ""


def place_of(said: str, piece: Sequence[wal.Segment], size: int) -> str:
    """The segment that pg_waldump stopped in, by the LSN it names; else the segments it was given."""
    if found := re.search(r"\bat ([0-9A-F]+/[0-9A-F]+)", said):
        return name_of(piece[0].timeline, wal.lsn(found[1]) // size, size)
    return wal.numbers(piece, size)


def by_timeline(segments: Sequence[wal.Segment]) -> list[list[wal.Segment]]:
    """Neighbours of one timeline together: pg_waldump reads one timeline at a time."""
    pieces: list[list[wal.Segment]] = []
    for segment in segments:
        if pieces and pieces[-1][-1].timeline == segment.timeline:
            pieces[-1].append(segment)
        else:
            pieces.append([segment])
    return pieces


def bring(store: Store, segment: wal.Segment, scratch: Path) -> None:
    """Put a segment into a folder as pg_waldump wants it: by a link where it lies ready."""
    name = segment.entry.name
    if store.local is not None and not segment.packed:
        (scratch / name).symlink_to(store.local.resolve() / name)
    else:
        store.unpack(name, scratch / name.removesuffix(".gz"))


def is_end(said: str, last: wal.Segment) -> bool:
    """Whether pg_waldump stopped only because the log goes on in a segment that it was not given, or because what lies
    after a timeline's last record was never written."""
    wanted = [word.strip('":,') for word in said.split() if len(word.strip('":,')) == 24]
    if "could not" in said and "file" in said and wanted:
        return all(int(word[8:], 16) > int(last.entry.name[8:24], 16) for word in wanted)
    return False
