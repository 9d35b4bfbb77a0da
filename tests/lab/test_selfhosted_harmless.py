"""What production has planted in its data touches nothing when a copy is restored: shown on real servers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg2
import pytest
from selfhosted_steps import SECRET, Plane, Site, ask, plane

from include.lab import postgres
from include.recovery.model import Outcome


@pytest.fixture(scope="module")
def outside() -> Iterator[Plane]:
    """A server of production's that the copy must not reach."""
    with plane() as made:
        made.run(
            "shop",
            "CREATE TABLE touches (at timestamptz DEFAULT now(), who text)",
            "CREATE TABLE feed (id int PRIMARY KEY)",
            "INSERT INTO feed SELECT generate_series(1, 10)",
            "CREATE PUBLICATION feed FOR TABLE feed",
        )
        yield made


@pytest.fixture(scope="module")
def dangerous(outside: Plane) -> Iterator[Plane]:
    """A server whose backup carries a subscription, an archive_command, foreign servers, triggers, jobs and preloads."""
    conninfo = f"host=127.0.0.1 port={outside.cluster.port} dbname=shop user=postgres password={outside.cluster.password}"
    with plane() as made:
        made.run(
            "shop",
            "CREATE EXTENSION dblink",
            "CREATE EXTENSION postgres_fdw",
            "CREATE EXTENSION file_fdw",
            "CREATE TABLE feed (id int PRIMARY KEY)",
            f"CREATE SUBSCRIPTION feed CONNECTION '{conninfo}' PUBLICATION feed",
            f"CREATE SERVER billing FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', "
            f"port '{outside.cluster.port}', dbname 'shop')",
            f"CREATE USER MAPPING FOR public SERVER billing OPTIONS (user 'postgres', password '{outside.cluster.password}')",
            "CREATE FOREIGN TABLE billing_touches (who text) SERVER billing OPTIONS (table_name 'touches')",
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
            "CREATE FOREIGN TABLE passwords (line text) SERVER files OPTIONS (filename '/etc/passwd')",
            f"""CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
                BEGIN PERFORM dblink_exec('{conninfo}',
                  format('INSERT INTO touches (who) VALUES (%L)', current_setting('data_directory')));
                EXCEPTION WHEN OTHERS THEN NULL; END $$""",
            "CREATE EVENT TRIGGER tell ON login EXECUTE FUNCTION tell()",
            "ALTER EVENT TRIGGER tell ENABLE ALWAYS",
            "CREATE SCHEMA cron",
            "CREATE TABLE cron.job (jobid int, active boolean)",
            "INSERT INTO cron.job VALUES (1, true), (2, true)",
            "ALTER ROLE postgres SET session_preload_libraries = 'auto_explain'",
            "ALTER DATABASE shop SET session_preload_libraries = 'auto_explain'",
            "ALTER DATABASE shop SET timezone = 'Europe/Berlin'",
        )
        command = str(made.scalar("SHOW archive_command")).replace("'", "''")
        made.run(
            "postgres",
            f"ALTER SYSTEM SET archive_command = '{command}'",
            "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'",
        )
        until = time.monotonic() + 30
        while made.scalar("SELECT count(*) FROM feed") != 10:
            assert time.monotonic() < until, "production's own subscription does not work"
            time.sleep(0.1)
        made.back_up("one")
        made.order(50)
        made.archived()
        yield made
        made.run("shop", "ALTER SUBSCRIPTION feed DISABLE", "ALTER SUBSCRIPTION feed SET (slot_name = NONE)")


def touched(outside: Plane, dangerous: Plane, before: set[str]) -> list[str]:
    """Every sign that somebody else than production was there."""
    own = dangerous.scalar("SELECT pid FROM pg_stat_subscription WHERE subname = 'feed' AND pid IS NOT NULL")
    followers = outside.scalar("SELECT count(*) FROM pg_stat_replication")
    rows = outside.scalar(f"SELECT count(*) FROM touches WHERE who <> '{dangerous.cluster.data}'")
    more = {path.name for path in dangerous.wal.iterdir()} - before
    strange = [name for name in more if not name.startswith("00000001")]
    found = [f"{rows} rows by the copy"] if rows else []
    found += [f"{followers} followers"] if followers != 1 or own is None else []
    return found + [f"archive: {name}" for name in strange]


