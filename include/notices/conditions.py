"""What holds of every subject at an instant, from the readiness report alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from include.evidence.readiness_model import DatastoreReadiness, Readiness, ServiceReadiness
from include.notices.model import Condition

PLATFORM = "platform:"
"""What the subject of a condition that concerns no single service begins with."""
_GOOD = ("proven", "n/a")


def conditions(report: Readiness, overdue: Mapping[str, str]) -> dict[str, Condition]:
    """By subject. `overdue` says, by datastore id, what should have happened and did not (`include.recovery.overdue`)."""
    found = [*_platform(report)]
    for service in report.services:
        found += _service(service, overdue)
    return {one.subject: one for one in found}


def _service(service: ServiceReadiness, overdue: Mapping[str, str]) -> Iterator[Condition]:
    """One of the service as a whole, and one of each datastore."""
    yield Condition(
        subject=service.service,
        word=service.state,
        bad=service.state not in _GOOD,
        detail="; ".join(service.reasons) if not service.datastores else "",
    )
    for one in service.datastores:
        subject = f"{service.service}/{one.datastore}"
        late = overdue.get(subject)
        word = f"{one.state}, overdue" if late else one.state
        yield Condition(subject=subject, word=word, bad=bool(late) or one.state not in _GOOD, detail=_detail(one, late))


def _detail(one: DatastoreReadiness, late: str | None) -> str:
    parts = [*one.reasons] if one.state not in _GOOD or late else []
    parts += [late] if late else []
    parts += [f"evidence {one.evidence_id}"] if one.evidence_id else []
    return "; ".join(parts)


def _platform(report: Readiness) -> Iterator[Condition]:
    """The canaries, the chain, a stop, strangers, the catalog: each with a word that changes when the news does."""
    for one in report.canaries:
        word = "caught" if one.caught else f"not caught ({one.verdict})"
        yield Condition(subject=f"{PLATFORM}canary {one.cloud} {one.region}", word=word, bad=not one.caught, detail=one.summary)
    if report.seal:
        bad = report.seal.word in ("BROKEN", "NONE")
        yield Condition(
            subject=f"{PLATFORM}evidence chain", word=report.seal.word, bad=bad, detail="; ".join(report.seal.findings[:5])
        )
    stop = report.stop
    detail = f"by {stop.by}: {stop.reason}" if stop else ""
    yield Condition(subject=f"{PLATFORM}drills", word="stopped" if stop else "running", bad=stop is not None, detail=detail)
    strangers = ", ".join(sorted({f"{one.database} ({one.cloud} {one.region})" for one in report.uncatalogued}))
    word = f"there are: {strangers}" if strangers else "none"
    yield Condition(subject=f"{PLATFORM}databases in no catalog", word=word, bad=bool(strangers))
    broken = len(report.catalog_problems)
    detail = "; ".join(report.catalog_problems[:5])
    yield Condition(
        subject=f"{PLATFORM}catalog", word="cannot be read whole" if broken else "read", bad=bool(broken), detail=detail
    )
