"""What would make a restore on this host fail or be unsafe, found before anything is created."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from include.clouds.selfhosted import isolation, programs
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.recovery.model import Check, Outcome, RecoveryPoint, Target

_HEADROOM = 1.3
"""A restore needs its set's size, and WAL and temporary files besides."""


def checks(datastore: Datastore, point: RecoveryPoint, target: Target, settings: RestoreHost, root: Path) -> tuple[Check, ...]:
    """Every preflight check. One that could not be made is `unknown`, with the reason, and does not hide the others."""
    makers: dict[str, Callable[[], Check]] = {
        "version": lambda: version(point, settings),
        "recovery-point-readable": lambda: readable(point),
        "sandbox-space": lambda: space(datastore, point, root),
        "sandbox-private": lambda: private(root),
        "server-user": lambda: server_user(settings),
        "isolation": lambda: walls(settings, point, root),
        "point-reaches-target": lambda: reaches(point, target),
    }
    if point.kind == "dump":
        makers["extensions"] = lambda: extensions(point, settings)
    found = []
    for name, make in makers.items():
        try:
            found.append(make())
        except (OSError, LookupError, programs.ProgramFailed) as broken:
            found.append(check(name, Outcome.UNKNOWN, detail=str(broken)))
    return tuple(found)


def check(name: str, outcome: Outcome, measured: str | None = None, threshold: str | None = None, detail: str = "") -> Check:
    """A check of this layer."""
    return Check(name=name, layer="preflight", outcome=outcome, measured=measured, threshold=threshold, detail=detail)


def version(point: RecoveryPoint, settings: RestoreHost) -> Check:
    """The backup's major version decides which binaries restore it."""
    there = ", ".join(sorted(settings.bin_dirs, key=int))
    try:
        folder = programs.bin_dir(settings, point.engine_version or "unknown")
    except LookupError as missing:
        return check("version", Outcome.FAILED, point.engine_version, there, str(missing))
    said = programs.run(folder, "postgres", "-V").stdout.split()
    found = next((word for word in said if word[:1].isdigit()), "?")
    if found.split(".")[0] != point.engine_version:
        detail = f"{folder} holds PostgreSQL {found}, bin_dirs says {point.engine_version}: correct bin_dirs in platform.yaml"
        return check("version", Outcome.FAILED, point.engine_version, found, detail)
    return check("version", Outcome.PASSED, point.engine_version, found)


def readable(point: RecoveryPoint) -> Check:
    """The set and its WAL archive can be read by who runs this."""
    seen = []
    for what, location in (("set", point.location), ("WAL", point.facts.get("wal"))):
        if location is None:
            continue
        store = Store(str(location))
        try:
            if store.local is not None and store.local.is_file():
                store.local.open("rb").close()
                seen.append(f"{what}: 1 file")
                continue
            entries = store.entries()
            first = next((one for one in entries if not one.is_folder), None)
            if first:
                store.open(first.name).close()
            seen.append(f"{what}: {len(entries)} entries")
        except OSError as refused:
            detail = (
                f"{what} at {store.describe()} cannot be read: {refused}; give the user that runs Drillyard the right to read it"
            )
            return check("recovery-point-readable", Outcome.FAILED, detail=detail)
    return check("recovery-point-readable", Outcome.PASSED, ", ".join(seen))


def space(datastore: Datastore, point: RecoveryPoint, root: Path) -> Check:
    """There is room for the copy. Compressed sets are judged by the catalog's size hint when that is larger."""
    hint = int(datastore.size_hint_gb * 10**9) if point.size_bytes is None or point.facts.get("compressed") else 0
    needed = int(max(point.size_bytes or 0, hint) * _HEADROOM)
    free = shutil.disk_usage(nearest(root)).free
    detail = "" if free >= needed else f"make room on the disk of {root}, or set sandbox_root to a larger one"
    outcome = Outcome.PASSED if free >= needed else Outcome.FAILED
    return check("sandbox-space", outcome, f"{free / 10**9:.1f} GB free", f"{needed / 10**9:.1f} GB", detail)


def private(root: Path) -> Check:
    """Nobody but its owner can make or change anything in the sandbox root, and we can."""
    place = nearest(root)
    stat = place.stat()
    if place == root and stat.st_mode & 0o022:
        detail = f"{root} may be written by others (mode {stat.st_mode & 0o777:o}): chmod 0711 it, or name another sandbox_root"
        return check("sandbox-private", Outcome.FAILED, f"{stat.st_mode & 0o777:o}", "not writable by others", detail)
    if not os.access(place, os.W_OK | os.X_OK):
        return check(
            "sandbox-private", Outcome.FAILED, detail=f"{place} cannot be written by this user: name another sandbox_root"
        )
    return check("sandbox-private", Outcome.PASSED, f"{stat.st_mode & 0o777:o}", "not writable by others")


def server_user(settings: RestoreHost) -> Check:
    """The server runs as an ordinary user: PostgreSQL refuses root."""
    user = programs.RunAs(settings.run_as)
    if user.uid == 0:
        detail = "run_as names root, and PostgreSQL refuses to run as root: name another user"
        return check("server-user", Outcome.FAILED, user.name, "not root", detail)
    return check("server-user", Outcome.PASSED, user.name, "not root")


def walls(settings: RestoreHost, point: RecoveryPoint, root: Path) -> Check:
    """Which walls this machine gives, and whether the server's user reaches the binaries behind them."""
    user = programs.RunAs(settings.run_as)
    folder = programs.bin_dir(settings, point.engine_version or "unknown")
    found = isolation.ask(folder, nearest(root), settings.run_as, settings.isolation)
    if not found.files and (closed := unreachable(folder, user) or unreachable(nearest(root), user)):
        detail = (
            f"the user {user.name} cannot enter {closed}: chmod o+x it, set run_as to its owner, "
            "or move the binaries and sandbox_root"
        )
        return check("isolation", Outcome.FAILED, found.words, settings.isolation, detail)
    if settings.isolation == "namespace" and not found.network:
        detail = f"falls back to configuration alone (no TCP, private socket): {found.why}"
        return check("isolation", Outcome.UNSUPPORTED, found.words, settings.isolation, detail)
    return check("isolation", Outcome.PASSED, found.words, settings.isolation)


def unreachable(path: Path, user: programs.RunAs) -> Path | None:
    """The first folder on the way to `path` that the server's user may not enter, or None."""
    if not user.changes:
        return None
    for folder in [*reversed(path.resolve().parents), path.resolve()]:
        stat = folder.stat()
        bit = 0o100 if stat.st_uid == user.uid else 0o010 if stat.st_gid == user.gid else 0o001
        if folder.is_dir() and not stat.st_mode & bit:
            return folder
    return None


def reaches(point: RecoveryPoint, target: Target) -> Check:
    """The point can be rolled to the target: not before its own end, not beyond the log that is there."""
    if target.time is None:
        what = "latest state" if target.latest else f"point {target.point_id}"
        if target.point_id not in (None, point.id):
            detail = f"the drill asks for point {target.point_id}, this one is {point.id}"
            return check("point-reaches-target", Outcome.FAILED, point.id, target.point_id, detail)
        return check("point-reaches-target", Outcome.PASSED, point.id, what)
    earliest = str(point.facts.get("stopped_at") or point.taken_at.isoformat())
    measured = f"{earliest} to {point.restorable_until.isoformat()}"
    wanted = target.time.isoformat()
    if point.kind == "dump":
        detail = "a dump has one state only: ask for the recovery point instead of a time"
        return check("point-reaches-target", Outcome.FAILED, measured, wanted, detail)
    from datetime import datetime

    if target.time < datetime.fromisoformat(earliest):
        detail = f"base backup {point.id} was not complete before {earliest}: choose an older one"
        return check("point-reaches-target", Outcome.FAILED, measured, wanted, detail)
    if target.time > point.restorable_until:
        detail = (
            f"the archive reaches to {point.restorable_until.isoformat()} only: choose an earlier time, or wait for the archive"
        )
        return check("point-reaches-target", Outcome.FAILED, measured, wanted, detail)
    return check("point-reaches-target", Outcome.PASSED, measured, wanted)


def extensions(point: RecoveryPoint, settings: RestoreHost) -> Check:
    """Every extension that the dump creates is installed beside the binaries."""
    folder = programs.bin_dir(settings, point.engine_version or "unknown")
    share = folder.parent / "share"
    with Store(point.location).at_hand() as archive:
        listing = programs.run(folder, "pg_restore", "--list", archive).stdout
    wanted = sorted({line.split()[5] for line in listing.splitlines() if " EXTENSION - " in line and "COMMENT" not in line})
    there = {path.stem for path in share.rglob("extension/*.control")}
    missing = [name for name in wanted if name not in there]
    if missing:
        detail = f"install the extension(s) {', '.join(missing)} beside {folder}"
        return check("extensions", Outcome.FAILED, ", ".join(missing), "none missing", detail)
    return check("extensions", Outcome.PASSED, ", ".join(wanted) or "none needed", "none missing")


def nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above that exists."""
    while not path.exists():
        path = path.parent
    return path
