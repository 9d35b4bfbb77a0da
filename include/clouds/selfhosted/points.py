"""Reading base backups and dumps: when they were taken, of what, and how far the log carries them."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from include.clouds.selfhosted import programs, wal
from include.clouds.selfhosted.files import Entry, Store, Unpacked, text_of
from include.values import Frozen

_LABEL_LINE = re.compile(r"^(?P<key>[A-Z ]+): (?P<value>.+)$", re.MULTILINE)
_QUARTER = 900


class Unreadable(Exception):
    """A recovery point that cannot be read. The text says which, why, and what to do."""


class BaseBackup(Frozen):
    """One base backup, by its own files: the label, the manifest, the version file."""

    id: str
    location: str
    tarred: bool
    compressed: bool
    taken_at: datetime
    stopped_after: datetime
    """It was not complete before this instant: the newest file time in the manifest."""
    start_lsn: str
    checkpoint_lsn: str
    end_lsn: str | None
    timeline: int
    major: str
    system: int | None
    size_bytes: int
    wal_inside: tuple[str, ...]


def is_tarred(names: list[str]) -> bool:
    """Whether a folder's files are a tar set."""
    return "base.tar" in names or "base.tar.gz" in names


def base_backup(store: Store, name: str) -> BaseBackup | None:
    """Read one folder as a base backup. None when it is not one. Raises Unreadable when it is one and cannot be read."""
    place = store.child(name)
    names = [entry.name for entry in place.entries()]
    tarred = is_tarred(names)
    if not tarred and "backup_label" not in names and "backup_manifest" not in names and "PG_VERSION" not in names:
        return None
    if "backup_manifest.tmp" in names:
        return None  # pg_basebackup gives the manifest its name when everything else is there: this one is not done
    try:
        label, version = tar_texts(place, names) if tarred else plain_texts(place)
        manifest = read_manifest(place) if "backup_manifest" in names else {}
        return assemble(place, tarred, label, version, manifest)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as broken:
        raise Unreadable(f"base backup {place.describe()}: {type(broken).__name__}: {broken}; take another one") from broken


def plain_texts(place: Store) -> tuple[str, str]:
    """backup_label and PG_VERSION of a plain set."""
    return text_of(place, "backup_label"), text_of(place, "PG_VERSION")


def tar_texts(place: Store, names: list[str]) -> tuple[str, str]:
    """backup_label and PG_VERSION of a tar set. pg_basebackup writes them near the begin, so little is unpacked."""
    name = "base.tar.gz" if "base.tar.gz" in names else "base.tar"
    found: dict[str, str] = {}
    with opened_tar(place, name) as archive:
        for member in archive:
            short = member.name.removeprefix("./")
            if short in ("backup_label", "PG_VERSION") and (content := archive.extractfile(member)):
                found[short] = content.read().decode()
            if len(found) == 2:
                break
    return found["backup_label"], found["PG_VERSION"]


def read_manifest(place: Store) -> dict[str, Any]:
    """backup_manifest as JSON. Raises ValueError when it is cut off."""
    manifest: dict[str, Any] = json.loads(place.read("backup_manifest"))
    return manifest


def assemble(place: Store, tarred: bool, label: str, version: str, manifest: dict[str, Any]) -> BaseBackup:
    """A base backup from its files' contents. Raises KeyError or ValueError for what is missing."""
    fields = {found["key"]: found["value"] for found in _LABEL_LINE.finditer(label)}
    files = manifest.get("Files", [])
    changed = [gmt(one["Last-Modified"]) for one in files if one.get("Last-Modified")]
    label_written = next((gmt(one["Last-Modified"]) for one in files if one.get("Path") == "backup_label"), None)
    taken = label_time(fields["START TIME"], label_written)
    ranges = manifest.get("WAL-Ranges", [])
    names = {entry.name: entry for entry in place.entries()}
    start_name = re.search(r"file ([0-9A-F]{24})", fields["START WAL LOCATION"])
    return BaseBackup(
        id=place.location.rsplit("/", 1)[-1],
        location=place.location,
        tarred=tarred,
        compressed="base.tar.gz" in names,
        taken_at=taken,
        stopped_after=max([taken, *changed]),
        start_lsn=fields["START WAL LOCATION"].split(" ")[0],
        checkpoint_lsn=fields["CHECKPOINT LOCATION"],
        end_lsn=ranges[-1]["End-LSN"] if ranges else None,
        timeline=int(fields.get("START TIMELINE") or int(start_name[1][:8] if start_name else "1", 16)),
        major=version.strip().split(".")[0],
        system=manifest.get("System-Identifier"),
        size_bytes=set_size(names, files, tarred),
        wal_inside=wal_inside(place, names, tarred),
    )


