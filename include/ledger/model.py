"""What the ledger answers with: frozen models, no SQL."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from include.values import Frozen, Instant

GLOBAL_STOP = "global-stop"
"""`NoteRecord.event` of a global stop. `NoteRecord.detail` carries ``reason``; `written_at` is the instant of the stop."""

GLOBAL_RESUME = "global-resume"
"""`NoteRecord.event` of the end of a global stop."""


class LedgerError(RuntimeError):
    """The ledger could not do what was asked: what, where, and what to do next."""


class LedgerUnreachable(LedgerError):
    """No connection to the ledger's database now. Whether the last write happened is unknown: look, then repeat it."""


class LedgerNotReady(LedgerError):
    """The database has no ledger tables, or older ones: `drillyard ledger migrate`."""


class Entry(Frozen):
    """One line of a drill's journal."""

    drill_id: str
    position: int
    """Grows with every entry of the whole journal; gaps mean nothing."""
    event: str
    at: Instant
    body: dict[str, Any]
    key: str | None = None
    """Unique within the drill: appending the same key again changes nothing."""


class Measurement(Frozen):
    """One measured value of one subject (``service/datastore``)."""

    subject: str
    metric: str
    """``rto_seconds``, ``rpo_seconds``, ``restore_seconds``, ``size_bytes``, ``point_age_seconds``, ``cost``, ``phase.NAME``."""
    at: Instant
    value: Decimal
    record_id: str
    """The evidence it came from."""


class Stop(Frozen):
    """A global stop that holds: no drill begins, running ones end safely."""

    by: str
    reason: str
    at: Instant


class Anchor(Frozen):
    """The newest link of the evidence chain, remembered outside the stores that hold the chain."""

    seq: int
    link_sha256: str
    at: Instant | None = None
    """When it was sealed; None where only ``SEQ:SHA256`` was written down."""

    def __str__(self) -> str:
        return f"{self.seq}:{self.link_sha256}"

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Read back what ``str()`` gave, such as a line from an old report. Raises ValueError."""
        match = re.fullmatch(r"(\d{1,10}):([0-9a-f]{64})", text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not an anchor: a link's number, a colon and the 64 hex digits of its SHA-256")
        return cls(seq=int(match[1]), link_sha256=match[2])
