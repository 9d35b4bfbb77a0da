"""A deep look at one recovery point: its manifest by pg_verifybackup, its log by the archive's own sequence and pg_waldump.

Incremental: a point that was never read is read whole; after that one slice of its files and the new segments are read
each time, and every file's size. The cursor holds no more than a few names, so it fits in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.clouds.selfhosted import continuity, programs
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.recovery.model import Check, Inspection, Outcome, RecoveryPoint

SLICES = 7
"""A point's files are read again in so many looks: once a week, when there is one look a night."""


def inspect(
    datastore: Datastore, point: RecoveryPoint, cursor: dict[str, Any], settings: RestoreHost, *, full: bool
) -> Inspection:
    """The checks ``manifest`` and ``wal-continuity`` of a point, and the cursor for the next look."""
    del datastore
    try:
        tools = programs.bin_dir(settings, point.engine_version)
    except LookupError as missing:
        return Inspection(checks=(check("manifest", Outcome.UNKNOWN, detail=str(missing)),), cursor=cursor)
    known = {} if full or cursor.get("point") != point.id else cursor
    if point.kind == "dump":
        return inspect_dump(point, known, tools)
    manifest = guarded("manifest", lambda: manifest_check(point, known, tools))
    archive = {} if full else cursor
    log, reached = continuity.log_check(point, archive, tools)
    passed = manifest.outcome is Outcome.PASSED
    slice_number = (known.get("slice", -1) + 1) % SLICES
    return Inspection(
        checks=(manifest, log),
        cursor={"point": point.id if passed else None, "slice": slice_number, **reached},
    )


def guarded(name: str, make: Any) -> Check:
    """A check, or `unknown` with the reason when it could not be made."""
    try:
        made: Check = make()
    except (OSError, EOFError, programs.ProgramFailed) as broken:
        return check(name, Outcome.UNKNOWN, detail=f"could not be read: {broken}")
    return made


def check(name: str, outcome: Outcome, measured: str | None = None, threshold: str | None = None, detail: str = "") -> Check:
    """A check of this layer."""
    return Check(name=name, layer="backup", outcome=outcome, measured=measured, threshold=threshold, detail=detail)


# ---- the manifest ------------------------------------------------------------------------------------------------


def manifest_check(point: RecoveryPoint, known: Mapping[str, Any], tools: Path) -> Check:
    """The set's files against its manifest. Raises OSError or ProgramFailed when the set cannot be read at all."""
    store = Store(point.location)
    if not store.has("backup_manifest"):
        detail = f"{point.location} has no backup_manifest: take base backups with pg_basebackup's manifest, or restore to know"
        return check("manifest", Outcome.UNKNOWN, "none", "all files as in the manifest", detail)
    text = store.read("backup_manifest")
    try:
        files = json.loads(text)["Files"]
    except (ValueError, KeyError):
        return failed_manifest(point, "backup_manifest is cut off or no JSON")
    with store.at_hand() as place:
        if point.facts.get("tarred"):
            return tar_check(point, place, files, known, tools)
        if fault := size_faults(place, files):
            return failed_manifest(point, fault)
        if not known:
            done = programs.run(tools, "pg_verifybackup", "-n", "-q", place, check=False, timeout=None)
            read = len(files)
        else:
            chosen = in_slice(files, (known["slice"] + 1) % SLICES)
            done = verify_slice(place, json.loads(text), chosen, tools)
            read = len(chosen)
    if done.returncode:
        return failed_manifest(point, programs.last_words(done.stderr))
    return check("manifest", Outcome.PASSED, f"{read} of {len(files)} files read, all sizes", "all files as in the manifest")


def failed_manifest(point: RecoveryPoint, what: str) -> Check:
    """The manifest's check when something differs."""
    detail = f"{point.location}: {what}; do not rely on this base backup: take another one and look at its store"
    return check("manifest", Outcome.FAILED, what[:120], "all files as in the manifest", detail)


def size_faults(place: Path, files: Sequence[Mapping[str, Any]]) -> str:
    """The first files that are missing or have another size than the manifest says; empty when none."""
    found = []
    for one in files:
        if "Path" not in one:
            continue
        path = place / one["Path"]
        try:
            size = path.stat().st_size
        except OSError:
            found.append(f"{one['Path']} is missing")
            continue
        if size != one["Size"]:
            found.append(f"{one['Path']} has {size} bytes, {one['Size']} are written down")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def in_slice(files: Sequence[Mapping[str, Any]], number: int) -> list[Mapping[str, Any]]:
    """The files of one slice, by a digest of their path, so that a file keeps its turn as others come and go."""
    return [one for one in files if sha256(str(one.get("Path", one)).encode()).digest()[0] % SLICES == number]


