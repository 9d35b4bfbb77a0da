from datetime import UTC, datetime, timedelta

import pytest
from catalog_files import HARBOUR, harbour, loaded

from include.catalog.load import Loaded, load
from include.recovery.model import PlanItem, Request
from include.recovery.plan import plan

QUIET = datetime(2026, 11, 23, 2, tzinfo=UTC)
PEAK = datetime(2026, 11, 28, 2, tzinfo=UTC)
STARTS = datetime.fromisoformat("2026-11-27T00:00:00+01:00")
ENDS = datetime.fromisoformat("2026-12-01T00:00:00+01:00")
TICK = timedelta(microseconds=1)
PLATFORM = load(HARBOUR, {})


def orders(now: datetime = QUIET, found: Loaded = PLATFORM, service: str = "orders", **more: object) -> PlanItem:
    (item,) = plan(found, {}, now, only=[service], ignore_due=True, **more)
    return item


def asks(who: str, **more: object) -> Request:
    return Request(requested_by=who, reason="to be sure", **more)


def test_nothing_holds_a_quiet_night():
    assert orders().held is None


@pytest.mark.parametrize("request_", [None, asks("grace", override_blackout="must")])
def test_a_global_stop_holds_everything(request_):
    items = plan(PLATFORM, {}, QUIET, stopped="fire drill (grace)", request=request_, ignore_due=True)
    assert len(items) == 4 and all("everything is stopped: fire drill (grace)" in item.held for item in items)


@pytest.mark.parametrize(("now", "held"), [(STARTS - TICK, False), (STARTS, True), (ENDS - TICK, True), (ENDS, False)])
def test_a_blackout_holds_the_schedule_at_its_very_boundaries(now, held):
    assert (orders(now).held is not None) is held


def test_a_blackout_says_which_and_until_when_and_spares_other_tiers():
    assert orders(PEAK).held == "blackout peak-season until 2026-11-30 23:00 UTC (the busiest week of the year)"
    assert orders(PEAK, service="analytics").held is None


@pytest.mark.parametrize(
    ("request_", "hold"),
    [
        (asks("ada"), "ada may not override it (may: grace)"),
        (asks("ada", override_blackout="I want to"), "ada may not override it"),
        (asks("grace"), "grace may override it with a reason (override_blackout)"),
        (asks("grace", override_blackout="  "), "grace may override it with a reason"),
        (asks("grace", override_blackout="the vendor asks for proof"), None),
        (asks("grace@harbour.example", override_blackout="by mail address"), None),
    ],
)
def test_only_a_named_person_with_a_reason_drills_in_a_blackout(request_, hold):
    held = orders(PEAK, request=request_).held
    assert held is None if hold is None else hold in held


def test_the_schedule_cannot_override():
    assert orders(PEAK, request=Request(override_blackout="please")).held is not None


@pytest.mark.parametrize(("who", "may"), [("ada", True), ("grace", True), ("stranger", False)])
def test_who_may_ask_for_a_drill(who, may):
    held = orders(request=asks(who)).held
    assert held is None if may else "stranger may not ask for drills of orders (requests.may_drill: orders, grace)" in held


def test_anyone_may_ask_where_nobody_is_named():
    assert orders(service="identity", request=asks("stranger")).held is None


def test_who_may_keep(tmp_path):
    found = loaded(tmp_path, ("services/orders.yaml", "[corner-shops, pharma-one]", "[corner-shops]"))
    hour = timedelta(hours=1)
    assert orders(found=found, request=asks("ada", keep=hour)).held is None
    assert (
        "grace may not keep a sandbox of orders (requests.may_keep: ada)"
        in orders(found=found, request=asks("grace", keep=hour)).held
    )
    assert orders(found=found, service="identity", request=asks("stranger", keep=hour)).held is None


def test_a_regulated_tenants_data_is_never_kept():
    assert "pharma-one's data must not be kept" in orders(request=asks("ada", keep=timedelta(minutes=1))).held
    assert orders(request=asks("ada")).held is None


def test_a_drill_above_the_cap_is_held(tmp_path):
    found = loaded(tmp_path, ("services/analytics.yaml", "size_hint_gb: 2", "size_hint_gb: 200"))
    item = orders(found=found, service="analytics")
    assert item.forecast.cost > item.forecast.cap
    assert f"forecast {item.forecast.cost} EUR for 1h7m40s is above the cap of 0.5" in item.held
    assert "tiers.tier-3.drill_cost_cap" in item.held


def test_keeping_counts_against_the_cap():
    item = orders(service="analytics", request=asks("ada", keep=timedelta(days=2)))
    assert "2d of keeping is above the cap" in item.held


@pytest.mark.parametrize("change", ["missing", "broken", "other cloud"])
def test_without_prices_there_is_no_cap_so_nothing_runs(tmp_path, change):
    base = harbour(tmp_path)
    if change == "missing":
        (base / "rates.yaml").unlink()
    elif change == "broken":
        (base / "rates.yaml").write_text("rates: [")
    else:
        (base / "rates.yaml").write_text("source: none\nrates: {}\n")
    assert "rates.yaml has no usable prices for selfhosted" in orders(found=load(base, {})).held


def test_every_reason_is_given():
    item = orders(PEAK, request=asks("stranger", keep=timedelta(hours=1)), stopped="storm")
    assert len(item.held.split("; ")) >= 5
    for part in ("storm", "peak-season", "may not ask", "may not keep", "regulated"):
        assert part in item.held
