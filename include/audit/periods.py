"""What was due in a period, recomputed from cadence and history by the plan's own rule, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from include.audit.model import DrillLine, VerificationLine, Waiver
from include.catalog.model import Tier
from include.evidence.naming import record_path
from include.evidence.record import DrillRecord, NoteRecord, VerificationRecord
from include.recovery.model import Verdict
from include.recovery.plan import NIGHT, History, due

DECIDED_AT = time(2, 15)
"""When `drill_restores` plans its night, in UTC: an obligation is judged as of this minute."""
GRACE = timedelta(hours=6)
"""A night that began less than this before the export is not counted yet."""


@dataclass(frozen=True)
class Past:
    """Everything that the evidence says of one datastore, oldest first."""

    service: str
    datastore: str
    tier: str
    drills: Sequence[DrillRecord] = ()
    held: Sequence[NoteRecord] = ()
    verifications: Sequence[VerificationRecord] = ()
    waivers: Sequence[Waiver] = ()
    known_from: datetime | None = None
    """Its first record of any kind: before, nobody could have drilled it. None: there is none at all."""
    targets: Tier = field(default_factory=lambda: Tier(rpo=NIGHT, rto=NIGHT, drill_every=NIGHT))

    @property
    def subject(self) -> str:
        return f"{self.service}/{self.datastore}"


def drill_lines(past: Past, since: datetime, until: datetime, now: datetime) -> list[DrillLine]:
    """Every drill decided in the period, and every run of nights on which one was due and none was decided.

    A night is due by `include.recovery.plan.due`, given the drills before it: never proven, the last one did not pass, or
    the proof would be older than `drill_every` before the next night. Done is a drill decided from that minute on until
    the next night's. Without one the night is waived (a waiver covers it), held (a note says why), or missed.
    """
    found: list[DrillLine] = []
    for night, at in _nights(max(since, past.known_from) if past.known_from else since, until, now):
        why = due(_history(past.drills, at), past.targets, night.isoformat(), at)
        done = [drill for drill in past.drills if at <= drill.decided_at < at + NIGHT]
        found += [_done(past, drill, night, why) for drill in done]
        if why is not None and not done:
            _append(found, _not_done(past, night, at, why))
    return found


def _nights(since: datetime, until: datetime, now: datetime) -> Iterator[tuple[date, datetime]]:
    """The nights whose planning minute lies in ``[since, until)``, but for those that are not over."""
    night = since.astimezone(UTC).date()
    while True:
        at = datetime.combine(night, DECIDED_AT, UTC)
        if at >= until or at + GRACE > now:
            return
        if at >= since:
            yield night, at
        night += timedelta(days=1)


def _history(drills: Sequence[DrillRecord], at: datetime) -> History:
    """What the plan knew at an instant."""
    before = [drill for drill in drills if drill.decided_at < at]
    proofs = [drill.decided_at for drill in before if _proves(drill)]
    if not before:
        return History()
    return History(
        last_passed=max(proofs, default=None),
        last_attempt=before[-1].decided_at,
        last_slot=before[-1].drill_id.split(".", 2)[-1],
    )


def _proves(drill: DrillRecord) -> bool:
    return drill.verdict is Verdict.PASSED and None not in (drill.rto_measured, drill.rpo_measured)


def _done(past: Past, drill: DrillRecord, night: date, why: str | None) -> DrillLine:
    return DrillLine(
        service=past.service,
        datastore=past.datastore,
        tier=drill.tier,
        first_night=night,
        last_night=night,
        nights=1,
        due=why is not None,
        why_due=why or f"not due; asked for by {drill.request.requested_by}: {drill.why}",
        outcome="done",
        verdict=drill.verdict.value,
        decided_at=drill.decided_at,
        rto_seconds=_seconds(drill.rto_measured),
        rto_target_seconds=_seconds(drill.rto_target),
        rpo_seconds=_seconds(drill.rpo_measured),
        rpo_target_seconds=_seconds(drill.rpo_target),
        evidence_id=drill.record_id,
        path=record_path(drill.record_id),
        detail=drill.summary,
    )


def _not_done(past: Past, night: date, at: datetime, why: str) -> DrillLine:
    """One night without a drill."""
    line = DrillLine(
        service=past.service,
        datastore=past.datastore,
        tier=past.tier,
        first_night=night,
        last_night=night,
        nights=1,
        due=True,
        why_due=why,
        outcome="missed",
        detail="no record of this datastore at all" if past.known_from is None else "no drill, no reason in the evidence",
    )
    waiver = next((one for one in past.waivers if one.covers(past.subject, at)), None)
    if waiver is not None:
        detail = f"waived by {waiver.by} until {waiver.until:%Y-%m-%d}: {waiver.why}"
        return _by_record(line, "waived", waiver.evidence_id, detail)
    note = next((one for one in past.held if at <= one.written_at < at + NIGHT), None)
    if note is not None:
        return _by_record(line, "held", note.record_id, f"held: {note.detail.get('why', 'no reason was given')}")
    return line


def _by_record(line: DrillLine, outcome: str, record_id: str, detail: str) -> DrillLine:
    found = {"outcome": outcome, "evidence_id": record_id, "path": record_path(record_id), "detail": detail}
    return line.model_copy(update=found)


def _append(lines: list[DrillLine], line: DrillLine) -> None:
    """One line for nights that follow each other with the same outcome and reason."""
    before = lines[-1] if lines else None
    if (
        before is not None
        and (before.outcome, before.detail) == (line.outcome, line.detail)
        and before.last_night + timedelta(days=1) == line.first_night
    ):
        lines[-1] = before.model_copy(update={"last_night": line.last_night, "nights": before.nights + 1})
    else:
        lines.append(line)


def verification_line(past: Past, since: datetime, until: datetime, now: datetime) -> VerificationLine:
    """The period in windows of `verify_every`: each counts by its newest verification, or as missed."""
    start = max(since, past.known_from) if past.known_from else since
    end, every = min(until, now), past.targets.verify_every
    counts = {"passed": 0, "failed": 0, "other": 0, "missed": 0}
    missed_first, newest, windows = None, None, 0
    while start + every <= end:
        inside = [one for one in past.verifications if start <= one.written_at < start + every]
        newest = inside[-1] if inside else newest
        word = inside[-1].verdict.value if inside else "missed"
        counts[word if word in counts else "other"] += 1
        if not inside and missed_first is None:
            missed_first = start.astimezone(UTC).date()
        windows, start = windows + 1, start + every
    return VerificationLine(
        service=past.service,
        datastore=past.datastore,
        tier=past.tier,
        due=windows,
        missed_first=missed_first,
        newest_evidence_id=newest.record_id if newest else "",
        newest_path=record_path(newest.record_id) if newest else "",
        **counts,
    )


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else round(value.total_seconds(), 3)
