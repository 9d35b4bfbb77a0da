"""What holds for every test: nothing of the caller's Airflow or clouds leaks in, and unit tests have no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from include.lab import airflow_home

UNIT = Path(__file__).parent / "unit"
SCRATCH = Path(tempfile.mkdtemp(prefix="drillyard-tests-"))


def isolate() -> None:
    """Take the caller's settings and credentials out of this process, before anything reads them.

    Airflow looks at AIRFLOW_HOME when it is first imported, wherever that happens: so it gets a throw-away one now.
    """
    atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
    kept = {
        name: value
        for name, value in airflow_home.inherited(os.environ).items()
        if not name.startswith(("AIRFLOW", "DRILLYARD")) or name == "DRILLYARD_CHROMIUM"  # where the browser tests find theirs
    }
    ours = airflow_home.airflow_environment(SCRATCH / "airflow", {}, environ=kept)
    os.environ.clear()
    os.environ.update(
        kept | {name: value for name, value in ours.items() if name.startswith(("AIRFLOW", "AWS_", "GX_", "DO_NOT"))}
    )


isolate()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests may not open a socket, except a Unix one (asyncio needs it)."""
    for item in items:
        if UNIT in item.path.parents:
            item.add_marker(pytest.mark.disable_socket)


@pytest.fixture
def project() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent
