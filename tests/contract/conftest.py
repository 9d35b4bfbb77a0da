"""One harness a cloud, made once for the whole suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import HARNESSES, Harness


@pytest.fixture(scope="session", params=sorted(HARNESSES))
def cloud(request: pytest.FixtureRequest) -> Iterator[Harness]:
    with HARNESSES[request.param]() as made:
        yield made
