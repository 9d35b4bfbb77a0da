"""What a drill's record says when a drill did not get far, and what a form asks for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from include.catalog.model import Rate
from include.recovery.conclude import EXPECTED, complete
from include.recovery.measures import cost_so_far, rpo_check
from include.recovery.model import Check, Forecast, Outcome
from include.recovery.naming import sandbox_name, sandbox_password
from include.recovery.requests import request_of


def test_what_never_ran_is_unknown_and_never_left_out() -> None:
    ran = (Check(name="restore-ready", layer="database", outcome=Outcome.PASSED),)
    lines = {check.name: check.outcome for check in complete(ran, kept=False)}
    assert lines == {"restore-ready": Outcome.PASSED} | {name: Outcome.UNKNOWN for name in EXPECTED if name != "restore-ready"}


def test_a_kept_sandbox_is_not_missing_its_cleanup() -> None:
    assert "nothing-left" not in {check.name for check in complete((), kept=True)}


def test_what_broke_a_drill_off_is_told_once_where_no_check_tells_it() -> None:
    broken = "choose broke off with Transient: connection aws_recovery, role: Could not connect"
    details = [check.detail for check in complete((), kept=False, broken=broken)]
    assert [detail for detail in details if broken in detail] == details[:1]
    halted = Check(name="recovery-point", layer="preflight", outcome=Outcome.UNKNOWN, detail="its backups cannot be read")
    assert not any(broken in check.detail for check in complete((halted,), kept=False, broken=broken))


def test_the_cost_so_far_grows_with_time_at_the_forecasts_price() -> None:
    forecast = Forecast(duration=timedelta(minutes=10), cost=Decimal("1.00"), cap=Decimal("2"), currency="EUR", basis="test")
    assert cost_so_far(forecast, timedelta(minutes=5)) == Decimal("0.50")
    assert cost_so_far(forecast, timedelta(minutes=30)) == Decimal("3.00")


def test_the_cost_is_by_duration_and_size_where_both_are_measured() -> None:
    forecast = Forecast(duration=timedelta(minutes=10), cost=Decimal("1.00"), cap=Decimal("2"), currency="EUR", basis="test")
    rate = Rate(compute_per_hour=Decimal("0.6"), storage_per_gb_month=Decimal("7.3"), transfer_per_gb=Decimal("0.01"))
    # 0.6 for an hour, 10 GB at 7.3 a month of 730 hours, 10 GB brought in
    assert cost_so_far(forecast, timedelta(hours=1), rate, 10 * 10**9) == Decimal("0.6") + Decimal("0.1") + Decimal("0.1")
    assert cost_so_far(forecast, timedelta(minutes=5), rate, None) == Decimal("0.50")


def test_a_form_asks_for_a_point_or_a_time_but_not_both() -> None:
    with pytest.raises(ValueError, match="not both"):
        request_of({"recovery_point": "p", "target_time": "2026-11-23T14:00:00+00:00"}, "ann")
    with pytest.raises(ValueError, match="no offset"):
        request_of({"target_time": "2026-11-23T14:00:00"}, "ann")
    request, target = request_of({"target_time": "2026-11-23T14:00:00+01:00", "keep_minutes": 30, "reason": "why"}, "ann")
    assert (request.requested_by, request.keep, request.reason) == ("ann", timedelta(minutes=30), "why")
    assert target.time is not None and not target.latest


def test_a_sandbox_name_fits_every_cloud_and_never_collides() -> None:
    names = {sandbox_name(f"Service-{'x' * n}.Data_{n}.2026-11-23") for n in range(50)}
    assert len(names) == 50
    assert all(len(name) <= 40 and name[0] == "d" and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)


def test_a_short_sandbox_secret_is_refused_and_roles_have_their_own_passwords() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        sandbox_password("short", "dy-a", "admin")
    secret = "s" * 32
    assert sandbox_password(secret, "dy-a", "admin") == sandbox_password(secret, "dy-a", "admin")
    assert len({sandbox_password(secret, box, role) for box in ("dy-a", "dy-b") for role in ("admin", "reader")}) == 4


def test_a_missed_rpo_names_the_newest_event_and_what_a_quiet_database_needs():
    newest = datetime(1998, 5, 6, tzinfo=UTC)
    check = rpo_check(newest + timedelta(days=3), newest, timedelta(minutes=5))
    assert check.outcome == "failed"
    assert check.detail.startswith(
        "RPO missed by 2d 23h; the newest business event in the restored data is of 1998-05-06T00:00:00"
    )
    assert "heartbeat" in check.detail and "docs/catalog.md" in check.detail
    assert rpo_check(newest, newest + timedelta(seconds=1), timedelta(0)).outcome == "passed"
