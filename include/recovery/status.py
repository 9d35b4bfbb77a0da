"""How far a control plane is with what it was asked for."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Of anything a control plane does. Adapters map the vendor's words to these; an unknown word raises."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
