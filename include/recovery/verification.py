"""What a night's look at a datastore's recovery points is worth: every measurement against its threshold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median

from include.catalog.model import Datastore, Tier
from include.recovery.model import Check, Copy, Inspection, Outcome, RecoveryPoint, Survey, Verdict
from include.values import format_duration

GRACE = 1.25
"""A backup job that starts a little later than yesterday is not late: its age may pass `backup_every` by a quarter."""
SKEW = timedelta(minutes=5)
"""Clocks of two machines may differ so much before a time in the future is a finding."""
SHRUNK, GROWN = 0.5, 3.0
"""Of the median of earlier sizes: below half, data may be missing; above three times, look before it fills the store."""
INSPECTED = ("manifest", "wal-continuity")
_GREEN = (Outcome.PASSED, Outcome.UNSUPPORTED)
_PROOF = ("backup", "database", "expectations", "business", "target")
"""Layers that prove something about recovery. That preflight went well proves nothing."""


def verify(
    datastore: Datastore,
    tier: Tier,
    survey: Survey,
    inspection: Inspection | None,
    history: Sequence[RecoveryPoint],
    now: datetime,
    *,
    datastore_id: str,
) -> tuple[Check, ...]:
    """One check a line, each with what was measured and the threshold.

    `inspection` is of the newest point; None: nobody looked. `history` holds the points seen on earlier nights, in any
    order, repetitions allowed. What could not be read makes every line `unknown`, with the reason.
    """
    if datastore_id not in survey.points:
        why = survey.unreadable.get(datastore_id, "the survey says nothing of it: look at the account and region it was made for")
        return tuple(_line(name, Outcome.UNKNOWN, detail=f"the backups cannot be read: {why}") for name in NAMES)
    points = sorted(survey.points[datastore_id], key=lambda one: one.taken_at, reverse=True)
    settings = survey.settings.get(datastore_id, {})
    lines = [exists(points), readable(settings.get("unreadable_points", ()))]
    if points:
        newest = points[0]
        lines += [
            point_age(newest, tier, now),
            restorable_age(newest, tier, now),
            *inspected(inspection),
            size(newest, history),
            copy_exists(newest),
            copy_age(newest, tier, now),
            encryption(datastore, newest),
            version(newest, history),
        ]
    lines.append(retention(points, history, tier, settings.get("retention"), now))
    there = {line.name for line in lines}
    lines += [_line(name, Outcome.UNKNOWN, detail="there is no recovery point to look at") for name in NAMES if name not in there]
    return tuple(sorted(lines, key=lambda line: NAMES.index(line.name) if line.name in NAMES else len(NAMES)))


NAMES = (
    "backup-exists",
    "points-readable",
    "recovery-point-age",
    "restorable-time-age",
    *INSPECTED,
    "size-history",
    "copy-exists",
    "copy-age",
    "store-encryption",
    "store-retention",
    "version",
)
"""Every check of a verification, in the order of a report."""


def exists(points: Sequence[RecoveryPoint]) -> Check:
    """There is something to restore from."""
    if points:
        return _line("backup-exists", Outcome.PASSED, str(len(points)), "at least 1")
    detail = "there is no recovery point at all: run the backup job now, and look why it left none"
    return _line("backup-exists", Outcome.FAILED, "0", "at least 1", detail)


def readable(faults: Sequence[str]) -> Check:
    """Everything in the store that looks like a recovery point can be read as one."""
    if not faults:
        return _line("points-readable", Outcome.PASSED, "0 unreadable", "0 unreadable")
    return _line("points-readable", Outcome.FAILED, f"{len(faults)} unreadable", "0 unreadable", "; ".join(faults)[:600])


def point_age(point: RecoveryPoint, tier: Tier, now: datetime) -> Check:
    """The newest full point is as young as the backup job promises, however far the log carries an older one."""
    age, limit = now - point.taken_at, tier.backup_every * GRACE
    measured, threshold = _spell(age), f"at most {format_duration(limit)}"
    if age < -SKEW:
        detail = f"{point.id} was taken at {point.taken_at.isoformat()}, in the future: set the clocks right"
        return _line("recovery-point-age", Outcome.FAILED, measured, threshold, detail)
    if age > limit:
        detail = f"the newest, {point.id}, is of {point.taken_at.isoformat()}: the backup job did not run or did not end"
        return _line("recovery-point-age", Outcome.FAILED, measured, threshold, detail)
    return _line("recovery-point-age", Outcome.PASSED, measured, threshold)


def restorable_age(point: RecoveryPoint, tier: Tier, now: datetime) -> Check:
    """What would be lost if everything were lost now, by the log that is really there, against the RPO."""
    age = now - point.restorable_until
    if not point.log_end_known:
        return _line(
            "restorable-time-age", Outcome.UNSUPPORTED, detail="the cloud does not tell how far the log reaches: a drill does"
        )
    measured, threshold = _spell(age), f"at most {format_duration(tier.rpo)} (RPO)"
    if age > tier.rpo:
        basis = point.facts.get("restorable_until_basis", point.kind)
        detail = f"{point.id} can be rolled to {point.restorable_until.isoformat()} only ({basis}): look at the archiver"
        return _line("restorable-time-age", Outcome.FAILED, measured, threshold, detail)
    return _line("restorable-time-age", Outcome.PASSED, measured, threshold)


def inspected(inspection: Inspection | None) -> list[Check]:
    """The deep look's own checks, and an `unknown` line for each that is missing."""
    found = list(inspection.checks) if inspection else []
    there = {one.name for one in found}
    why = "the look at the newest point did not give it" if inspection else "the newest point was not looked into"
    return found + [_line(name, Outcome.UNKNOWN, detail=why) for name in INSPECTED if name not in there]


