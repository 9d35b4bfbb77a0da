"""The readiness page in a real browser, opened from disk without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.evidence.page import page as render
from include.evidence.readiness import readiness
from include.evidence.readiness_model import KitLine, Readiness, Seal, Uncatalogued
from include.recovery.model import Check, Outcome
from tests.unit.evidence_samples import a_drill
from tests.unit.readiness_samples import DAY, NOW, STOP, a_canary, a_loaded, a_platform, a_service, proven

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.fixture(scope="module")
def html() -> str:
    return render(a_platform())


def small(**changed: object) -> Readiness:
    """Two services, proven a day ago."""
    services = [a_service("orders"), a_service("prices", "tier-2", owner="finance-systems")]
    report = readiness(a_loaded(*services), replace(proven(*services), canaries=[a_canary()]), None, NOW)
    kit = KitLine(kit_id="20260101T000000.000000Z", written_at=NOW - timedelta(hours=1), problems=(), evidence_id="kit")
    return report.model_copy(update={"kit": kit, **changed})


def column(page: Page, number: int) -> list[str]:
    return [text.strip().split("\n")[0] for text in page.locator(f"#rows tr.row > td:nth-child({number})").all_inner_texts()]


def state_of(page: Page, service: str) -> str:
    return page.locator(f"#s-{service} > td:nth-child(2)").inner_text().split()[-1]


def test_shows_every_service_with_unknown_stale_and_failed_first(visit: Visit, html: str) -> None:
    page = visit(html)
    states = [text.split()[-1] for text in column(page, 2)]
    order = ["unknown", "stale", "failed", "proven", "n/a"]
    assert len(states) == 15 and states == sorted(states, key=order.index) and set(states) == set(order)
    assert page.locator("#count").inner_text() == "15 services"


def test_sorts_by_any_column_both_ways(visit: Visit, html: str) -> None:
    page = visit(html)
    header = page.locator("th[data-key=service]")
    header.locator("button").click()
    names = column(page, 1)
    assert names == sorted(names) and header.get_attribute("aria-sort") == "ascending"
    header.locator("button").click()
    assert column(page, 1) == sorted(names, reverse=True) and header.get_attribute("aria-sort") == "descending"
    assert page.locator("th[aria-sort]").count() == 1
    for key in ("state", "tier", "rpo", "rto", "age", "chain", "findings"):
        page.locator(f"th[data-key={key}] button").click()
        assert len(column(page, 1)) == 15
    page.locator("th[data-key=age] button").click()
    assert column(page, 6)[0] in ("never", "–")  # noqa: RUF001


def test_filters_by_text_state_tier_and_owner(visit: Visit, html: str) -> None:
    page = visit(html)
    page.fill("#find", "amcheck")
    assert column(page, 1) == ["returns"]
    page.fill("#find", "no such thing")
    assert page.locator("#rows").inner_text() == "No service fits these filters."
    page.fill("#find", "")
    page.click("button[data-state=failed]")
    assert {text.split()[-1] for text in column(page, 2)} == {"failed"}
    assert page.locator("button[data-state=failed]").get_attribute("aria-pressed") == "true"
    page.click("button[data-state=stale]")
    assert {text.split()[-1] for text in column(page, 2)} == {"failed", "stale"}
    page.click("button[data-state=stale]")
    page.click("button[data-state=failed]")
    page.select_option("#tier", "tier-2")
    assert set(column(page, 3)) == {"tier-2"}
    page.select_option("#owner", "commerce")
    assert page.locator("#count").inner_text() == f"{len(column(page, 1))} of 15 services"


def test_turns_stale_by_itself_while_it_is_open(visit: Visit) -> None:
    page = visit(render(small()))
    assert state_of(page, "orders") == "proven" and page.locator(".banner.bad").count() == 0
    assert page.locator("#s-orders .age").inner_text() == "1d"
    page.clock.fast_forward(timedelta(hours=3).total_seconds() * 1000)
    page.wait_for_selector(".banner.bad")
    assert "This page is old" in page.locator("#banners").inner_text()
    assert page.locator("#s-orders .age").inner_text() == "1d 3h" and state_of(page, "orders") == "proven"
    page.clock.fast_forward((2 * DAY).total_seconds() * 1000)
    page.wait_for_selector("#s-orders .stale")
    assert state_of(page, "orders") == state_of(page, "prices") == "stale"
    assert "stale since" in page.locator("#s-orders").inner_text()
    assert "1 stale" in page.locator("#tiers tr").first.inner_text()
    assert page.locator("button[data-state=stale]").inner_text().endswith("2 stale")


def test_opened_two_days_later_it_is_not_green(visit: Visit) -> None:
    """A scheduler that died two days ago: nobody wrote a newer page."""
    page = visit(render(small()), now=NOW + 2 * DAY)
    assert state_of(page, "orders") == "stale" and page.locator(".mark.proven").count() == 0
    assert "Nobody publishes any more" in page.locator("#banners").inner_text()


def test_detail_shows_every_check_the_phases_and_the_docs(visit: Visit, html: str) -> None:
    page = visit(html)
    button = page.locator("button[data-service=pricing]")
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    detail = page.locator("tr.detail")
    assert detail.locator(".checks").first.locator("tbody tr").count() == 15
    assert detail.locator(".checks tbody tr").first.inner_text().startswith("✘ failed")
    assert detail.locator(".timeline i").count() == 4 and "restore" in detail.locator(".legend").inner_text()
    assert (detail.locator("a", has_text="Data Docs").get_attribute("href") or "").startswith("data-docs/pricing.main.")
    assert "20261120T120035.000000Z-drill-pricing.main" in detail.inner_text()
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 0 and button.get_attribute("aria-expanded") == "false"


def test_the_address_can_name_a_service(visit: Visit, html: str) -> None:
    page = visit(html)
    page.fill("#find", "identity")
    page.evaluate("location.hash = 'warehouse-events'")
    page.wait_for_selector("#s-warehouse-events + tr.detail")
    assert page.locator("#find").input_value() == ""


def test_a_keyboard_reaches_everything(visit: Visit, html: str) -> None:
    page = visit(html)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator("a.skip").bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "services"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Service"
    page.keyboard.press("Space")
    assert page.locator("th[data-key=service]").get_attribute("aria-sort") == "ascending"
    controls = "[...document.querySelectorAll('button,input,select,a[href]')]"
    named = "e.textContent.trim() || e.title || e.labels?.[0]?.textContent.trim()"
    names = page.evaluate(f"{controls}.filter(e => !({named})).map(e => e.outerHTML)")
    assert names == [], "a control without a name"
    assert page.locator("table:not(:has(caption))").count() == 0


def test_state_is_said_in_words_and_marks_not_by_colour_alone(visit: Visit, html: str) -> None:
    page = visit(html)
    for text in page.locator(".mark").all_inner_texts():
        mark, _, word = text.partition(" ")
        assert mark in "✔✘◷?·◐" and word.split()[-1] in ("proven", "failed", "stale", "unknown", "n/a")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(visit: Visit, html: str, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) of text on what lies behind it, for every text that is shown."""
    page = visit(html, color_scheme=scheme)
    page.click("button[data-service=pricing]")
    poor = page.evaluate(CONTRAST)
    assert poor == []
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if scheme == "light" else "light")
    assert page.evaluate(CONTRAST) == []


