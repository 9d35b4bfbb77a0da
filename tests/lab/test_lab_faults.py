"""Every fault is really there: shown with PostgreSQL's own programs and restores by hand, not with Drillyard's checks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from lab_restores import QUIET, restored

from include.lab import backups, dangers, fleet, postgres
from include.lab.faults import board
from include.lab.faults.of_backups import folders, segments, stored
from include.lab.postgres import CommandFailed
from include.values import utcnow

SLUGS = {
    *("backup-exists", "recovery-point-age", "restorable-time-age", "manifest", "wal-continuity", "size-history", "copy-exists"),
    *("copy-age", "store-encryption", "store-retention", "version", "restore-ready", "database-amcheck", "database-checksums"),
    *("database-constraints", "database-sequences", "expectations", "rpo", "rto"),
}


@pytest.fixture(scope="module")
def faults(broken_lab):
    return {item.fault: item for item in board.planted(broken_lab.home)}


@pytest.fixture
def place(broken_lab, faults):
    """A fault's server, database, backup folder and copy folder."""

    def of(fault):
        server, database = fleet.find(faults[fault].service)
        return server, database, *folders(broken_lab, server, database)

    return of


def verifies(lab, server, backup) -> str:
    """Empty when pg_verifybackup is content, else what it says."""
    try:
        postgres.run(lab.cluster(server.name), "pg_verifybackup", "-q", backup)
    except CommandFailed as error:
        return str(error)
    return ""


def schema_and_data(lab, server, dump, *options) -> str:
    return postgres.run(lab.cluster(server.name), "pg_restore", "-f", "-", *options, dump)


def gaps(names: list[str]) -> int:
    numbers = [int(name[8:16], 16) * (1 << 12) + int(name[16:], 16) for name in names]
    return sum(1 for one, other in pairwise(numbers) if other != one + 1)


def test_all_nine_are_planted_on_services_of_their_own_and_enough_stay_healthy(broken_lab, faults):
    assert set(faults) == set(board.FAULTS)
    assert len(faults) == 9
    broken = {item.service for item in faults.values()}
    everyone = {database.service for server in fleet.SERVERS for database in server.databases}
    assert len(broken) == 9
    assert len(everyone - broken) >= 6
    assert "order-intake" not in broken
    for item in faults.values():
        _, database = fleet.find(item.service)
        asked = {f"question:{question.name}" for question in backups.questions(database)}
        assert item.must
        assert set(item.must) | set(item.may) <= SLUGS | asked
        assert not set(item.must) & set(item.may)
        assert item.datastore == database.datastore


def test_stale_backup(broken_lab, place):
    server, _, here, there = place("stale-backup")
    for folder in (here, there):
        (only,) = stored(folder)
        began = re.search(r"START TIME: (.{19}) UTC", (only / "backup_label").read_text())[1]
        assert utcnow() - datetime.fromisoformat(began).replace(tzinfo=UTC) > timedelta(days=8)
        assert utcnow() - datetime.fromtimestamp((only / "backup_label").stat().st_mtime, UTC) > timedelta(days=8)
        assert verifies(broken_lab, server, only) == ""
    with restored(broken_lab, server.name) as copy:
        assert postgres.scalar(copy, "parcels", "SELECT count(*) FROM carriers") == 3


def test_no_copy(broken_lab, place):
    server, database, here, there = place("no-copy")
    assert stored(here)
    assert stored(there) == []
    made = backups.back_up_database(broken_lab, server, database)
    assert stored(there) == []
    backups.discard(made)


def test_truncated_base_backup(broken_lab, place):
    server, _, here, there = place("truncated-base-backup")
    assert "on disk but size" in verifies(broken_lab, server, backups.newest(here))
    assert verifies(broken_lab, server, backups.newest(there)) == ""


def test_missing_wal_segment(broken_lab, place):
    server, _, here, _ = place("missing-wal-segment")
    inside = max(path.name for path in (backups.newest(here) / "pg_wal").iterdir() if len(path.name) == 24)
    for copy in (False, True):
        later = [name for name in segments(backups.wal_folder(broken_lab, server, copy=copy)) if name >= inside]
        assert gaps(later) == 1
        assert len(later) >= 3
    healthy = fleet.server("orders-db")
    start = min(path.name for path in (backups.newest(backups.base_folder(broken_lab, healthy)) / "pg_wal").iterdir())
    assert start.startswith("0000")
    assert verifies(broken_lab, server, backups.newest(here)) == ""


def test_emptied_table(broken_lab, place, faults):
    server, database, here, _ = place("emptied-table")
    first, *_, last = stored(here)
    table = faults["emptied-table"].undo["table"]
    rows = [len(schema_and_data(broken_lab, server, dump, "-a", "-t", table).splitlines()) for dump in (first, last)]
    assert rows[0] > rows[1] + 100
    assert f"question:{database.service} have lines" in faults["emptied-table"].must


def test_dropped_constraint(broken_lab, place, faults):
    server, _, here, _ = place("dropped-constraint")
    first, *_, last = stored(here)
    name = faults["dropped-constraint"].undo["name"]
    assert name in schema_and_data(broken_lab, server, first, "-s")
    assert name not in schema_and_data(broken_lab, server, last, "-s")


