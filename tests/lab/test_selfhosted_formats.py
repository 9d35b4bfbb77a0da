"""Every form that backups come in is surveyed, inspected and restored: plain, tar, tablespaces, timelines, dumps."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from selfhosted_steps import SECRET, Plane, Site, ask, orders, plane

from include.clouds.selfhosted import points
from include.clouds.selfhosted.settings import BaseBackups, Dumps
from include.lab import accounts, postgres
from include.recovery.model import Outcome, Status, Target
from include.values import utcnow


@pytest.fixture(scope="module")
def made() -> Iterator[Plane]:
    with plane() as one:
        one.run(
            "shop",
            "CREATE ROLE clerk",
            "CREATE TABLE notes (id int, owner text)",
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY own ON notes TO clerk USING (owner = current_user)",
            "INSERT INTO notes VALUES (1, 'a'), (2, 'b')",
        )
        yield one


def whole(site: Site, made: Plane, name: str) -> None:
    """A base backup passes the deep look, fails spoiled, and restores with what was ordered after it."""
    datastore = made.datastore()
    made.order(25)
    made.archived()
    point = site.points(datastore)[name]
    found = site.source.inspect(datastore, point, None, full=True)
    assert {one.outcome for one in found.checks} == {Outcome.PASSED}, found
    again = site.source.inspect(datastore, point, found.cursor, full=False)
    assert {one.outcome for one in again.checks} == {Outcome.PASSED}, again
    with site.source.spoil(datastore, point) as bad:
        assert site.source.inspect(datastore, bad, None, full=False).checks[0].outcome is Outcome.FAILED
    with site.restored(datastore, point) as (_, access):
        assert orders(access) == made.scalar("SELECT count(*) FROM orders")
        assert ask(access, "SELECT count(*) FROM notes", admin=False) == 2


@pytest.mark.parametrize("options", [(), ("-z",)], ids=["tar", "tar.gz"])
def test_a_tar_set(made: Plane, options: tuple[str, ...]) -> None:
    name = f"tar-{len(options)}"
    made.back_up_tar(name, *options)
    try:
        whole(Site(made), made, name)
    finally:
        shutil.rmtree(made.base / name)


def test_a_set_without_its_own_wal_needs_the_archive(made: Plane) -> None:
    postgres.run(made.cluster, "pg_basebackup", "-D", made.base / "bare", "-X", "none", "-c", "fast", "--no-manifest")
    made.archived()
    site, datastore = Site(made), made.datastore()
    try:
        point = site.points(datastore)["bare"]
        checks = {one.name: one for one in site.source.inspect(datastore, point, None, full=True).checks}
        assert checks["manifest"].outcome is Outcome.UNKNOWN
        assert "backup_manifest" in checks["manifest"].detail
        assert checks["wal-continuity"].outcome is Outcome.PASSED
        with site.restored(datastore, point) as (_, access):
            assert orders(access) == made.scalar("SELECT count(*) FROM orders")
    finally:
        shutil.rmtree(made.base / "bare")


@pytest.mark.parametrize("form", ["plain", "tar.gz"])
def test_a_store_behind_fsspec(made: Plane, form: str) -> None:
    """Any URL that fsspec reads: here its own local file system, which the room does not take for a folder."""
    (made.back_up if form == "plain" else lambda name: made.back_up_tar(name, "-z"))("far")
    made.order(8)
    made.archived()
    datastore = made.datastore(
        backups=BaseBackups(kind="base_backup", location=f"local://{made.base}", wal=f"local://{made.wal}")
    )
    site = Site(made)
    try:
        point = site.points(datastore)["far"]
        assert point.encrypted is None
        assert point.taken_at == site.points(made.datastore())["far"].taken_at
        assert {one.outcome for one in site.source.inspect(datastore, point, None, full=True).checks} == {Outcome.PASSED}
        with site.source.spoil(datastore, point) as bad:
            assert site.source.inspect(datastore, bad, None, full=True).checks[0].outcome is Outcome.FAILED
        with site.restored(datastore, point) as (_, access):
            assert orders(access) == made.scalar("SELECT count(*) FROM orders")
    finally:
        shutil.rmtree(made.base / "far")


def test_a_dump_behind_fsspec(made: Plane) -> None:
    made.dump("far.dump")
    datastore = made.datastore(backups=Dumps(kind="dump", location=f"local://{made.dumps}"))
    site = Site(made)
    with site.restored(datastore, site.points(datastore)["far.dump"]) as (_, access):
        assert orders(access) == made.scalar("SELECT count(*) FROM orders")


def test_databases_of_one_server_are_read_once(made: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    made.back_up("shared")
    seen: list[str] = []
    read = points.base_backup
    monkeypatch.setattr(points, "base_backup", lambda store, name: seen.append(name) or read(store, name))
    many = {f"shop/{number}": made.datastore(database=f"db{number}") for number in range(5)}
    survey = Site(made).source.survey(many, utcnow())
    assert {len(one) for one in survey.points.values()} == {len(set(seen))}
    assert seen.count("shared") == 1
    shutil.rmtree(made.base / "shared")


def test_an_unfinished_set_is_no_recovery_point(made: Plane) -> None:
    made.back_up("done")
    shutil.copytree(made.base / "done", made.base / "running")
    (made.base / "running" / "backup_manifest").rename(made.base / "running" / "backup_manifest.tmp")
    try:
        assert "done" in Site(made).points(made.datastore())
        assert "running" not in Site(made).points(made.datastore())
    finally:
        shutil.rmtree(made.base / "running")
        shutil.rmtree(made.base / "done")


@pytest.mark.parametrize("form", ["plain", "tar"])
def test_tablespaces_come_along_and_stay_inside(made: Plane, form: str) -> None:
    space = accounts.folder(made.home / f"space-{form}", made.user, 0o700)
    made.run("postgres", f"CREATE TABLESPACE far_{form} LOCATION '{space}'")
    made.run("shop", f"CREATE TABLE far_{form} TABLESPACE far_{form} AS SELECT generate_series(1, 1000) AS id")
    name = f"spaced-{form}"
    try:
        if form == "tar":
            made.back_up_tar(name)
        else:
            kept = [f"-T{one}={made.home / f'kept-{number}'}" for number, one in enumerate(str(made.scalar(_SPACES)).split(","))]
            postgres.run(made.cluster, "pg_basebackup", "-D", made.base / name, "-X", "stream", "-c", "fast", *kept)
        made.archived()
        site, datastore = Site(made), made.datastore()
        with site.restored(datastore, site.points(datastore)[name]) as (lease, access):
            assert ask(access, f"SELECT count(*) FROM far_{form}", admin=False) == 1000
            where = str(ask(access, f"SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'far_{form}'"))
            assert where.startswith(str(site.folder(lease).path))
    finally:
        shutil.rmtree(made.base / name, ignore_errors=True)
        made.run("shop", f"DROP TABLE far_{form}")
        made.run("postgres", f"DROP TABLESPACE far_{form}")
        made.archived()


_SPACES = "SELECT string_agg(pg_tablespace_location(oid), ',') FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"


def test_an_archive_without_compression(made: Plane) -> None:
    made.back_up("plainly")
    made.order(5)
    made.archived()
    plain = accounts.folder(made.home / "plain-wal", made.user)
    for path in made.wal.glob("*.gz"):
        (plain / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
    datastore = made.datastore(backups=BaseBackups(kind="base_backup", location=str(made.base), wal=str(plain)))
    site = Site(made)
    try:
        point = site.points(datastore)["plainly"]
        assert point.restorable_until > point.taken_at
        found = site.source.inspect(datastore, point, None, full=True)
        assert {one.outcome for one in found.checks} == {Outcome.PASSED}, found
        with site.restored(datastore, point) as (_, access):
            assert orders(access) == made.scalar("SELECT count(*) FROM orders")
    finally:
        shutil.rmtree(made.base / "plainly")


def test_the_newest_timeline_is_followed(made: Plane) -> None:
    """Production was promoted after the base backup: what came after the promotion is restored too."""
    made.back_up("before-promotion")
    made.order(3)
    made.archived()
    postgres.stop(made.cluster)
    (made.cluster.data / "standby.signal").touch()
    accounts.give(made.cluster.data / "standby.signal", made.user)
    postgres.start(made.cluster)
    assert made.scalar("SELECT pg_promote()") is True
    made.order(4)
    newest = made.archived()
    assert newest.startswith("00000002")
    site, datastore = Site(made), made.datastore()
    point = site.points(datastore)["before-promotion"]
    assert point.facts["newest_timeline"] == 2
    found = {one.name: one for one in site.source.inspect(datastore, point, None, full=True).checks}
    assert found["wal-continuity"].outcome is Outcome.PASSED, found
    assert "timeline 2" in str(found["wal-continuity"].measured)
    with site.restored(datastore, point) as (_, access):
        assert orders(access) == made.scalar("SELECT count(*) FROM orders")


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_dump(made: Plane, form: str) -> None:
    folder = accounts.folder(made.home / f"dumps-{form}", made.user)
    expected = made.scalar("SELECT count(*) FROM orders")
    postgres.run(made.cluster, "pg_dump", "-F", form, "-f", folder / "night.dump", "-d", "shop")
    before = utcnow()
    made.order(9)
    datastore = made.datastore(backups=Dumps(kind="dump", location=str(folder)))
    site = Site(made)
    point = site.points(datastore)["night.dump"]
    assert timedelta(0) <= before - point.taken_at < timedelta(seconds=30)
    assert point.engine_version == "18"
    assert point.restorable_until == point.taken_at
    found = {one.name: one.outcome for one in site.source.inspect(datastore, point, None, full=True).checks}
    assert found == {"manifest": Outcome.PASSED, "wal-continuity": Outcome.UNSUPPORTED}
    with site.source.spoil(datastore, point) as bad:
        assert site.source.inspect(datastore, bad, None, full=False).checks[0].outcome is Outcome.FAILED
    with site.restored(datastore, point) as (_, access):
        assert orders(access) == expected
        assert ask(access, "SELECT count(*) FROM notes", admin=False) == 2


def test_a_dump_in_another_zone_is_told_and_not_believed(made: Plane) -> None:
    folder = accounts.folder(made.home / "dumps-zone", made.user)
    made.dump("zone.dump").rename(folder / "zone.dump")
    here = made.datastore(backups=Dumps(kind="dump", location=str(folder)))
    west = made.datastore(backups=Dumps(kind="dump", location=str(folder), timezone="America/Los_Angeles"))
    site = Site(made)
    assert site.points(here)["zone.dump"].taken_at <= utcnow()
    survey = site.source.survey({"shop/it": west}, utcnow())
    assert "backups.timezone" in survey.unreadable["shop/it"]


def test_a_server_that_is_never_ready_fails_with_its_own_words(made: Plane) -> None:
    """The archive lacks the segments that make the base backup consistent: PostgreSQL gives up and says so."""
    postgres.run(made.cluster, "pg_basebackup", "-D", made.base / "bare", "-X", "none", "-c", "fast")
    empty = accounts.folder(made.home / "empty-wal", made.user)
    datastore = made.datastore(backups=BaseBackups(kind="base_backup", location=str(made.base), wal=str(empty)))
    site = Site(made)
    lease = site.start(datastore, site.points(datastore)["bare"])
    try:
        found = site.wait(lease, datastore)
        assert found.status is Status.FAILED
        assert "FATAL" in found.detail
        assert "checkpoint record" in found.detail
        checks = {one.name: one for one in site.source.inspect(datastore, site.points(datastore)["bare"], None, full=True).checks}
        assert checks["wal-continuity"].outcome is Outcome.FAILED
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)
        shutil.rmtree(made.base / "bare")


def test_a_server_that_waits_for_ever_is_given_up_at_max_ready(made: Plane) -> None:
    binaries = made.home / "slow" / "bin"
    binaries.mkdir(parents=True)
    for path in made.bin.iterdir():
        if path.name != "postgres":
            (binaries / path.name).symlink_to(path)
    script = binaries / "postgres"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in -V) exec "{made.bin}/postgres" -V;; esac\n'
        'echo "LOG:  waiting for something that never comes" >&2\nread never < "$2/../feed/got"\n'
    )
    script.chmod(0o755)
    made.back_up("slow")
    site, datastore = Site(made, bin_dirs={"18": str(binaries)}, max_ready="1s", isolation="configuration"), made.datastore()
    lease = site.start(datastore, site.points(datastore)["slow"])
    try:
        began = time.monotonic()
        found = site.wait(lease, datastore)
        assert found.status is Status.FAILED
        assert "not ready within 1 s" in found.detail
        assert "waiting for something that never comes" in found.detail
        assert time.monotonic() - began < 30
        assert [one.kind for one in site.restore.inventory([datastore])] == ["sandbox"]
    finally:
        site.restore.discard(lease.sandbox, datastore, lease)
        shutil.rmtree(made.base / "slow")


def test_a_damaged_segment_stops_the_restore_where_the_log_is_whole_and_says_why(made: Plane) -> None:
    """Latest is then what can be had; the deep look names the segment."""
    made.back_up("damaged")
    made.order(1)
    good = made.scalar("SELECT count(*) FROM orders")
    first = made.archived()
    made.order(1)
    second = made.archived()
    made.order(1)
    made.archived()
    wal = accounts.folder(made.home / "damaged-wal", made.user)
    for path in made.wal.glob("0*.gz"):
        shutil.copyfile(path, wal / path.name)
    (wal / f"{second}.gz").write_bytes((made.wal / f"{second}.gz").read_bytes()[:400])
    datastore = made.datastore(backups=BaseBackups(kind="base_backup", location=str(made.base), wal=str(wal)))
    site = Site(made)
    point = site.points(datastore)["damaged"]
    check = site.source.inspect(datastore, point, None, full=False).checks[1]
    assert check.outcome is Outcome.FAILED
    assert second in check.detail
    assert first not in check.detail
    with site.restored(datastore, point) as (_, access):
        assert orders(access) == good
    shutil.rmtree(made.base / "damaged")


def test_a_target_later_than_the_last_commit_gives_everything(made: Plane) -> None:
    """PostgreSQL gives up on a target behind the last commit: the whole archive lies before it, so that is the state."""
    made.back_up("late")
    made.order(2)
    made.archived()
    site, datastore = Site(made), made.datastore()
    point = site.points(datastore)["late"]
    with site.restored(datastore, point, Target(time=point.restorable_until)) as (lease, access):
        assert orders(access) == made.scalar("SELECT count(*) FROM orders")
        assert site.folder(lease).state().phases.keys() == {"copy", "start", "replay"}
    assert SECRET
