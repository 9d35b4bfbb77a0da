"""Labs for tests: one that is healthy and one with every fault, each made once a session on ports of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_homes import in_environment, running_lab

from include.lab.faults import board
from include.lab.state import LabState


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
