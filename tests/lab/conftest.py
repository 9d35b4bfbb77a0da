"""Labs for tests: one that is healthy and one with every fault, each made once a session on ports of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab_homes import running_lab

from include.lab import accounts, environment
from include.lab import lab as the_lab
from include.lab.faults import board
from include.lab.state import LabState


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


@pytest.fixture(scope="session")
def small_lab() -> Iterator[LabState]:
    """A healthy lab; the environment is not touched."""
    with running_lab() as lab:
        yield lab


@pytest.fixture
def lab(small_lab: LabState) -> Iterator[LabState]:
    """The healthy lab with its variables set: connections, sandbox root, binaries, as the example platform needs them."""
    with in_environment(small_lab):
        yield small_lab


@pytest.fixture(scope="session")
def broken_lab() -> Iterator[LabState]:
    """Another lab with every fault planted, each on its own service."""
    with running_lab() as lab:
        board.plant_all(lab.home, tell=lambda _: None)
        yield lab