def set_size(names: dict[str, Entry], files: list[dict[str, Any]], tarred: bool) -> int:
    """Bytes of the set: of its archives, or of the files its manifest lists (no walk over a store is needed)."""
    if tarred:
        return sum(entry.size for entry in names.values() if ".tar" in entry.name)
    return sum(one["Size"] for one in files)


def wal_inside(place: Store, names: dict[str, Entry], tarred: bool) -> tuple[str, ...]:
    """Names of the WAL segments that the set itself brings, so that it is consistent without an archive."""
    if not tarred:
        inner = place.child("pg_wal").entries() if "pg_wal" in names else []
        return tuple(entry.name for entry in inner if len(entry.name) == 24)
    archive = next((one for one in ("pg_wal.tar", "pg_wal.tar.gz") if one in names), None)
    if archive is None:
        return ()
    with opened_tar(place, archive) as opened:
        return tuple(sorted(Path(member.name).name for member in opened if len(Path(member.name).name) == 24))


@contextmanager
def opened_tar(place: Store, name: str) -> Iterator[tarfile.TarFile]:
    """A tar archive, plain or packed, to be read once from its begin."""
    with place.open(name) as reader:
        unpacked: Any = Unpacked(fileobj=reader) if name.endswith(".gz") else reader
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            yield archive


def gmt(text: str) -> datetime:
    """A manifest's time, ``2026-11-23 14:21:31 GMT``: always GMT."""
    return datetime.fromisoformat(text.removesuffix(" GMT") + "+00:00")


def label_time(text: str, written: datetime | None) -> datetime:
    """The label's START TIME as an instant.

    The server writes it in its log's zone by abbreviation, and many abbreviations have more than one meaning: then the
    manifest tells the zone, for it holds in GMT when the same label was written. Raises ValueError when nothing does.
    """
    if (known := wal.utc_time(text)) is not None:
        return known.astimezone(UTC)
    local = datetime.fromisoformat(text.rpartition(" ")[0]).replace(tzinfo=UTC)
    if written is None:
        raise ValueError(
            f"START TIME {text!r} has a zone of more than one meaning, and no manifest tells which: set log_timezone to UTC"
        )
    offset = round((local - written).total_seconds() / _QUARTER) * _QUARTER
    return local - timedelta(seconds=offset)


class Dump(Frozen):
    """One dump, by its own header."""

    id: str
    location: str
    taken_at: datetime
    major: str
    database: str
    size_bytes: int
    folder: bool


_HEADER = re.compile(
    r"^;\s+(?P<key>Archive created at|dbname|Dumped from database version|Format):? (?P<value>.+)$", re.MULTILINE
)


def dump(store: Store, entry: Entry, tools: Path, zone: str) -> Dump:
    """Read one dump. `zone` is the zone of the host that dumped: the header holds its local time without one.

    Raises Unreadable for a file that is no dump, a dump that is cut off in its table of contents, or a wrong zone.
    """
    place = store.child(entry.name)
    try:
        with place.at_hand() as archive:
            listing = programs.run(tools, "pg_restore", "--list", archive).stdout
        fields = {found["key"]: found["value"].strip() for found in _HEADER.finditer(listing)}
        # The program runs in UTC, so it prints the header's digits as they are.
        local = datetime.fromisoformat(fields["Archive created at"].rpartition(" ")[0])
        taken = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        major = fields["Dumped from database version"].split(".")[0]
    except (programs.ProgramFailed, OSError, KeyError, ValueError) as broken:
        raise Unreadable(f"dump {place.describe()}: {broken}; make another one") from broken
    if taken > entry.modified + timedelta(minutes=5) and not entry.is_folder:
        raise Unreadable(
            f"dump {place.describe()} says it was made at {taken:%H:%M} UTC, after its file was written "
            f"({entry.modified:%H:%M} UTC): its host's zone is not {zone}; set backups.timezone of the datastore"
        )
    return Dump(
        id=entry.name,
        location=place.location,
        taken_at=taken,
        major=major,
        database=fields.get("dbname", ""),
        size_bytes=place.size() if entry.is_folder else entry.size,
        folder=entry.is_folder,
    )
