"""A real browser for the page. Where a machine has none, these tests are not run, and the report says so in one line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.readiness_samples import NOW

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
KNOWN = (
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
NOT_RUN = "browser tests not run: no Chromium here; install one (Debian: chromium) or name it in DRILLYARD_CHROMIUM"


def chromium() -> str | None:
    """The browser to use: ``DRILLYARD_CHROMIUM``, the PATH, or where systems install it."""
    named = os.environ.get("DRILLYARD_CHROMIUM")
    names = [named] if named else [*map(shutil.which, ("chromium", "chromium-browser", "google-chrome")), *KNOWN]
    return next((name for name in names if name and Path(name).is_file()), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if chromium() is not None:
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
        config.stash[_DESELECTED] = len(ours)


_DESELECTED = pytest.StashKey[int]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    count = config.stash.get(_DESELECTED, 0)
    if count:
        terminalreporter.write_line(f"{count} {NOT_RUN}", yellow=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A machine without a browser has not failed, also when nothing but these tests was asked for."""
    if session.config.stash.get(_DESELECTED, 0) and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for each file: as long as it is open, Playwright's event loop runs in this thread and asyncio's cannot."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a page from disk, offline, at an instant (None: now). A console or script error or any request fails the test."""
    contexts, wrong = [], []

    def open_(html: str, now: datetime | None = NOW, **options: object) -> Page:
        file = tmp_path / "readiness.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            offline=True, **{"viewport": {"width": 1440, "height": 1000}, "reduced_motion": "reduce", **options}
        )  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda request: wrong.append(request.url) if not request.url.startswith(("file://", "data:")) else None
        )
        if now is not None:
            page.clock.install(time=now)
        page.goto(file.as_uri())
        page.wait_for_selector("#rows tr")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []
