"""A WAL archive's own sequence: names, timelines, headers, the unbroken run from a backup, and the last commit in it.

Names and page headers are PostgreSQL's (src/include/access/xlog_internal.h): a segment is named by timeline, log and
segment number, and its first page tells its magic, timeline, address, system identifier and size.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime

from include.clouds.selfhosted.files import Entry, Store, unpacked_head
from include.clouds.selfhosted.segments import name_of
from include.values import Frozen

_SEGMENT = re.compile(r"^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.gz)?$")
_HISTORY = re.compile(r"^([0-9A-F]{8})\.history(\.gz)?$")
_LABEL = re.compile(r"^[0-9A-F]{24}\.[0-9A-F]{8}\.backup(\.gz)?$")
_HEAD = struct.Struct("=HHIQI4xQII")
"""xlp_magic, xlp_info, xlp_tli, xlp_pageaddr, xlp_rem_len, xlp_sysid, xlp_seg_size, xlp_xlog_blcksz."""
_SIZES = tuple(1 << power for power in range(20, 31))
"""What a segment's size can be (initdb --wal-segsize)."""


class Segment(Frozen):
    """One segment as the archive has it."""

    timeline: int
    number: int
    """Counted from the begin of WAL."""
    entry: Entry

    @property
    def packed(self) -> bool:
        return self.entry.name.endswith(".gz")


class Archive(Frozen):
    """What an archive folder holds."""

    segments: Mapping[tuple[int, int], Segment]
    """By timeline and number."""
    histories: Mapping[int, tuple[tuple[int, int], ...]]
    """By timeline: its ancestors, as (timeline, LSN of the switch)."""
    labels: tuple[str, ...]
    """Backup history files, which tell when a base backup was complete."""


class Run(Frozen):
    """The segments that a backup needs, in order, as far as they are there without a gap."""

    segments: tuple[Segment, ...]
    missing: tuple[str, ...]
    """Names of those that lie before the newest and are not there."""
    timeline: int
    """The newest timeline that descends from the backup's."""


def lsn(text: str) -> int:
    """An LSN such as ``0/2000028`` as a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def segment_size(store: Store) -> int:
    """Bytes of a segment, as the first readable one says of itself; PostgreSQL's default where there is none."""
    for entry in store.entries():
        if _SEGMENT.match(entry.name) and entry.size:
            try:
                head = unpacked_head(store, entry.name, _HEAD.size)
            except (OSError, EOFError):
                continue
            if len(head) == _HEAD.size and (told := int(_HEAD.unpack(head)[6])) in _SIZES:
                return told
    return 1 << 24


def read(store: Store, size: int) -> Archive:
    """List an archive. `size` is the bytes of a segment. Raises OSError when the archive cannot be read.

    Files with other names (``.partial``, temporary ones) are not segments; a history file that cannot be read is left out.
    """
    per_log = (1 << 32) // size
    segments, histories, labels = {}, {}, []
    for entry in store.entries():
        if found := _SEGMENT.match(entry.name):
            key = (int(found[1], 16), int(found[2], 16) * per_log + int(found[3], 16))
            if key not in segments or not found[4]:
                segments[key] = Segment(timeline=key[0], number=key[1], entry=entry)
        elif found := _HISTORY.match(entry.name):
            histories[int(found[1], 16)] = ancestors(unpacked_head(store, entry.name, 1 << 20).decode(errors="replace"))
        elif _LABEL.match(entry.name):
            labels.append(entry.name)
    return Archive(segments=segments, histories=histories, labels=tuple(labels))


def ancestors(history: str) -> tuple[tuple[int, int], ...]:
    """The lines of a timeline history file: parent timeline and the LSN where it was left."""
    lines = (line.split() for line in history.splitlines() if line.strip() and not line.startswith("#"))
    return tuple((int(words[0]), lsn(words[1])) for words in lines if len(words) > 1 and words[0].isdigit() and "/" in words[1])


def line_of(archive: Archive, timeline: int, start: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The newest timeline that descends from `timeline` after the LSN `start`, and its ancestors. As recovery chooses it."""
    newest, path = timeline, archive.histories.get(timeline, ())
    for number in sorted(archive.histories):
        history = archive.histories[number]
        if number > newest and any(parent == timeline and left >= start for parent, left in history):
            newest, path = number, history
    return newest, path


def run_from(archive: Archive, timeline: int, start: int, size: int, own: frozenset[str] = frozenset()) -> Run:
    """The unbroken run of segments from the LSN `start` on. `own` names segments that the backup itself brings.

    The segment that a switch lies in is needed on the new timeline, which repeats what the old one wrote before it.
    """
    newest, path = line_of(archive, timeline, start)
    switches = [(left // size, parent) for parent, left in path]
    last = max((number for tli, number in archive.segments if tli == newest), default=start // size - 1)
    segments: list[Segment] = []
    missing: list[str] = []
    for number in range(start // size, last + 1):
        tli = next((parent for left, parent in switches if number < left), newest)
        segment = archive.segments.get((tli, number))
        name = name_of(tli, number, size)
        if segment is None and name not in own:
            missing.append(name)
        elif segment is not None and not missing:
            segments.append(segment)
    return Run(segments=tuple(segments), missing=tuple(missing), timeline=newest)


def head_fault(store: Store, segment: Segment, size: int, system: int | None) -> str:
    """What is wrong with a segment by its size and first page; empty when nothing is. `system`: the cluster's identifier."""
    name = segment.entry.name
    told = segment.entry.size
    if told == 0:
        return f"{name} is empty"
    try:
        head = unpacked_head(store, name, _HEAD.size)
        told = unpacked_size(store, segment) if segment.packed else told
    except (OSError, EOFError) as broken:
        return f"{name} cannot be read: {broken}"
    if told != size or len(head) < _HEAD.size:
        return f"{name} has {told} bytes, a segment has {size}"
    return header_fault(name, segment, _HEAD.unpack(head), size, system)


def header_fault(name: str, segment: Segment, head: tuple[int, ...], size: int, system: int | None) -> str:
    """What is wrong with a segment's long page header (flag 2 of xlp_info); empty when nothing is."""
    _, info, timeline, address, _, identifier, told_size, _ = head
    if not info & 0x0002 or told_size != size or address != segment.number * size:
        return f"{name} does not begin with the header of that segment"
    if timeline > segment.timeline:
        return f"{name} holds timeline {timeline}"
    if system is not None and identifier != system:
        return f"{name} was written by another cluster (system identifier {identifier}, the backup has {system})"
    return ""


def unpacked_size(store: Store, segment: Segment) -> int:
    """What a gzip file says it unpacks to (RFC 1952, ISIZE: its last four bytes)."""
    with store.open(segment.entry.name) as reader:
        reader.seek(-4, 2)
        return int(struct.unpack("<I", reader.read(4))[0])


def stop_time(store: Store, archive: Archive, start_lsn: str) -> datetime | None:
    """When the base backup that began at `start_lsn` was complete, by its backup history file; None when there is none."""
    for name in archive.labels:
        text = unpacked_head(store, name, 1 << 16).decode(errors="replace")
        if f"START WAL LOCATION: {start_lsn} " in text and (found := re.search(r"^STOP TIME: (.+)$", text, re.MULTILINE)):
            return utc_time(found[1])
    return None


def utc_time(text: str) -> datetime | None:
    """A server's time such as ``2026-11-23 14:21:31 UTC``. None when its zone is an abbreviation that has no one meaning."""
    stamp, _, zone = text.strip().rpartition(" ")
    if zone in ("UTC", "GMT", "Z"):
        zone = "+00:00"
    if not re.fullmatch(r"[+-]\d\d(:?\d\d)?", zone):
        return None
    return datetime.fromisoformat(stamp + zone)


def numbers(segments: Sequence[Segment], size: int) -> str:
    """The first and last name of some segments, for a report."""
    if not segments:
        return "none"
    first, last = (name_of(one.timeline, one.number, size) for one in (segments[0], segments[-1]))
    return first if first == last else f"{first} to {last}"