def size(point: RecoveryPoint, history: Sequence[RecoveryPoint]) -> Check:
    """The newest point's size against the median of the earlier ones of its kind."""
    earlier = {one.id: one.size_bytes for one in history if one.kind == point.kind and one.id != point.id and one.size_bytes}
    if point.size_bytes is None:
        return _line("size-history", Outcome.UNSUPPORTED, detail="the store does not tell the size of a recovery point")
    measured = _gigabytes(point.size_bytes)
    if not earlier:
        return _line("size-history", Outcome.PASSED, f"{measured}, first measurement", "none yet")
    usual = float(median(earlier.values()))
    threshold = f"{_gigabytes(usual * SHRUNK)} to {_gigabytes(usual * GROWN)}"
    if usual * SHRUNK <= point.size_bytes <= usual * GROWN:
        return _line("size-history", Outcome.PASSED, measured, threshold)
    what = "shrank: data may be missing from it" if point.size_bytes < usual else "grew: look what filled it"
    detail = f"{point.id} has {measured}, {_gigabytes(usual)} is usual (median of {len(earlier)}): it {what}"
    return _line("size-history", Outcome.FAILED, measured, threshold, detail)


def elsewhere(point: RecoveryPoint) -> list[Copy]:
    """The point's copies that do not fail together with it, youngest first, those of unknown age last."""
    apart = [one for one in point.copies if one.failure_domain != point.failure_domain]
    dated = sorted((one for one in apart if one.taken_at), key=lambda one: one.taken_at or point.taken_at, reverse=True)
    return dated + [one for one in apart if one.taken_at is None]


def copy_exists(point: RecoveryPoint) -> Check:
    """A second copy in another failure domain. One in the same domain is none."""
    apart = elsewhere(point)
    threshold = f"at least 1 outside of {point.failure_domain}"
    if apart:
        domains = ", ".join(sorted({one.failure_domain for one in apart}))
        return _line("copy-exists", Outcome.PASSED, f"{len(apart)} in {domains}", threshold)
    near = f"; {len(point.copies)} in its own domain" if point.copies else ""
    detail = f"{point.id} is lost with {point.failure_domain}{near}: look at the copy job and its target"
    return _line("copy-exists", Outcome.FAILED, f"0{near}", threshold, detail)


def copy_age(point: RecoveryPoint, tier: Tier, now: datetime) -> Check:
    """The youngest copy elsewhere is young enough."""
    apart, threshold = elsewhere(point), f"at most {format_duration(tier.copy_within)}"
    if not apart:
        return _line("copy-age", Outcome.UNKNOWN, None, threshold, "there is no copy in another failure domain")
    taken_at = apart[0].taken_at
    if taken_at is None:
        detail = f"the cloud does not tell of when its copy in {apart[0].location} is: restore it to know"
        return _line("copy-age", Outcome.UNSUPPORTED, None, threshold, detail)
    age = now - taken_at
    if age > tier.copy_within:
        detail = f"the newest copy, {apart[0].location}, is of {taken_at.isoformat()}: look at the copy job"
        return _line("copy-age", Outcome.FAILED, _spell(age), threshold, detail)
    return _line("copy-age", Outcome.PASSED, _spell(age), threshold)


