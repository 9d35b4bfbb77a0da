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

from include.clouds.selfhosted import programs, wal
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.recovery.model import Check, Inspection, Outcome, RecoveryPoint

SLICES = 7
"""A point's files are read again in so many looks: once a week, when there is one look a night."""
_BATCH = 64
"""Segments that pg_waldump reads in one go."""


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
    log, reached = log_check(point, archive, tools)
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


# ---- the log -----------------------------------------------------------------------------------------------------


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
            return check("wal-continuity", Outcome.FAILED, what, threshold, detail), {}
        if fault := next((one for one in (wal.head_fault(store, seg, size, system) for seg in run.segments) if one), ""):
            return damaged(store, fault, threshold), {}
        if fault := end_fault(point, run, size):
            return damaged(store, fault, threshold), {}
        fresh = after(run.segments, store, cursor.get("wal"))
        if fault := record_fault(store, fresh, tools):
            return damaged(store, fault, threshold), {}
    except (OSError, EOFError, programs.ProgramFailed) as broken:
        detail = f"{store.describe()} could not be read: {broken}"
        return check("wal-continuity", Outcome.UNKNOWN, None, threshold, detail), {}
    measured = f"{wal.numbers(run.segments, size)}, timeline {run.timeline}, {len(fresh)} of {len(run.segments)} read whole"
    reached = {"wal": mark_of(store, run.segments[-1])} if run.segments else {}
    return check("wal-continuity", Outcome.PASSED, measured, threshold), reached


def damaged(store: Store, fault: str, threshold: str) -> Check:
    """The log's check when a segment is not whole."""
    detail = f"{store.describe()}: {fault}; nothing after it can be restored: take a new base backup and look at the store"
    return check("wal-continuity", Outcome.FAILED, fault[:120], threshold, detail)


def end_fault(point: RecoveryPoint, run: wal.Run, size: int) -> str:
    """Whether the log, with what the set brings, reaches the end of the base backup; before that it is not consistent."""
    end = point.facts.get("end_lsn")
    if end is None:
        return ""
    needed = (wal.lsn(end) - 1) // size
    reached = max((one.number for one in run.segments), default=-1)
    inside = point.facts.get("wal_inside", ())
    if reached >= needed or wal.name_of(point.facts["timeline"], needed, size) in inside:
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


def record_fault(store: Store, segments: Sequence[wal.Segment], tools: Path) -> str:
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
                    return f"{names[0]} to {names[-1]}: {programs.last_words(done.stderr)}"
    return ""


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
