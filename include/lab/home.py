"""Where the lab lives: one folder that the server user can reach, and what lies where in it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from include.lab import accounts
from include.settings import PROJECT


def lab_home() -> Path:
    """``DRILLYARD_LAB_HOME``; else ``build/lab`` when the server user can traverse to it; else a folder below the
    system's temporary one, named from the project's path. Only chosen here, not made.
    """
    named = os.environ.get("DRILLYARD_LAB_HOME")
    if named:
        return Path(named).resolve()
    if accounts.can_enter(PROJECT, accounts.server_user()):
        return PROJECT / "build" / "lab"
    mark = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()).resolve() / f"drillyard-lab-{mark}"


def prepare(home: Path, user: str | None) -> None:
    """Make the home. Raises PermissionError, naming the folder in the way, when the server user cannot reach it."""
    home.mkdir(parents=True, exist_ok=True)
    if not accounts.can_enter(home, user):
        closed = next((p for p in reversed([home, *home.parents]) if not accounts.can_enter(p, user)), home)
        raise PermissionError(
            f"the server user {user!r} cannot enter {closed}: set DRILLYARD_LAB_HOME to a folder that it can reach"
        )


def backups(home: Path, domain: str, owner: str) -> Path:
    """The backup folder of a server (base backups, WAL) or of a service (dumps) in one failure domain."""
    return home / domain / "backups" / owner
