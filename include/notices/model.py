"""What a notice is, who gets one, and what was told before."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.values import Frozen, Instant

Via = Literal["smtp", "apprise"]
Severity = Literal["info", "success", "warning", "failure"]


class Notice(Frozen):
    """One message to one recipient."""

    key: str
    """The same for every attempt to deliver it: it becomes the Message-ID, so that whoever gets it twice can see it."""
    via: Via
    to: str
    """An e-mail address, or the id of the connection that holds an Apprise URL."""
    title: str
    body: str
    severity: Severity = "info"
    decided_at: Instant


class Condition(Frozen):
    """What holds of one subject now."""

    subject: str
    """``service/datastore``, ``service``, or ``platform:…`` for what concerns no single service."""
    word: str
    """Two conditions with one word are the same news: told once."""
    bad: bool
    detail: str = ""


class Recipient(Frozen):
    """Somewhere that messages go, and what is told there."""

    via: Via
    to: str
    subjects: tuple[str, ...]
    outside: bool = False
    """A tenant's contact: is told how a service stands, and nothing of its inside."""

    @property
    def key(self) -> str:
        return f"{self.via}:{self.to}"


class Told(Frozen):
    """What one recipient knows: the last word on each subject, and what waits for delivery. Kept in the ledger."""

    said: dict[str, str] = Field(default_factory=dict)
    pending: tuple[Notice, ...] = ()
    """Decided and not accepted by the mail server or the service yet, oldest first."""


class NotDelivered(RuntimeError):
    """Messages wait in the ledger because somebody did not take them: who, and why. The next run delivers them."""
