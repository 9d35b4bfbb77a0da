"""What lies in a sandbox's folder: the lease's mark, the order and the state.

Plain dataclasses: the process that makes a sandbox reads them, and what it imports before it copies the first byte counts as
RTO (a quarter of a second with pydantic).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

import psutil

from include.recovery.status import Status


class _Paper:
    """Written as JSON, and read back to an equal value."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """From what `text` wrote. Raises ValueError for anything else, instants without an offset included."""
        try:
            found = cls(**json.loads(data))
        except TypeError as strange:
            raise ValueError(f"not a {cls.__name__}: {strange}") from strange
        return found

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1, default=datetime.isoformat)  # type: ignore[call-overload]

    def _read_instants(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            instant = datetime.fromisoformat(value) if isinstance(value, str) else value
            if not isinstance(instant, datetime) or instant.tzinfo is None:
                raise ValueError(f"{name} {value} is no instant with an offset")
            object.__setattr__(self, name, instant)


@dataclass(frozen=True)
class Mark(_Paper):
    """What makes a folder ours. Without it nothing is ever touched."""

    lease_id: str
    service: str
    datastore: str
    region: str
    requested_by: str
    created_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        self._read_instants("created_at", "expires_at")


@dataclass(frozen=True, kw_only=True)
class Job(_Paper):
    """What the runner is to do: complete, without secrets, so that it can be started again from the folder alone."""

    name: str
    kind: Literal["base_backup", "dump"]
    major: str
    bin_dir: str
    location: str
    """The base backup's folder, or the dump."""
    tarred: bool = False
    wal: str | None = None
    """The archive that WAL is fetched from. None: only what lies in the set."""
    target: Literal["latest", "immediate", "time"] = "latest"
    target_time: datetime | None = None
    database: str
    superuser: str
    encoding: str = "UTF8"
    run_as: str | None = None
    isolation: Literal["namespace", "configuration"] = "namespace"
    max_ready: float
    """Seconds from the start of the server to its first accepted connection."""

    def __post_init__(self) -> None:
        if self.target_time is not None:
            self._read_instants("target_time")


@dataclass(frozen=True)
class Seen:
    """A process, so that a reused id is not mistaken for it.

    The kernel tells when a process began since the boot, and the instant of the boot in whole seconds, which moves as the
    clock is corrected: so two looks may differ by a second or two.
    """

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process when it still lives, else None."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) < 5 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


@dataclass(frozen=True)
class State(_Paper):
    """How far the work is. Replaced as a whole, so that a reader never sees half of it."""

    status: Status = Status.PENDING
    phase: str = "queued"
    detail: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    server: Seen | None = None
    isolation: str = ""
    """What separates the server from the machine, and why less than was asked for."""
    network: bool = False
    files: bool = False
    secured: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", Status(self.status))
        server: Any = self.server
        if isinstance(server, dict):
            object.__setattr__(self, "server", Seen(**server))
