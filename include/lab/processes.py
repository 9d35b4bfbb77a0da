"""Processes by identity: a pid alone may have gone to somebody else, a pid with its birth time has not."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from include.settings import PROJECT
from include.values import Frozen


class Process(Frozen):
    """A process that the lab started."""

    pid: int
    born: float
    """Seconds since the epoch, as the kernel tells."""


def start_module(module: str, argument: Path, log: Path) -> subprocess.Popen[bytes]:
    """``python -m MODULE ARGUMENT`` as a process that outlives this command; its output goes to the end of `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, str(argument)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def identify(pid: int) -> Process | None:
    """The running process with this pid, or None."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Process(pid=pid, born=process.create_time())
    except psutil.NoSuchProcess:
        return None


def alive(process: Process) -> bool:
    """Whether this very process, and not a later one with its pid, still runs."""
    now = identify(process.pid)
    return now is not None and abs(now.born - process.born) < 0.5


def end(process: Process, patience: float = 10.0, by: signal.Signals = signal.SIGTERM) -> None:
    """Send the signal, then SIGKILL after `patience` seconds. Does nothing when it is gone or the pid is another's."""
    import psutil

    if not alive(process):
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        target = psutil.Process(process.pid)
        target.send_signal(by)
        try:
            target.wait(patience)
        except psutil.TimeoutExpired:
            target.kill()
            target.wait(patience)


def postmaster(data: Path) -> Process | None:
    """The postmaster of a data folder, from its ``postmaster.pid``; None when it is not running or the file is stale.

    The file's third line is the start in whole seconds, a little after the process was born.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, started = int(lines[0]), int(lines[2])
    except (OSError, IndexError, ValueError):
        return None
    process = identify(pid)
    if process is None or not -2 <= started - process.born <= 30:
        return None
    return process


def wait_gone(process: Process, patience: float) -> bool:
    """Whether the process has ended within `patience` seconds."""
    deadline = time.monotonic() + patience
    while alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