@pytest.mark.parametrize("isolation", ["namespace", "configuration"])
def test_a_restored_copy_touches_nothing(outside: Plane, dangerous: Plane, isolation: str) -> None:
    log_before = outside.cluster.log.stat().st_size
    before = {path.name for path in dangerous.wal.iterdir()}
    site = Site(dangerous, isolation=isolation)
    datastore = dangerous.datastore()
    lease = site.start(datastore, site.points(datastore)["one"])
    try:
        assert site.wait(lease, datastore).status.value == "succeeded"
        checks = {one.name: one for one in site.restore.secure(lease.sandbox, datastore, SECRET)}
        assert {one.outcome for one in checks.values()} <= {Outcome.PASSED, Outcome.UNSUPPORTED}, checks
        assert checks["subscriptions-disabled"].measured == "1: feed"
        assert checks["foreign-servers-cut"].measured == "2: billing, files"
        assert checks["event-triggers-disabled"].measured == "1: tell"
        assert checks["jobs-disabled"].measured == "1: 2 in cron.job"
        assert "session_preload_libraries of postgres" in str(checks["settings-cleared"].measured)
        assert "timezone" not in str(checks["settings-cleared"].measured).lower()
        assert "archive_mode=off" in str(checks["archiving-off"].measured)
        access = site.restore.access(lease.sandbox, datastore, SECRET)
        assert ask(access, "SHOW timezone", admin=False) == "Europe/Berlin"
        # A timeline of its own and new segments: an archiver would have something to archive.
        ask(access, "SELECT pg_switch_wal()")
        ask(access, "CREATE TABLE later AS SELECT 1 AS one")
        for table in ("billing_touches", "passwords"):
            with pytest.raises(psycopg2.Error, match="has no handler"):
                ask(access, f"SELECT count(*) FROM {table}")
        with pytest.raises(psycopg2.Error):
            ask(access, "SELECT dblink_exec('billing', 'INSERT INTO touches (who) VALUES (''copy'')')")
        time.sleep(1.0)
        assert touched(outside, dangerous, before) == []
        with outside.cluster.log.open("rb") as log:
            log.seek(log_before)
            assert b"START_REPLICATION" not in log.read()
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


def test_production_itself_is_seen_to_touch(outside: Plane, dangerous: Plane) -> None:
    """The test above can fail: what it looks for is there as soon as a server logs somebody in with these data."""
    before = int(outside.scalar("SELECT count(*) FROM touches"))
    dangerous.scalar("SELECT 1")
    assert int(outside.scalar("SELECT count(*) FROM touches")) > before
    assert outside.scalar("SELECT count(*) FROM pg_stat_replication") == 1


def test_behind_its_walls_the_superuser_reaches_no_server_and_no_file_outside(outside: Plane, dangerous: Plane) -> None:
    site = Site(dangerous)
    datastore = dangerous.datastore()
    with site.restored(datastore, site.points(datastore)["one"]) as (lease, access):
        state = site.folder(lease).state()
        assert state.network
        assert state.files
        target = f"host=127.0.0.1 port={outside.cluster.port} dbname=shop user=postgres password={outside.cluster.password}"
        with pytest.raises(psycopg2.Error, match=r"[Nn]etwork is unreachable|could not connect|Connection refused"):
            ask(access, f"SELECT dblink_connect('{target} connect_timeout=3')")
        assert ask(access, f"SELECT (pg_stat_file('{dangerous.wal}', true)).size IS NULL")
        assert ask(access, "SELECT (pg_stat_file('/root', true)).size IS NULL")
        assert ask(access, f"SELECT (pg_stat_file('{site.folder(lease).data}/PG_VERSION', true)).size IS NOT NULL")


def test_without_namespaces_the_same_superuser_does_reach_them(outside: Plane, dangerous: Plane) -> None:
    """So it is the walls that hold in the test above, and a machine without them says so in a check."""
    site = Site(dangerous, isolation="configuration")
    datastore = dangerous.datastore()
    with site.restored(datastore, site.points(datastore)["one"]) as (lease, access):
        target = f"host=127.0.0.1 port={outside.cluster.port} dbname=shop user=postgres password={outside.cluster.password}"
        assert ask(access, f"SELECT dblink_connect('{target}')") == "OK"
        assert ask(access, f"SELECT (pg_stat_file('{dangerous.wal}', true)).size IS NOT NULL")
        checks = {one.name: one.outcome for one in site.restore.secure(lease.sandbox, datastore, SECRET)}
        assert checks["network-isolation"] is Outcome.UNSUPPORTED
        assert checks["file-isolation"] is Outcome.UNSUPPORTED


def test_a_wrong_superuser_in_the_catalog_is_a_failed_check_and_no_way_in(dangerous: Plane) -> None:
    site = Site(dangerous)
    datastore = dangerous.datastore(superuser="nobody_of_that_name")
    lease = site.start(datastore, site.points(datastore)["one"])
    try:
        assert site.wait(lease, datastore).status.value == "succeeded"
        failed = [one for one in site.restore.secure(lease.sandbox, datastore, SECRET) if one.outcome is Outcome.FAILED]
        assert [one.name for one in failed] == ["logins-disabled"]
        assert "nobody_of_that_name" in failed[0].detail
        with pytest.raises(PermissionError):
            site.restore.access(lease.sandbox, datastore, SECRET)
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)


def test_production_still_runs(dangerous: Plane) -> None:
    assert postgres.running(dangerous.cluster) is not None
