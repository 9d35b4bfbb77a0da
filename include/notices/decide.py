"""What to say to one recipient, given what was said before: one message for all that changed, none when nothing did. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from include.notices.conditions import PLATFORM
from include.notices.model import Condition, Notice, Recipient, Severity, Told
from include.values import digest

LEFT = "no longer in the catalog"
_SHOWN = 3
"""How many subjects a title names."""


class Change:
    """A subject whose word is another than the one that was told."""

    def __init__(self, condition: Condition, was: str | None) -> None:
        self.condition, self.was = condition, was

    @property
    def label(self) -> str:
        return self.condition.subject.removeprefix(PLATFORM)

    def line(self, *, inside: bool) -> str:
        """``order-intake/orders: failed (was proven): why``."""
        was = f" (was {self.was})" if self.was else ""
        detail = f": {self.condition.detail}" if inside and self.condition.detail else ""
        return f"{self.label}: {self.condition.word}{was}{detail}"


def next_told(
    recipient: Recipient,
    told: Told,
    now_holds: Mapping[str, Condition],
    now: datetime,
    *,
    platform: str,
    link: str | None = None,
) -> Told:
    """What the recipient knows once the waiting messages are delivered. The same object when there is nothing new.

    A subject that is seen for the first time is news only when it is bad: a new recipient is not told that all is well. One
    that left the catalog is told once. One that another recipient is told of now is forgotten.
    """
    changes = [*_changed(recipient, told, now_holds), *_left(recipient, told, now_holds)]
    said = {subject: now_holds[subject].word for subject in recipient.subjects if subject in now_holds}
    if said == told.said and not changes:
        return told
    news = (message(recipient, changes, now, platform=platform, link=link),) if changes else ()
    return Told(said=said, pending=(*told.pending, *news))


def _changed(recipient: Recipient, told: Told, now_holds: Mapping[str, Condition]) -> list[Change]:
    found = []
    for subject in recipient.subjects:
        condition, was = now_holds.get(subject), told.said.get(subject)
        if condition is not None and condition.word != was and (was is not None or condition.bad):
            found.append(Change(condition, was))
    return sorted(found, key=lambda one: (not one.condition.bad, one.condition.subject))


def _left(recipient: Recipient, told: Told, now_holds: Mapping[str, Condition]) -> list[Change]:
    """Subjects that nobody knows any more. A datastore of a service whose file is broken is among them, with the reason."""
    found = []
    for subject in sorted(set(told.said) - set(now_holds)):
        service = now_holds.get(subject.partition("/")[0])
        gone = Condition(subject=subject, word=LEFT, bad=True, detail=service.detail if service else "")
        found.append(Change(gone, told.said[subject]))
    return found


def message(recipient: Recipient, changes: Sequence[Change], now: datetime, *, platform: str, link: str | None = None) -> Notice:
    """One message for all changes. A tenant's contact gets the words and no details."""
    inside = not recipient.outside
    lines = [one.line(inside=inside) for one in changes]
    body = "\n".join([*lines, "", f"As of {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC.", *([link] if link and inside else [])])
    facts = [[one.condition.subject, one.was, one.condition.word] for one in changes]
    return Notice(
        key=digest({"to": recipient.key, "changes": facts, "at": now.astimezone(UTC).isoformat()})[:40],
        via=recipient.via,
        to=recipient.to,
        title=f"[{platform}] {_title(changes)}",
        body=body,
        severity=_severity(changes),
        decided_at=now,
    )


def _title(changes: Sequence[Change]) -> str:
    if len(changes) <= _SHOWN:
        return "; ".join(f"{one.label} {one.condition.word}" for one in changes)
    bad = sum(one.condition.bad for one in changes)
    good = len(changes) - bad
    return f"{len(changes)} changes: " + ", ".join([f"{bad} bad"] * bool(bad) + [f"{good} good again"] * bool(good))


def _severity(changes: Sequence[Change]) -> Severity:
    if not any(one.condition.bad for one in changes):
        return "success"
    grave = ("failed", "not caught", "BROKEN", "NONE")
    return "failure" if any(one.condition.word.startswith(grave) for one in changes) else "warning"
