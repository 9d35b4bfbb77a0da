"""The dangers are real: a copy that is started carelessly touches production, and `dangers.touched` tells of each way."""

from __future__ import annotations

import time

import pytest
from lab_restores import copied, restored

from include.lab import backups, dangers, fleet, postgres


@pytest.fixture
def production(small_lab):
    """Undisturbed before and after."""
    dangers.note_baseline(small_lab)
    assert dangers.touched(small_lab) == []
    yield small_lab
    postgres.execute(small_lab.cluster(dangers.TELLER), "postgres", "TRUNCATE touches")
    dangers.note_baseline(small_lab)
    assert dangers.touched(small_lab) == []


def test_the_backup_carries_every_danger(small_lab):
    newest = backups.newest(backups.base_folder(small_lab, fleet.server(dangers.VICTIM)))
    auto = (newest / "postgresql.auto.conf").read_text()
    assert str(backups.wal_folder(small_lab, fleet.server(dangers.VICTIM))) in auto
    assert "shared_preload_libraries = 'pg_stat_statements'" in auto
    assert "session_preload_libraries = 'auto_explain'" in auto
    with restored(small_lab, dangers.VICTIM) as copy:
        assert postgres.scalar(copy, "stock", "SELECT subenabled FROM pg_subscription") is True
        assert postgres.scalar(copy, "stock", "SELECT srvname FROM pg_foreign_server") == "billing_production"
        assert postgres.scalar(copy, "stock", "SELECT count(*) FROM pg_user_mappings") == 1


def test_production_itself_follows_orders_and_is_not_counted(production):
    feed = postgres.scalar(production.cluster(dangers.VICTIM), "stock", "SELECT count(*) FROM order_events")
    deadline = time.monotonic() + 20
    while postgres.scalar(production.cluster(dangers.VICTIM), "stock", "SELECT count(*) FROM order_events") <= feed:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert dangers.touched(production) == []


def test_a_login_on_a_careless_copy_writes_to_billing(production):
    settings = {"archive_mode": "off", "max_logical_replication_workers": "0"}
    with restored(production, dangers.VICTIM, settings) as copy:
        assert postgres.scalar(copy, "stock", "SELECT 1") == 1
        found = dangers.touched(production)
    assert len(found) == 1
    assert found[0].startswith("foreign server: ")
    assert str(copy.data) in found[0]


def test_a_careless_copy_reaches_for_the_subscription(production):
    with restored(production, dangers.VICTIM, {"archive_mode": "off", "event_triggers": "off"}):
        deadline = time.monotonic() + 20
        while not (found := dangers.touched(production)):
            assert time.monotonic() < deadline
            time.sleep(0.3)
    assert all(line.startswith("subscription: ") for line in found)


def test_a_careless_copy_archives_into_production(production):
    settings = {"max_logical_replication_workers": "0", "event_triggers": "off"}
    archive = backups.wal_folder(production, fleet.server(dangers.VICTIM))
    before = {path.name for path in archive.iterdir()}
    try:
        with restored(production, dangers.VICTIM, settings) as copy:
            postgres.execute(copy, "stock", "CREATE TABLE left_behind ()", "SELECT pg_switch_wal()")
            deadline = time.monotonic() + 20
            while not (found := dangers.touched(production)):
                assert time.monotonic() < deadline
                time.sleep(0.3)
        assert all(line.startswith("archive: ") for line in found)
        assert any("00000002" in line for line in found)
    finally:
        for copy_too in (False, True):
            for path in backups.wal_folder(production, fleet.server(dangers.VICTIM), copy=copy_too).iterdir():
                if path.name not in before and path.name.startswith("00000002"):
                    path.unlink()


def test_a_copy_that_is_never_started_touches_nothing(production):
    with copied(production, dangers.VICTIM, roll_forward=False):
        assert dangers.touched(production) == []