def test_on_a_phone_nothing_runs_over_the_edge(visit: Visit, html: str) -> None:
    page = visit(html, viewport={"width": 390, "height": 844})
    page.click("button[data-service=pricing]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    label = "getComputedStyle(document.querySelector('#s-pricing td[data-label]'), '::before').content"
    assert page.evaluate(label) == '"RPO proven / target"'
    page.select_option("#sort", "service")
    assert column(page, 1) == sorted(column(page, 1))


def test_prints_all_rows_without_the_controls(visit: Visit, html: str) -> None:
    page = visit(html)
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible() and not page.locator("#theme").is_visible()
    assert page.locator("#rows tr.row").count() == 15
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_stop_seal_canary_and_doubles_are_said_plainly(visit: Visit) -> None:
    seal = Seal(word="BROKEN", head="7:" + "a" * 64, findings=("north: altered records/x: link 3 sealed …",))
    services = [a_service("orders")]
    evidence = proven(*services)
    doubled = a_drill("orders", "main", NOW - DAY, doubles=("RDS control plane",))
    drills = {"orders/main": doubled}
    stray = Uncatalogued(database="shadow", cloud="selfhosted", region="dc-south", seen_at=NOW)
    missed = [a_canary("failed", summary="nothing refused it"), a_canary("unknown", summary="no point to spoil")]
    evidence = replace(evidence, drills=drills, passed=drills, canaries=missed, uncatalogued=[stray])
    report = readiness(a_loaded(*services), evidence, STOP, NOW, seal=seal)
    text = visit(render(report)).locator("#banners").inner_text()
    for part in (
        "Everything is stopped",
        "ines-holm",
        "not as it was sealed",
        "north: altered records/x",
        "canary was not caught",
        "nothing refused it",
        "none could be made",
        "shadow (selfhosted dc-south)",
    ):
        assert part in text
    assert "doubles and not the real thing: RDS control plane" in text
    assert "No canary" in visit(render(small(canaries=()))).locator("#banners").inner_text()
    assert "No cold kit" in visit(render(small(kit=None))).locator("#banners").inner_text()
    lacking = small().kit.model_copy(update={"problems": ("orders/main: no recovery point is known",)})  # type: ignore[union-attr]
    assert "orders/main: no recovery point" in visit(render(small(kit=lacking))).locator("#banners").inner_text()
    page = visit(render(small()))
    assert page.locator("#banners").inner_text() == ""
    page.clock.fast_forward((2 * DAY).total_seconds() * 1000)
    assert "canary is old" in page.locator("#banners").inner_text()
    assert "cold kit is old" in page.locator("#banners").inner_text()


def test_what_a_database_says_is_never_run_as_html(visit: Visit) -> None:
    evil = "</script><script>window.hurt=1</script><img src=x onerror='window.hurt=1'>"
    services = [a_service("orders")]
    evidence = proven(*services)
    checks = (Check(name=f"a{evil}", layer="business", outcome=Outcome.FAILED, measured=evil, threshold=evil, detail=evil),)
    drill = a_drill("orders", "main", NOW - DAY, "failed", summary=evil, checks=checks, why=evil)
    evidence = replace(evidence, drills={"orders/main": drill}, passed={})
    page = visit(render(readiness(a_loaded(*services, broken={"x": evil}), evidence, None, NOW)))
    page.click("button[data-service=orders]")
    assert page.evaluate("window.hurt") is None
    assert evil in page.locator("tr.detail").inner_text()


def test_a_thousand_services_and_a_year_open_in_two_seconds(visit: Visit) -> None:
    from playwright.sync_api import expect

    page = visit(render(a_platform(1000, 52)), now=None)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert page.locator("#rows tr.row").count() >= 80
    assert timing < 2000, f"the first rows stood after {timing:.0f} ms"
    expect(page.locator("#rows tr.row")).to_have_count(1001, timeout=60_000)
