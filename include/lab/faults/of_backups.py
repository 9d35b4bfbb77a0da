"""Faults of what was stored: old, uncopied, cut off, with a hole in the log."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.lab import backups, postgres
from include.lab.fleet import Database, Server
from include.lab.state import LabState
from include.recovery.digests import SUFFIX

STALE_BY = timedelta(days=9)
WHOLE_DRILL = ("restore-ready", "database-amcheck", "database-checksums", "database-constraints", "database-sequences")
"""Checks that anything may happen to when the restored files themselves are damaged."""


def asked(database: Database) -> list[str]:
    """The slugs of a database's business questions."""
    return [f"question:{question.name}" for question in backups.questions(database)]


def folders(lab: LabState, server: Server, database: Database) -> tuple[Path, Path]:
    """Where the backups lie and where their copies lie."""
    if server.physical:
        return backups.base_folder(lab, server), backups.base_folder(lab, server, copy=True)
    return backups.dump_folder(lab, server, database), backups.dump_folder(lab, server, database, copy=True)


def stored(folder: Path) -> list[Path]:
    """The backups in a folder, oldest first."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not p.name.endswith(SUFFIX))


# ---- stale-backup --------------------------------------------------------------------------------------------------


def age_backup(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Keep one base backup and make everything that tells its age nine days older, consistently: label, manifest,
    backup history file, names and file times. It still passes pg_verifybackup, and still restores.
    """
    here, there = folders(lab, server, database)
    for old in stored(here)[:-1]:
        backups.discard(old)
    for copy in stored(there):
        backups.discard(copy)
    newest = backups.newest(here)
    label = (newest / "backup_label").read_text()
    began = _label_time(label)
    then = began - STALE_BY
    rewrite_label(newest, _aged(label))
    for folder in (False, True):
        _age_history(backups.wal_folder(lab, server, copy=folder), label)
    target = here / backups.stamp(then)
    newest.with_name(f"{newest.name}{SUFFIX}").unlink()
    newest.rename(target)
    backups.write_digests(
        lab, server, server.databases, then - backups.AS_OF_BEFORE_START, target.with_name(f"{target.name}{SUFFIX}")
    )
    for path in (target, *target.rglob("*")):
        os.utime(path, times=(then.timestamp(), then.timestamp()), follow_symlinks=False)
    backups.copy_backup(target, there, lab.user)
    return {
        "must": ["recovery-point-age"],
        "may": ["copy-age", "store-retention"],
        "evidence": f"{target} and its copy, taken {then.isoformat()}, are the only base backups",
    }


def _label_time(label: str) -> datetime:
    found = re.search(r"^START TIME: (.{19}) UTC$", label, re.MULTILINE)
    if found is None:
        raise ValueError("backup_label has no START TIME in UTC: the lab's servers must log in UTC")
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)


def _aged(text: str) -> str:
    """The text of a label or a history file with its times and its label nine days older, of the same length."""

    def older(match: re.Match[str]) -> str:
        return f"{match[1]}{datetime.fromisoformat(match[2]) - STALE_BY:%Y-%m-%d %H:%M:%S}"

    def older_stamp(match: re.Match[str]) -> str:
        taken = datetime.strptime(match[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return f"{match[1]}{backups.stamp(taken - STALE_BY)}"

    text = re.sub(r"((?:START|STOP) TIME: )(.{19})", older, text)
    return re.sub(r"(LABEL: drillyard )(\d{8}T\d{6}Z)", older_stamp, text)


def rewrite_label(backup: Path, label: str) -> None:
    """Put another text into ``backup_label`` and make the manifest agree: its checksum, all its times, its own checksum."""
    (backup / "backup_label").write_text(label)
    manifest = backup / "backup_manifest"
    body = manifest.read_text()
    body = body[: body.index('"Manifest-Checksum"')]
    fresh = hashlib.sha256(label.encode()).hexdigest()
    body = re.sub(r'("Path": "backup_label".*?"Checksum": ")[0-9a-f]{64}', lambda m: m[1] + fresh, body)
    body = re.sub(
        r'("Last-Modified": ")(.{19})', lambda m: f"{m[1]}{datetime.fromisoformat(m[2]) - STALE_BY:%Y-%m-%d %H:%M:%S}", body
    )
    manifest.write_text(f'{body}"Manifest-Checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')


def _age_history(wal: Path, label: str) -> None:
    """The archive's backup history file of that backup tells the same times."""
    start = label.splitlines()[0]
    for path in wal.glob("*.backup.gz"):
        text = gzip.decompress(path.read_bytes()).decode()
        if text.splitlines()[0] == start:
            path.write_bytes(gzip.compress(_aged(text).encode(), mtime=0))


# ---- no-copy -------------------------------------------------------------------------------------------------------


def drop_copies(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Remove every copy, and stop making new ones."""
    _, there = folders(lab, server, database)
    owner = server.name if server.physical else database.service
    (lab.home / f"copies-stopped.{owner}").touch()
    for copy in stored(there):
        backups.discard(copy)
    return {
        "must": ["copy-exists"],
        "may": ["copy-age"],
        "evidence": f"{there} is empty and its copy job is stopped",
        "undo": {"owner": owner},
    }


def restore_copies(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """Start the copy job again and copy what is there."""
    (lab.home / f"copies-stopped.{undo['owner']}").unlink(missing_ok=True)
    here, there = folders(lab, server, database)
    for backup in stored(here):
        backups.copy_backup(backup, there, lab.user)


# ---- truncated-base-backup -----------------------------------------------------------------------------------------


_LARGEST = """
SELECT pg_relation_filepath(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY pg_relation_size(oid) DESC LIMIT 1
"""


def truncate_backup(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Cut the file of the service's largest table in the newest base backup in half. The copy stays whole."""
    victim = backups.newest(backups.base_folder(lab, server)) / str(
        postgres.scalar(lab.cluster(server.name), database.name, _LARGEST)
    )
    size = victim.stat().st_size
    os.truncate(victim, size // 2)
    return {
        "must": ["manifest"],
        "may": [*WHOLE_DRILL, "expectations", *asked(database), "rpo", "rto", "size-history"],
        "evidence": f"{victim} has {size // 2} of {size} bytes",
        "undo": {"file": str(victim.relative_to(backups.base_folder(lab, server)))},
    }


def complete_backup(lab: LabState, server: Server, _database: Database, undo: dict[str, Any]) -> None:
    """Bring the whole file back from the copy."""
    here, there = (backups.base_folder(lab, server, copy=copy) / undo["file"] for copy in (False, True))
    shutil.copyfile(there, here)


# ---- missing-wal-segment -------------------------------------------------------------------------------------------


def segments(wal: Path) -> list[str]:
    """Names of the archived segments, in order."""
    return sorted(path.name[:24] for path in wal.glob("*.gz") if re.fullmatch(r"[0-9A-F]{24}\.gz", path.name))


def lose_segment(lab: LabState, server: Server, _database: Database) -> dict[str, Any]:
    """Remove one segment after the newest base backup from the archive and from its copy, when later ones are there."""
    newest = backups.newest(backups.base_folder(lab, server))
    inside = max(path.name for path in (newest / "pg_wal").iterdir() if len(path.name) == 24)
    lost = _second_after(lab, server, inside)
    for copy in (False, True):
        (backups.wal_folder(lab, server, copy=copy) / f"{lost}.gz").unlink()
    return {
        "must": ["wal-continuity"],
        "may": ["restorable-time-age", "rpo", "restore-ready"],
        "evidence": f"{lost} is in neither archive of {server.name}, and later ones are",
    }


def _second_after(lab: LabState, server: Server, inside: str) -> str:
    """The second segment after `inside`, once a third one is archived too. Switches segments to get there.

    Raises TimeoutError after a minute.
    """
    wal = backups.wal_folder(lab, server)
    deadline = time.monotonic() + 60
    while len(later := [name for name in segments(wal) if name > inside]) < 3:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server.name} archived {len(later)} segments after {inside} in 60 s; see its server.log")
        write = "SELECT pg_logical_emit_message(false, 'lab', 'x')"
        postgres.execute(lab.cluster(server.name), "postgres", write, "SELECT pg_switch_wal()")
        time.sleep(0.5)
    return later[1]


# ---- the way back --------------------------------------------------------------------------------------------------


def renew(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """A new backup. The ones before it stay: what vanishes before its time is a finding of its own."""
    del undo
    if server.physical:
        backups.back_up_server(lab, server)
    else:
        backups.back_up_database(lab, server, database)
