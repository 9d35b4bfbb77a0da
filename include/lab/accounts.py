"""Who runs the servers: PostgreSQL refuses root, so root hands its processes and their folders to an unprivileged user."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

DEFAULT_USER = "nobody"


def server_user() -> str | None:
    """The user that server processes drop to: ``DRILLYARD_LAB_USER`` or nobody when this is root, else None (no drop)."""
    if os.geteuid() != 0:
        return None
    return os.environ.get("DRILLYARD_LAB_USER") or DEFAULT_USER


def dropped(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` that drop to the user. Empty when nothing has to be dropped."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give(path: Path, user: str | None) -> None:
    """Make the user the owner of one file or folder. Nothing to do without a user."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def folder(path: Path, user: str | None, mode: int = 0o755) -> Path:
    """The folder, made with its parents when missing; itself owned by the user."""
    path.mkdir(parents=True, exist_ok=True)
    give(path, user)
    path.chmod(mode)
    return path


def can_enter(path: Path, user: str | None) -> bool:
    """Whether the user can traverse to this existing folder (asked of the kernel, by trying)."""
    command = ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)]
    return subprocess.run(command, cwd="/", capture_output=True, check=False, timeout=30, **dropped(user)).returncode == 0


def can_run(command: list[str], user: str | None, environment: dict[str, str] | None = None) -> bool:
    """Whether the user can run this command with exit code 0."""
    try:
        done = subprocess.run(
            command, cwd="/", env=environment or {}, capture_output=True, check=False, timeout=30, **dropped(user)
        )
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        return False
    return done.returncode == 0
