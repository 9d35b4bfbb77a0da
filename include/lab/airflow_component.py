"""Keeps one Airflow component running: stands before the `airflow` program on the PATH of ``airflow standalone``.

``airflow standalone`` starts its components once and does not look at them again: a scheduler that was killed stays dead
until somebody notices. `install` puts a program named `airflow` into a folder; first on the PATH of a standalone, it starts
each component as that asks, and again when it ends by itself. Any other command goes straight through.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

COMPONENTS = {
    # Without their log servers: on one machine the API server reads log files itself, and those listen on every interface.
    "scheduler": ["--skip-serve-logs"],
    "triggerer": ["--skip-serve-logs"],
    "dag-processor": [],
    "api-server": [],
}
PATIENCE = 20.0
"""Seconds that a component has for ending itself."""


def install(folder: Path) -> None:
    """Write the program `airflow` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "airflow"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m include.lab.airflow_component "$@"\n')
    program.chmod(0o755)


class Keeper:
    """Runs a command again and again until it is told to stop."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self.command = name, list(command)
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None
        self.orphaned: set[int] = set()
        """Process groups of components that died."""

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: pass the signal on and do not start again."""
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)

    def run(self) -> int:
        """Returns when the component ended after `stop`."""
        pause = 0.5
        while not self.stopping:
            started = time.monotonic()
            self.child = subprocess.Popen(self.command, process_group=0)
            code = self._wait(self.child)
            self.orphaned.add(self.child.pid)
            if self.stopping:
                return 0
            pause = 1.0 if time.monotonic() - started > 60 else min(pause * 2, 30.0)
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            print(f"{self.name} {how}; starting it again in {pause:.0f} s", flush=True)
            self._pause(pause)
        return 0

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """The exit code; a component that does not end within PATIENCE after `stop` is killed."""
        since: float | None = None
        while True:
            try:
                return child.wait(1)
            except subprocess.TimeoutExpired:
                self._sweep()
                if self.stopping:
                    since = since or time.monotonic()
                    if time.monotonic() - since > PATIENCE:
                        child.kill()

    def _sweep(self) -> None:
        """End what a dead component left idle. The workers of a killed scheduler wait for it for ever; one that still runs a
        task has a child and may finish it: its result goes to the API server, and it is swept afterwards.
        """
        if not self.orphaned:
            return
        import psutil

        left = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                group = os.getpgid(process.pid)
                if group in self.orphaned and process.status() != psutil.STATUS_ZOMBIE:
                    left.add(group)
                    if not process.children():
                        process.kill()
        self.orphaned &= left

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.1)


def main(arguments: Sequence[str]) -> int:
    """Keep a component, or become the `airflow` program for any other command."""
    real = str(Path(sys.executable).parent / "airflow")
    name = arguments[0] if arguments else ""
    if name not in COMPONENTS:
        os.execv(real, [real, *arguments])
    keeper = Keeper(name, [real, *arguments, *COMPONENTS[name]])
    signal.signal(signal.SIGTERM, keeper.stop)
    signal.signal(signal.SIGINT, keeper.stop)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
