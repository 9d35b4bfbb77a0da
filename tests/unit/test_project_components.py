"""The keeper of Airflow's components: starts again what dies, ends what it is told to end, lets other commands through."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.lab import airflow_component
from include.settings import PROJECT

COMPONENT = """
import os, pathlib, sys, time
seen = pathlib.Path(sys.argv[1])
with seen.open("a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""

KEEP = """
import signal, sys
from include.lab.airflow_component import Keeper
keeper = Keeper("scheduler", sys.argv[1:])
signal.signal(signal.SIGTERM, keeper.stop)
sys.exit(keeper.run())
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A keeper of a component that writes its pid into a file at each start."""
    seen = tmp_path / "seen"
    command = [sys.executable, "-c", KEEP, sys.executable, "-c", COMPONENT, str(seen)]
    keeper = subprocess.Popen(
        command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, text=True
    )
    yield keeper, seen
    if keeper.poll() is None:
        keeper.kill()
    keeper.communicate()


def pids(seen: Path, count: int) -> list[int]:
    """The pids written, once there are so many."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = seen.read_text().split() if seen.exists() else []
        if len(found) >= count:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise TimeoutError(f"{count} starts were expected: {seen.read_text() if seen.exists() else 'none'}")


def test_a_killed_component_is_started_again_and_a_stop_ends_it(kept: tuple[subprocess.Popen[str], Path]) -> None:
    keeper, seen = kept
    first = pids(seen, 1)[0]
    os.kill(first, signal.SIGKILL)
    second = pids(seen, 2)[1]
    assert second != first
    keeper.terminate()
    said, _ = keeper.communicate(timeout=30)
    assert keeper.returncode == 0
    assert "scheduler was ended by signal 9; starting it again" in said
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_other_commands_go_straight_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the Python that runs it stands the real program; here that is a script that tells its arguments."""
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "python").symlink_to(sys.executable)
    real = environment / "airflow"
    real.write_text('#!/bin/sh\necho "real: $*"\nexit 7\n')
    real.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(environment / "python"))
    airflow_component.install(tmp_path / "shims")
    program = [tmp_path / "shims" / "airflow", "dags", "list"]
    done = subprocess.run(program, env={"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "real: dags list\n"), done.stderr


def test_components_are_those_of_standalone() -> None:
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "cli" / "commands" / "standalone_command.py").read_text()
    assert all(f'command=["{name}"]' in text for name in airflow_component.COMPONENTS)
    assert text.count("command=[") == len(airflow_component.COMPONENTS)