def encryption(datastore: Datastore, point: RecoveryPoint) -> Check:
    """The store is encrypted where the catalog demands it."""
    measured = {True: "encrypted", False: "not encrypted", None: "not told"}[point.encrypted]
    if not datastore.encrypted:
        return _line("store-encryption", Outcome.PASSED, measured, "not demanded")
    if point.encrypted is None:
        detail = f"nobody tells whether the store of {point.location} is encrypted: prove it, or set `encrypted: false`"
        return _line("store-encryption", Outcome.UNKNOWN, measured, "encrypted", detail)
    if not point.encrypted:
        detail = f"{point.location} lies on a store that is not encrypted, and the catalog demands it: move it"
        return _line("store-encryption", Outcome.FAILED, measured, "encrypted", detail)
    return _line("store-encryption", Outcome.PASSED, measured, "encrypted")


def retention(
    points: Sequence[RecoveryPoint], history: Iterable[RecoveryPoint], tier: Tier, kept: float | None, now: datetime
) -> Check:
    """Nothing that is young enough to be kept has vanished, and the store keeps as long as it must where it tells.

    `kept`: the store's own setting in seconds, or None.
    """
    threshold = f"everything of the last {format_duration(tier.retention)}"
    there = {one.id for one in points}
    vanished = sorted({one.id for one in history if one.id not in there and now - one.taken_at < tier.retention})
    if vanished:
        detail = (
            f"no longer there though younger than {format_duration(tier.retention)}: {', '.join(vanished[:5])}; look who deletes"
        )
        return _line("store-retention", Outcome.FAILED, f"{len(vanished)} vanished", threshold, detail)
    if kept is not None and timedelta(seconds=kept) < tier.retention:
        detail = f"the store keeps {format_duration(timedelta(seconds=kept))} only: raise its retention"
        return _line("store-retention", Outcome.FAILED, format_duration(timedelta(seconds=kept)), threshold, detail)
    reach = f", back to {points[-1].taken_at.isoformat()}" if points else ""
    return _line("store-retention", Outcome.PASSED, f"0 vanished{reach}", threshold)


def version(point: RecoveryPoint, history: Iterable[RecoveryPoint]) -> Check:
    """The server's major version is known, for it decides which binaries restore the point."""
    if point.engine_version is None:
        return _line("version", Outcome.UNKNOWN, detail=f"{point.id} does not tell its server's version: restore it to know")
    others = sorted({one.engine_version for one in history if one.engine_version} - {point.engine_version})
    detail = f"earlier points are of {', '.join(others)}: keep those binaries until these are gone" if others else ""
    return _line("version", Outcome.PASSED, point.engine_version, "known", detail)


# ---- what checks come to, for a night and for a drill --------------------------------------------------------------


def verdict(checks: Iterable[Check]) -> Verdict:
    """What the checks of a night or a drill come to.

    Any failed check: failed. Otherwise, when nothing is unknown and something passed: passed (what a cloud cannot tell,
    `unsupported`, does not count against it). Otherwise partial when at least one layer that proves something about
    recovery passed as a whole, else unknown.
    """
    lines = list(checks)
    if any(one.outcome is Outcome.FAILED for one in lines):
        return Verdict.FAILED
    if any(one.outcome is Outcome.PASSED for one in lines) and all(one.outcome in _GREEN for one in lines):
        return Verdict.PASSED
    return Verdict.PARTIAL if any(_proven(lines, layer) for layer in _PROOF) else Verdict.UNKNOWN


def _proven(checks: Sequence[Check], layer: str) -> bool:
    mine = [one.outcome for one in checks if one.layer == layer]
    return Outcome.PASSED in mine and all(one in _GREEN for one in mine)


def summary(checks: Iterable[Check]) -> str:
    """One line for a person: what failed, else what is not known, else what was proven."""
    lines = list(checks)
    for outcome, word in ((Outcome.FAILED, "failed"), (Outcome.UNKNOWN, "unknown")):
        found = [one for one in lines if one.outcome is outcome]
        if found:
            named = "; ".join(f"{one.name}: {one.detail or one.measured or 'no detail'}" for one in found[:3])
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            return f"{len(found)} of {len(lines)} checks {word}: {named}{more}"[:500]
    unsupported = sum(one.outcome is Outcome.UNSUPPORTED for one in lines)
    note = f", {unsupported} not supported here" if unsupported else ""
    return f"{len(lines) - unsupported} checks passed{note}" if lines else "nothing was checked"


def _line(name: str, outcome: Outcome, measured: str | None = None, threshold: str | None = None, detail: str = "") -> Check:
    return Check(name=name, layer="backup", outcome=outcome, measured=measured, threshold=threshold, detail=detail)


def _spell(age: timedelta) -> str:
    return format_duration(age) if age >= timedelta(0) else f"-{format_duration(-age)}"


def _gigabytes(size: float) -> str:
    return f"{size / 10**9:.3f} GB"
