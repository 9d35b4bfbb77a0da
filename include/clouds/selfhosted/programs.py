"""PostgreSQL's own programs, by major version: which there are, and how they are run."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.clouds.selfhosted.settings import RestoreHost


class ProgramFailed(Exception):
    """A program of PostgreSQL ended with an error. The text holds the program, its exit code and its last words."""


def bin_dir(settings: RestoreHost, major: str | None) -> Path:
    """The folder of the binaries for a major version (None: the newest there are, for reading only).

    Raises LookupError naming the backup's version, the versions there are, and the setting to change.
    """
    if major is None:
        major = max(settings.bin_dirs, key=int)
    if major not in settings.bin_dirs:
        there = ", ".join(sorted(settings.bin_dirs, key=int)) or "none"
        raise LookupError(
            f"the backup is of PostgreSQL {major}, binaries are here for {there} only: "
            f'add "{major}" to bin_dirs in platform.yaml (clouds.selfhosted.settings)'
        )
    return Path(settings.bin_dirs[major])


def environment() -> dict[str, str]:
    """What every program gets: UTC and the C locale, so that times and words can be read; nothing of our own environment."""
    return {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}


def run(
    folder: Path, program: str, *arguments: str | Path, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one program to its end and give what it said. `options` go to `subprocess.run` (timeout in seconds, cwd, user …).

    Raises ProgramFailed when `check` is set and it did not end with 0, or when it took longer than its timeout.
    """
    command = [str(folder / program), *map(str, arguments)]
    options = {"timeout": 600, "env": environment(), **options}
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **options)
    except subprocess.TimeoutExpired as slow:
        raise ProgramFailed(f"{program} did not end within {slow.timeout:.0f} s") from slow
    except OSError as broken:
        raise ProgramFailed(f"{program} could not be started from {folder}: {broken.strerror}; look at bin_dirs") from broken
    if check and done.returncode:
        raise ProgramFailed(f"{program} ended with {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return done


def last_words(text: str, lines: int = 3) -> str:
    """The last lines of a program's output on one line, for an error or a check's detail."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-lines:])[:600]


class RunAs:
    """The user that servers run as: PostgreSQL refuses root, so root gives way to `run_as` or nobody.

    Raises LookupError when that user does not exist.
    """

    def __init__(self, settings_run_as: str | None) -> None:
        self.changes = os.geteuid() == 0
        if not self.changes:
            self.uid, self.gid, self.name = os.geteuid(), os.getegid(), str(os.geteuid())
            return
        self.name = settings_run_as or "nobody"
        try:
            entry = pwd.getpwnam(self.name)
        except KeyError:
            raise LookupError(f"run_as names the user {self.name!r}, who does not exist on this machine") from None
        self.uid, self.gid = entry.pw_uid, entry.pw_gid

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that change to this user; empty when we are it already."""
        groups: Sequence[int] = []
        return {"user": self.uid, "group": self.gid, "extra_groups": groups} if self.changes else {}

    def own(self, path: Path) -> None:
        """Give one path to this user."""
        if self.changes:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
