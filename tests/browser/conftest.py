"""A real browser for the page. A machine that has none does not run these tests, and says so (tests/conftest.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chromium import chromium
from tests.unit.readiness_samples import NOW

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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
