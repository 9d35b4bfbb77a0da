"""The cost page in a real browser: offline, no error, sorts, filters, readable on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.costs.report import write_report
from include.costs.synthetic import write_bills
from include.settings import PROJECT

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("costs")
    write_bills(folder / "bills", months=("2026-09", "2026-10"))
    example = PROJECT / "include" / "platforms" / "example"
    write_report(folder / "bills", example, folder / "out", now=datetime(2026, 11, 6, tzinfo=UTC), month="2026-10")
    return folder / "out" / "index.html"


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 390, "height": 844}},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    ],
)
def test_the_page_works_offline(browser: Browser, page_file: Path, options: dict[str, object]) -> None:
    context = browser.new_context(offline=True, **options)  # type: ignore[arg-type]
    wrong: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(("file://", "data:")) else None)
    page.goto(page_file.as_uri())
    rows = page.locator("#shares tbody tr")
    every = rows.count()
    page.get_by_label("Filter").fill("erp-connector")
    shown = page.locator("#shares tbody tr:visible").count()
    assert 0 < shown < every
    page.get_by_label("Filter").fill("")
    page.locator("#shares th button", has_text="Cost").click()
    costs = [float(v) for v in page.locator("#shares tbody td:nth-child(6)").evaluate_all("cells => cells.map(c => c.dataset.v)")]
    assert costs == sorted(costs, reverse=True) and len(costs) == every
    page.locator("#shares th button", has_text="Cost").click()
    assert page.locator("#shares th[aria-sort=ascending]").count() == 1
    assert page.locator("svg.picture").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert wrong == []
