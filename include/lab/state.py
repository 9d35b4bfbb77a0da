"""What the lab knows of itself between two commands: ``lab.json`` in its home, changed under a lock."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from include.lab.postgres import Cluster
from include.lab.processes import Process
from include.lab.sink import Sink
from include.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator


class LabState(Frozen):
    """The lab as it was last written down."""

    home: Path
    rows: int
    """Order lines in the largest database; everything else is in proportion."""
    born: datetime
    """The instant that the seeded history leads up to."""
    user: str | None
    bin_dir: Path
    python: str
    """Shell prefix that runs Python as the server user."""
    clusters: dict[str, Cluster]
    """By server name."""
    passwords: dict[str, str] = Field(repr=False)
    """Of roles and connections: observer, airflow, ledger, ledger_read, sandbox, stock_feed, stock_teller."""
    digest_key: str = Field(repr=False)
    """Ed25519 private key (hex) that signs digests at backup time."""
    sealing_key: str = Field(repr=False)
    clouds: tuple[str, ...] = ()
    """The managed clouds that this lab has beside its own servers."""
    writer: Process | None = None
    sink: Sink | None = None
    """Where notices end."""
    complete: bool = False
    """Whether `up` reached its end once: every server built and backed up."""

    def cluster(self, name: str) -> Cluster:
        return self.clusters[name]


def path(home: Path) -> Path:
    """Where the state of the lab in this home is written."""
    return home / "lab.json"


def load(home: Path) -> LabState:
    """The state of the lab in this home. Raises FileNotFoundError that says how to make one."""
    file = path(home)
    if not file.exists():
        raise FileNotFoundError(f"there is no lab in {home}: run `drillyard lab up`, or set DRILLYARD_LAB_HOME to one that is up")
    return LabState.model_validate_json(file.read_text())


def save(state: LabState) -> LabState:
    """Write the state, whole or not at all, readable by its owner only."""
    write_private(path(state.home), json.dumps(state.model_dump(mode="json"), indent=1))
    return state


def write_private(target: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.rename(target)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """One command at a time changes the lab; a second one waits."""
    with (home / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
