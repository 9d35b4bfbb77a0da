"""Owners are told once of each thing that they must know: a warning, something started by hand, a wake-up that fails."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from include.values import Frozen, Instant, digest

if TYPE_CHECKING:
    from include.notices.model import Notice
    from include.suspension.desk import SleepDesk

log = logging.getLogger(__name__)

TITLES = {
    "idle": "will be put to sleep: idle",
    "started-by-hand": "was started by hand in its down time",
    "grace-over": "is put to sleep again",
    "former-unknown": "cannot be woken: nobody knows what it was",
    "unreadable-tag": "has a schedule's tag that cannot be read",
    "no-capacity": "cannot be woken: the vendor has no capacity",
    "wake-late": "is not up although it should be",
    "refused": "could not be switched",
    "ambiguous": "is claimed by two environments",
}
"""What is told, by rule. Other rules are shown by `drillyard suspend plan` and told to nobody."""


class Telling(Frozen):
    """One thing to tell an environment's owner."""

    environment: str
    rule: str
    name: str
    why: str
    once: str
    """Told once under this key: resource, rule, and the event's own time or generation."""
    at: Instant


def tell(desk: SleepDesk, tellings: Sequence[Telling]) -> None:
    """One message to each owner for all of one environment and rule; what was told before is left out.

    Undelivered messages are said in the log and tried again at the next sweep: they are noted as told when they were accepted.
    """
    from include.notices.deliver import deliver

    notices: dict[str, tuple[Notice, list[Telling]]] = {}
    for (environment, rule), new in _new(desk, tellings).items():
        for notice in _messages(desk, environment, rule, new):
            notices[notice.key] = (notice, new)

    def accepted(notice: Notice) -> None:
        for one in notices[notice.key][1]:
            desk.ledger.append(_journal(one.environment), "told", one.at, {"rule": one.rule, "to": notice.to}, key=one.once)

    for key, why in deliver([notice for notice, _ in notices.values()], desk.connections, accepted).items():
        log.error("owners of %s were not told (%s): %s", notices[key][1][0].environment, notices[key][1][0].rule, why)


def _journal(environment: str) -> str:
    return f"suspension/{environment}"


def _new(desk: SleepDesk, tellings: Sequence[Telling]) -> dict[tuple[str, str], list[Telling]]:
    told: dict[str, set[str | None]] = {}
    new: dict[tuple[str, str], list[Telling]] = defaultdict(list)
    for one in tellings:
        if one.environment not in told:
            told[one.environment] = {entry.key for entry in desk.ledger.journal(_journal(one.environment))}
        if one.once not in told[one.environment]:
            new[one.environment, one.rule].append(one)
    return new


def _messages(desk: SleepDesk, environment: str, rule: str, new: Sequence[Telling]) -> list[Notice]:
    from include.notices.model import Notice
    from include.notices.recipients import people_named

    catalog = desk.loaded.catalog
    named = ", ".join(one.name for one in new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
    lines = [f"{one.name}: {one.why}" for one in new[:100]]
    hint = (
        f"Keep it up: drillyard suspend snooze {environment} --hours 4 --by NAME --why REASON, or the DAG suspend_environments."
    )
    return [
        Notice(
            key=digest([person.email, environment, rule, sorted(one.once for one in new)]),
            via="smtp",
            to=person.email,
            title=f"{environment}: {named} {TITLES[rule]}",
            body="\n".join([*lines, "", hint]),
            severity="failure" if rule in ("no-capacity", "wake-late", "refused") else "warning",
            decided_at=new[0].at,
        )
        for person in people_named([catalog.environments[environment].owner], catalog.platform.people)
    ]


def telling(environment: str, rule: str, key: str, name: str, why: str, event: datetime | int | str, now: datetime) -> Telling:
    """What to tell, under a key that names the event."""
    said = event.isoformat() if isinstance(event, datetime) else str(event)
    return Telling(environment=environment, rule=rule, name=name, why=why, once=f"{rule}|{key}|{said}", at=now)
