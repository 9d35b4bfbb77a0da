"""One round: what changed since each recipient was told, into the ledger, out by mail and Apprise, and a sign of life."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from include.audit.waivers import WAIVER, WAIVER_ENDED, waived_now
from include.connections import Connections, from_environment
from include.notices.conditions import conditions
from include.notices.decide import next_told
from include.notices.deliver import deliver
from include.notices.heartbeat import beat
from include.notices.model import Condition, NotDelivered, Notice, Recipient, Told
from include.notices.recipients import operators_of, recipients
from include.recovery.overdue import overdue
from include.values import Frozen, digest, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.ledger import Ledger

log = logging.getLogger(__name__)

CURSOR = "told/"
"""What the subject of a recipient's state among the ledger's cursors begins with."""
_LOCK = "notices"
NOBODY = "nobody is told: platform.yaml has no `notices`"


class Round(Frozen):
    """What one round did."""

    delivered: tuple[Notice, ...] = ()
    waiting: tuple[Notice, ...] = ()
    """Not taken. They stay in the ledger."""
    failures: tuple[str, ...] = ()


def tell(connections: Connections = from_environment, now: datetime | None = None) -> str:
    """Tell everyone what changed; answers in words what was told.

    A message is written to the ledger before it goes out and struck out after it was accepted: none is lost, and only a
    crash between the two sends one again, under the same Message-ID. The heartbeats follow when everything was accepted, so
    that a mail server that is down makes the outside ask. Raises NotDelivered naming who did not take what.
    """
    from include.ledger import CONN_ID, open_ledger, url_of

    now = now or utcnow()
    loaded = _loaded()
    notices = loaded.catalog.platform.notices
    if notices is None:
        log.warning(NOBODY)
        return NOBODY
    with closing(open_ledger(url_of(connections(CONN_ID)))) as ledger, ledger.alone(_LOCK):
        holds = _holds(loaded, ledger, connections, now)
        done = _round(loaded, ledger, connections, holds, now)
    wrong = list(done.failures)
    if not wrong:
        wrong = list(beat(notices.heartbeats, connections, now, platform=loaded.catalog.platform.name).values())
    if wrong:
        raise NotDelivered("; ".join(wrong) + f"; {len(done.waiting)} messages wait in the ledger and go out with the next run")
    return f"{len(done.delivered)} messages delivered, {len(notices.heartbeats)} heartbeats given"


def preview(connections: Connections = from_environment, at: datetime | None = None) -> list[Notice]:
    """What a round at an instant would send, by what the ledger knows today. Sends and writes nothing."""
    from include.ledger import CONN_ID, open_ledger, url_of

    now = at or utcnow()
    loaded = _loaded()
    found: list[Notice] = []
    with closing(open_ledger(url_of(connections(CONN_ID)))) as ledger:
        holds = _holds(loaded, ledger, connections, now)
        for recipient in recipients(loaded.catalog, holds):
            found += _next(loaded, recipient, _told(ledger, recipient), holds, now).pending
    return found


def say_now(connections: Connections, title: str, body: str, identity: str, now: datetime | None = None) -> None:
    """Tell the operators one thing at once, such as a run that is late. The same `identity` is told once.

    Raises NotDelivered; the message then goes out with the next round.
    """
    from include.ledger import CONN_ID, open_ledger, url_of

    now = now or utcnow()
    loaded = _loaded()
    with closing(open_ledger(url_of(connections(CONN_ID)))) as ledger, ledger.alone(_LOCK):
        for recipient in operators_of(loaded.catalog):
            journal = f"{CURSOR}{recipient.key}"
            if any(entry.key == identity for entry in ledger.journal(journal)):
                continue
            told = _told(ledger, recipient)
            news = Notice(
                key=digest({"to": recipient.key, "identity": identity})[:40],
                via=recipient.via,
                to=recipient.to,
                title=f"[{loaded.catalog.platform.name}] {title}",
                body=body,
                severity="failure",
                decided_at=now,
            )
            if news.key not in {one.key for one in told.pending}:
                _remember(ledger, recipient, Told(said=told.said, pending=(*told.pending, news)))
            ledger.append(journal, "notice", now, {"title": title}, key=identity)
        done = _deliver(ledger, operators_of(loaded.catalog), connections)
    if done.failures:
        raise NotDelivered("; ".join(done.failures) + "; it goes out with the next run")


# ---- steps ---------------------------------------------------------------------------------------------------------


def _loaded() -> Loaded:
    from include.catalog.load import load
    from include.settings import platform_dir

    return load(platform_dir())


def _holds(loaded: Loaded, ledger: Ledger, connections: Connections, now: datetime) -> dict[str, Condition]:
    """What holds at `now`, from the ledger."""
    from include.evidence.publish import current

    notices = loaded.catalog.platform.notices
    verified = {subject: record.written_at for subject, record in ledger.latest_verifications().items()}
    notes = [*ledger.notes(event=WAIVER), *ledger.notes(event=WAIVER_ENDED)]
    named = waived_now(notes, now)
    waived = {one for one in loaded.catalog.datastores() if {one, one.partition("/")[0]} & set(named)}
    late = overdue(loaded.catalog, ledger.history(), verified, notices.grace, now, waived) if notices else {}
    return conditions(current(connections, now=now), late)


def _round(loaded: Loaded, ledger: Ledger, connections: Connections, holds: dict[str, Condition], now: datetime) -> Round:
    everyone = recipients(loaded.catalog, holds)
    for recipient in everyone:
        told = _told(ledger, recipient)
        after = _next(loaded, recipient, told, holds, now)
        if after != told:
            _remember(ledger, recipient, after)
    return _deliver(ledger, everyone, connections)


def _next(loaded: Loaded, recipient: Recipient, told: Told, holds: dict[str, Condition], now: datetime) -> Told:
    platform = loaded.catalog.platform
    link = platform.notices.report_url if platform.notices else None
    return next_told(recipient, told, holds, now, platform=platform.name, link=link)


def _deliver(ledger: Ledger, everyone: Iterable[Recipient], connections: Connections) -> Round:
    """Hand over what waits, and strike out each message when it was accepted."""
    by_key = {recipient.key: recipient for recipient in everyone}
    waiting = [one for recipient in by_key.values() for one in _told(ledger, recipient).pending]
    delivered: list[Notice] = []

    def strike_out(one: Notice) -> None:
        recipient = by_key[f"{one.via}:{one.to}"]
        told = _told(ledger, recipient)
        left = tuple(other for other in told.pending if other.key != one.key)
        _remember(ledger, recipient, Told(said=told.said, pending=left))
        delivered.append(one)

    failures = deliver(waiting, connections, strike_out)
    left = tuple(one for one in waiting if one.key in failures)
    return Round(delivered=tuple(delivered), waiting=left, failures=tuple(failures.values()))


def _told(ledger: Ledger, recipient: Recipient) -> Told:
    found = ledger.cursor(f"{CURSOR}{recipient.key}")
    return Told() if found is None else Told.model_validate(found)


def _remember(ledger: Ledger, recipient: Recipient, told: Told) -> None:
    ledger.set_cursor(f"{CURSOR}{recipient.key}", told.model_dump(mode="json"))
