"""Whether a service may be released: decided from the readiness report, with every reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from include.catalog.errors import nearest
from include.evidence.readiness_model import DatastoreReadiness, Readiness, ServiceReadiness
from include.values import Frozen, Instant, format_duration


class GateReason(Frozen):
    """One thing that is not as the gate asks."""

    subject: str
    """``service/datastore``, ``service``, or ``evidence``."""
    text: str


class Gate(Frozen):
    """The answer to a release pipeline. `schema/gate.schema.json` publishes it."""

    schema_version: int = 1
    service: str
    platform: str
    tier: str
    decided_at: Instant
    decision: Literal["open", "closed"]
    proven: bool
    """Whether everything that was asked for holds. It may be false and the gate open, when nothing blocks."""
    tier_blocks_release: bool
    strict: bool
    """Whether the gate closes whatever the tier says."""
    restore_within_seconds: float | None
    verify_within_seconds: float | None
    dependencies: tuple[str, ...]
    """The services that were looked at besides it."""
    reasons: tuple[GateReason, ...]
    evidence: tuple[str, ...]
    """Ids of the records that the answer rests on."""
    seal: str | None
    """``TRUSTED``, ``UNTRUSTED``, ``BROKEN`` or ``NONE``, with the chain's head."""


class UnknownService(ValueError):
    """The gate was asked for a service that the catalog does not name. Says what is similar."""


def gate(
    report: Readiness,
    service: str,
    now: datetime,
    *,
    restore_within: timedelta | None = None,
    verify_within: timedelta | None = None,
    with_dependencies: bool = False,
    require_trusted: bool = False,
    strict: bool = False,
) -> Gate:
    """Closed when something is not proven and the service's tier says ``blocks_release``, or `strict`.

    Proven is what the readiness calls proven at the report's instant, and no older than `restore_within` (a passed drill)
    and `verify_within` (a passed verification). Evidence whose chain is broken or missing proves nothing. A service that
    cannot be read closes the gate: its tier is not known. Raises UnknownService.
    """
    by_name = {one.service: one for one in report.services}
    if service not in by_name:
        close = nearest(service, by_name, 3)
        raise UnknownService(f"no service {service!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""))
    asked = by_name[service]
    others = sorted(_needed(service, by_name)) if with_dependencies else []
    looked_at = [asked, *(by_name[name] for name in others if name in by_name)]
    reasons = [*_seal(report, require_trusted=require_trusted)]
    reasons += [GateReason(subject=name, text="the catalog does not name it") for name in others if name not in by_name]
    for one in looked_at:
        reasons += _of_service(one, now, restore_within, verify_within)
    blocks = not asked.tier or any(tier.blocks_release for tier in report.tiers if tier.tier == asked.tier)
    return Gate(
        service=service,
        platform=report.platform,
        tier=asked.tier,
        decided_at=now.astimezone(UTC),
        decision="closed" if reasons and (blocks or strict) else "open",
        proven=not reasons,
        tier_blocks_release=blocks,
        strict=strict,
        restore_within_seconds=restore_within.total_seconds() if restore_within else None,
        verify_within_seconds=verify_within.total_seconds() if verify_within else None,
        dependencies=tuple(others),
        reasons=tuple(reasons),
        evidence=tuple(_evidence(looked_at)),
        seal=f"{report.seal.word} {report.seal.head or ''}".strip() if report.seal else None,
    )


def _seal(report: Readiness, *, require_trusted: bool) -> Iterator[GateReason]:
    word = report.seal.word if report.seal else "NONE"
    if word == "BROKEN" and report.seal:
        yield GateReason(subject="evidence", text=f"the chain is BROKEN: {'; '.join(report.seal.findings[:3])}")
    elif word == "NONE":
        yield GateReason(subject="evidence", text="nothing is sealed")
    elif word == "UNTRUSTED" and require_trusted:
        yield GateReason(subject="evidence", text="sealed by a key that is not in trusted_keys")


def _needed(service: str, by_name: dict[str, ServiceReadiness]) -> set[str]:
    """Everything that the service depends on, near and far, without itself."""
    found, waiting = set[str](), [service]
    while waiting:
        one = by_name.get(waiting.pop())
        for name in one.depends_on if one else ():
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found - {service}


def _of_service(
    service: ServiceReadiness, now: datetime, restore_within: timedelta | None, verify_within: timedelta | None
) -> Iterator[GateReason]:
    if not service.datastores and service.state != "n/a":
        yield GateReason(subject=service.service, text="; ".join(service.reasons) or service.state)
    for one in service.datastores:
        subject = f"{service.service}/{one.datastore}"
        if one.state != "proven":
            yield GateReason(subject=subject, text=f"{one.state}: {'; '.join(one.reasons)}")
        for text in (*_drill_age(one, now, restore_within), *_night_age(one, now, verify_within)):
            yield GateReason(subject=subject, text=text)


def _drill_age(one: DatastoreReadiness, now: datetime, within: timedelta | None) -> Iterator[str]:
    if within is None:
        return
    if one.proven_at is None:
        yield f"no drill has passed, one within {format_duration(within)} is asked for"
    elif now - one.proven_at > within:
        yield f"the last passed drill is of {one.proven_at:%Y-%m-%d %H:%M} UTC, one within {format_duration(within)} is asked for"


def _night_age(one: DatastoreReadiness, now: datetime, within: timedelta | None) -> Iterator[str]:
    if within is None:
        return
    night = one.verification
    if night is None or night.verdict != "passed":
        yield f"no passed verification is the newest, one within {format_duration(within)} is asked for"
    elif now - night.written_at > within:
        yield f"verified last at {night.written_at:%Y-%m-%d %H:%M} UTC, within {format_duration(within)} is asked for"


def _evidence(services: list[ServiceReadiness]) -> Iterator[str]:
    for service in services:
        for one in service.datastores:
            if one.drill:
                yield one.drill.evidence_id
            if one.verification:
                yield one.verification.evidence_id
