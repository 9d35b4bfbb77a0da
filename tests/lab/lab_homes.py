"""Homes for labs of tests, and labs in them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from include.lab import accounts, environment
from include.lab import lab as the_lab
from include.lab.state import LabState

ROWS = 20_000
"""Order lines: enough for every question and expectation of the example platform, made in seconds."""


def new_home() -> Path:
    """An empty folder that the server user can reach; in memory where there is room, because a lab is a thousand small files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 6 * 1024**3
    home = Path(tempfile.mkdtemp(prefix="drillyard-lab-", dir=memory if roomy else None))
    home.chmod(0o755)
    return home


@contextmanager
def running_lab(rows: int = ROWS, clouds: Sequence[str] | None = None) -> Iterator[LabState]:
    """A lab in a folder that the server user can reach; gone afterwards, processes first."""
    home = new_home()
    try:
        yield the_lab.up(home, rows=rows, clouds=clouds, fixed_ports=False, tell=lambda _: None)
    finally:
        the_lab.down(home, tell=lambda _: None)
        shutil.rmtree(home)


@contextmanager
def in_environment(lab: LabState) -> Iterator[LabState]:
    """The lab's variables in `os.environ`, as they were afterwards. Sandboxes are made outside of /dev/shm, which a
    restored server has to itself.
    """
    before = dict(os.environ)
    sandboxes = Path(tempfile.mkdtemp(prefix="drillyard-sandboxes-"))
    accounts.folder(sandboxes, lab.user, 0o700)
    os.environ.update(environment.read(lab) | {"DRILLYARD_SANDBOX_ROOT": str(sandboxes)})
    try:
        yield lab
    finally:
        os.environ.clear()
        os.environ.update(before)
        the_lab.stop_sandboxes(sandboxes)
        shutil.rmtree(sandboxes)
