"""The auditors' page in a real browser: from disk, offline, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from include.audit.export import audit, write
from include.catalog.load import load
from include.evidence.stores import Stores, open_store
from include.settings import PROJECT
from tests.unit.evidence_samples import a_drill, a_verification

if TYPE_CHECKING:
    from playwright.sync_api import Page

START = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("audit")
    stores = Stores([open_store(str(folder / "store"), "north")])
    loaded = load(PROJECT / "include" / "platforms" / "example")
    for number, name in enumerate(loaded.catalog.datastores()):
        service, _, datastore = name.partition("/")
        for week in range(4):
            at = START + (week * 7 + number % 3) * DAY + timedelta(hours=3)
            wicked = "<img src=x onerror=alert(1)> " + "x" * 90
            stores.write_record(a_drill(service, datastore, at, "failed" if week == 2 else "passed", summary=wicked))
            stores.write_record(a_verification(service, datastore, at - timedelta(hours=1)))
    write(audit(loaded, list(stores), None, START, START + 28 * DAY, START + 60 * DAY), folder / "out")
    return (folder / "out" / "audit.html").read_text()


@pytest.mark.parametrize("viewport", [None, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_on_a_desk_and_on_a_phone(
    visit: Callable[..., Page], html: str, viewport: dict[str, int] | None, scheme: str
) -> None:
    page = visit(html, None, color_scheme=scheme, **({"viewport": viewport} if viewport else {}))
    assert page.locator("#rows tr").count() > 50
    assert page.locator("#rows tr").first.inner_text().count("missed") == 1
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("#rows img").count() == 0
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    assert light is (scheme == "light")