def verify_slice(place: Path, manifest: dict[str, Any], chosen: Sequence[Mapping[str, Any]], tools: Path) -> Any:
    """Let pg_verifybackup read some files only: a folder of links to them, with a manifest that lists just these."""
    # By PG_VERSION the program tells a plain set from a tar set; by pg_control it knows the cluster.
    always = [one for one in manifest["Files"] if one.get("Path") in ("PG_VERSION", "global/pg_control") and one not in chosen]
    listed = [one for one in (*always, *chosen) if "Path" in one]
    with TemporaryDirectory(prefix="dy-slice-") as scratch:
        for one in listed:
            link = Path(scratch, one["Path"])
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place.resolve() / one["Path"])
        Path(scratch, "backup_manifest").write_text(manifest_text({**manifest, "Files": listed}))
        return programs.run(tools, "pg_verifybackup", "-n", "-q", scratch, check=False, timeout=None)


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """A manifest in PostgreSQL's form: the checksum covers everything before its own line."""
    parts = {name: value for name, value in manifest.items() if name != "Manifest-Checksum"}
    body = json.dumps(parts)[:-1] + ",\n"
    return f'{body}"Manifest-Checksum": "{sha256(body.encode()).hexdigest()}"}}\n'


def tar_check(
    point: RecoveryPoint, place: Path, files: Sequence[Mapping[str, Any]], known: Mapping[str, Any], tools: Path
) -> Check:
    """A tar set is read as a whole, in its turn once in `SLICES` looks; in between its archives' sizes are compared."""
    if known and (known["slice"] + 1) % SLICES:
        size = sum(path.stat().st_size for path in place.iterdir() if ".tar" in path.name)
        if size != point.size_bytes:
            return failed_manifest(point, f"its archives have {size} bytes, {point.size_bytes} were there when it was read")
        return check("manifest", Outcome.PASSED, "sizes of the archives", "all files as in the manifest")
    done = programs.run(tools, "pg_verifybackup", "-n", "-q", "--format=tar", place, check=False, timeout=None)
    if done.returncode and "unrecognized option" in done.stderr:
        detail = "pg_verifybackup reads tar sets from PostgreSQL 18 on: take plain base backups, or rely on restore drills"
        return check("manifest", Outcome.UNSUPPORTED, detail=detail)
    if done.returncode:
        return failed_manifest(point, programs.last_words(done.stderr))
    return check("manifest", Outcome.PASSED, f"{len(files)} of {len(files)} files read", "all files as in the manifest")


# ---- dumps -------------------------------------------------------------------------------------------------------


def inspect_dump(point: RecoveryPoint, known: Mapping[str, Any], tools: Path) -> Inspection:
    """A dump is read from begin to end by pg_restore, without a server; unchanged ones in their turn only."""
    log = check("wal-continuity", Outcome.UNSUPPORTED, detail="a dump has no log: it restores to its own instant only")
    slice_number = (known.get("slice", -1) + 1) % SLICES
    manifest = guarded("manifest", lambda: dump_check(point, tools, read=not known or slice_number == 0))
    passed = manifest.outcome is Outcome.PASSED
    return Inspection(checks=(manifest, log), cursor={"point": point.id if passed else None, "slice": slice_number})


def dump_check(point: RecoveryPoint, tools: Path, *, read: bool) -> Check:
    """Whether pg_restore can read the whole dump, or its table of contents when it is not the dump's turn."""
    threshold = "readable to its end"
    with Store(point.location).at_hand() as archive:
        how = ("--file=/dev/null",) if read else ("--list",)
        done = programs.run(tools, "pg_restore", *how, archive, check=False, timeout=None)
    if done.returncode:
        detail = f"{point.location}: {programs.last_words(done.stderr)}; make another dump and look at its store"
        return check("manifest", Outcome.FAILED, programs.last_words(done.stderr, 1)[:120], threshold, detail)
    return check("manifest", Outcome.PASSED, "read to its end" if read else "table of contents", threshold)
