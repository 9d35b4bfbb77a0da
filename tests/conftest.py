"""What holds for every test: nothing of the caller's Airflow or clouds leaks in, and unit tests have no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from include.lab import airflow_home
from tests.chromium import chromium

TESTS = Path(__file__).parent
UNIT, BROWSER = TESTS / "unit", TESTS / "browser"
LONGEST_FIRST = ("lab", "dags", "contract", "browser", "unit")
NOT_RUN = "browser tests not run: no Chromium here; install one (Debian: chromium) or name it in DRILLYARD_CHROMIUM"
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Unit tests may not open a socket, except a Unix one (asyncio needs it). Without a browser, its tests are not run.

    Side by side, files that take long begin first, so that no worker is alone with one at the end.
    """
    for item in items:
        if UNIT in item.path.parents:
            item.add_marker(pytest.mark.disable_socket)
    if chromium() is None:
        ours = [item for item in items if BROWSER in item.path.parents]
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(TESTS).parts[0]))


def _not_run(config: pytest.Config) -> bool:
    """Whether the browser's tests were asked for, and there is none. Asked of the arguments: workers collect on their own."""
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return chromium() is None and any(path == BROWSER or BROWSER in path.parents or path in BROWSER.parents for path in asked)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _not_run(config):
        terminalreporter.write_line(NOT_RUN, yellow=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A machine without a browser has not failed, also when nothing but these tests was asked for."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and _not_run(session.config):
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture
def project() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent
