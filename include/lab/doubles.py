"""The control planes of Google Cloud and Azure as processes of their own: started, found again, asked and ended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.aws.plane import free_port
from include.lab.double import HOST, knock
from include.lab.processes import Process
from include.settings import PROJECT

MODULES = {"google": "include.lab.google.cloud", "azure": "include.lab.azure.cloud"}
"""Started with ``-m MODULE FOLDER PORT``. A cloud of the lab joins here."""


class Running:
    """A double that runs in a home."""

    def __init__(self, home: Path, url: str, process: Process) -> None:
        self.home, self.url, self.process = home, url, process

    def ask(self, command: str, **given: Any) -> Any:
        """Use its door. Raises ValueError with what it said."""
        return knock(self.url, command, given)

    def port(self) -> int:
        """The port that all of its servers listen on."""
        told: Mapping[str, int] = self.ask("port")
        return told["port"]

    def stop(self) -> None:
        """End the servers behind it, then itself."""
        with contextlib.suppress(OSError, ValueError):
            self.ask("stop")
        processes.end(self.process)


def launch(cloud: str, home: Path, patience: float = 60.0) -> Running:
    """Start a cloud's double and wait until it answers. Raises RuntimeError with the end of its log."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    url = f"http://{HOST}:{free_port()}"
    command = [sys.executable, "-m", MODULES[cloud], str(home), url.rpartition(":")[2]]
    with (home / "double.log").open("wb") as log:
        started = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and started.poll() is None:
        process = processes.identify(started.pid)
        with contextlib.suppress(OSError):
            knock(url, "port")
            if process is not None:
                told = {"url": url, "process": process.model_dump(mode="json")}
                (home / "double.json").write_text(json.dumps(told))
                return Running(home, url, process)
        time.sleep(0.1)
    started.kill()
    tail = (home / "double.log").read_text(errors="replace").splitlines()[-8:]
    raise RuntimeError(f"the lab's {cloud} did not start:\n" + "\n".join(tail))


def attach(home: Path) -> Running | None:
    """The double that runs in this home, or None."""
    try:
        told = json.loads((home / "double.json").read_text())
    except FileNotFoundError:
        return None
    process = Process.model_validate(told["process"])
    return Running(home, told["url"], process) if processes.alive(process) else None