def test_sequence_behind_key(broken_lab, place, faults):
    server, _, here, _ = place("sequence-behind-key")
    sequence = faults["sequence-behind-key"].undo["sequence"]
    script = schema_and_data(broken_lab, server, backups.newest(here), "-a")
    assert f"setval('{sequence}', 1, true)" in script
    table = faults["sequence-behind-key"].undo["table"]
    assert len(schema_and_data(broken_lab, server, backups.newest(here), "-a", "-t", table).splitlines()) > 50


def test_index_corrupt(broken_lab, place, faults):
    server, database, here, _ = place("index-corrupt")
    assert verifies(broken_lab, server, backups.newest(here)) == ""
    index = faults["index-corrupt"].undo["index"]
    with restored(broken_lab, server.name) as copy:
        postgres.execute(copy, database.name, "CREATE EXTENSION amcheck")
        with pytest.raises(CommandFailed, match=f'order invariant violated for index "{index}"'):
            postgres.run(copy, "pg_amcheck", "-d", database.name)
        others = ("pg_amcheck", "-d", database.name, "-I", index)
        postgres.run(copy, *others)
        postgres.stop(copy)
        postgres.run(copy, "pg_checksums", "--check", "-D", copy.data)


@pytest.mark.parametrize(
    "settings", [QUIET, {**QUIET, "wal_level": "minimal", "max_wal_senders": "0"}], ids=["replica", "minimal"]
)
def test_never_ready(broken_lab, place, settings):
    server, _, here, _ = place("never-ready")
    newest = backups.newest(here)
    assert verifies(broken_lab, server, newest) == ""
    start = re.search(r"\(file ([0-9A-F]{24})\)", (newest / "backup_label").read_text())[1]
    for copy in (False, True):
        assert gaps([n for n in segments(backups.wal_folder(broken_lab, server, copy=copy)) if n >= start]) == 0
    with (
        pytest.raises(CommandFailed, match='FATAL:  WAL was generated with "wal_level=minimal", cannot continue recovering'),
        restored(broken_lab, server.name, QUIET | settings),
    ):
        raise AssertionError("it became ready")
    with restored(broken_lab, server.name, roll_forward=False) as copy:
        assert postgres.scalar(copy, "postings", "SELECT count(*) FROM documents") > 0


def test_the_damage_keeps_to_its_service_and_production_goes_on(broken_lab, faults):
    for server in fleet.SERVERS:
        assert postgres.running(broken_lab.cluster(server.name)) is not None
    broken = {item.service for item in faults.values()}
    for server in fleet.SERVERS:
        if server.physical and not broken & {database.service for database in server.databases}:
            newest = backups.newest(backups.base_folder(broken_lab, server))
            assert verifies(broken_lab, server, newest) == ""
            start = re.search(r"\(file ([0-9A-F]{24})\)", (newest / "backup_label").read_text())[1]
            assert gaps([n for n in segments(backups.wal_folder(broken_lab, server)) if n >= start]) == 0
    assert dangers.touched(broken_lab) == []


def test_a_fault_is_planted_once_and_only_where_it_fits(broken_lab, faults):
    assert board.plant(broken_lab.home, "stale-backup") == faults["stale-backup"]
    with pytest.raises(ValueError, match="mend it first"):
        board.plant(broken_lab.home, "no-copy", "shipping")
    with pytest.raises(ValueError, match="another kind; possible: order-intake"):
        board.plant(broken_lab.home, "never-ready", "analytics")
    with pytest.raises(KeyError, match="known: stale-backup"):
        board.plant(broken_lab.home, "fire")
    with pytest.raises(KeyError, match="known: order-intake"):
        board.plant(broken_lab.home, "no-copy", "nobody")


def test_zz_mending_takes_every_fault_back(broken_lab):
    """Last in this file: afterwards the lab is healthy again."""
    assert len(board.mend(broken_lab.home)) == 9
    assert board.planted(broken_lab.home) == []
    for fault in board.FAULTS.values():
        server, database = fleet.find(fault.service)
        here, there = folders(broken_lab, server, database)
        newest = backups.newest(here)
        assert newest.name == backups.newest(there).name
        if server.physical:
            assert verifies(broken_lab, server, newest) == ""
            start = re.search(r"\(file ([0-9A-F]{24})\)", (newest / "backup_label").read_text())[1]
            assert gaps([n for n in segments(backups.wal_folder(broken_lab, server)) if n >= start]) == 0
            assert utcnow() - datetime.fromtimestamp((newest / "backup_label").stat().st_mtime, UTC) < timedelta(hours=1)
    for name in ("erp-db", "pricing-db"):
        with restored(broken_lab, name) as copy:
            database = fleet.server(name).databases[0].name
            postgres.execute(copy, database, "CREATE EXTENSION amcheck")
            postgres.run(copy, "pg_amcheck", "-d", database)
    shared = broken_lab.cluster("shared-db")
    assert postgres.scalar(shared, "returns", "SELECT count(*) FROM return_lines") > 100
    assert postgres.scalar(shared, "partner_messages", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 1
    assert postgres.scalar(shared, "portal", "SELECT nextval('profiles_profile_id_seq')") > 50
