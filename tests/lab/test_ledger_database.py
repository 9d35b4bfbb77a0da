"""The ledger against a real PostgreSQL: idempotent changes, a rebuild that answers the same, a role that only reads."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab import accounts, binaries
from include.ledger import open_ledger
from include.ledger.acts import adopt, release, resume_everything, stop_everything
from include.ledger.ledger import Ledger
from include.ledger.migrations import migrate
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP, Anchor, LedgerError, LedgerNotReady, LedgerUnreachable
from tests.unit.evidence_samples import T0, a_drill, a_lease, a_lease_record, a_note, a_point, a_verification, a_year


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of this module's own; gives the URL of its superuser without a database."""
    home = Path(tempfile.mkdtemp(prefix="dy-ledger-"))
    home.chmod(0o755)
    user = accounts.server_user()
    programs = binaries.usable_bin(home, user)
    data = accounts.folder(home / "data", user, 0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str | Path) -> None:
        environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        command = [programs / program, "-D", data, *arguments]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, env=environment, **accounts.dropped(user))

    run("initdb", "-U", "drillyard", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c timezone=Asia/Tokyo"
    run("pg_ctl", "start", "-w", "-s", "-l", data / "log", "-o", options)
    try:
        yield f"postgresql+psycopg2://drillyard@127.0.0.1:{port}/"
    finally:
        run("pg_ctl", "stop", "-m", "immediate", "-s")
        shutil.rmtree(home)


def _database(server: str, name: str, *, fresh: bool = True) -> str:
    from sqlalchemy import create_engine, text

    engine = create_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if fresh:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server + name


@pytest.fixture
def ledger(server: str) -> Iterator[Ledger]:
    url = _database(server, "ledger")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def second(server: str) -> Iterator[Ledger]:
    url = _database(server, "second")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


# ---- migrations --------------------------------------------------------------------------------------------------


def test_migrating_twice_and_by_two_at_once_changes_nothing(server: str) -> None:
    url = _database(server, "migrated")
    with ThreadPoolExecutor(2) as pool:
        versions = set(pool.map(lambda _: migrate(url), range(2)))
    assert versions == {migrate(url)} == {"0001"}


def test_the_migrations_make_exactly_the_tables_that_the_code_reads(server: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from include.ledger.migrations import VERSION_TABLE
    from include.ledger.tables import metadata

    url = _database(server, "compared")
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'drillyard_ledger_version' ORDER BY 1, 2"
        ).all()
    engine.dispose()
    fresh = _database(server, "created")
    engine = create_engine(fresh)
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert (
            columns
            == connection.exec_driver_sql(
                "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
                " WHERE table_schema = 'public' ORDER BY 1, 2"
            ).all()
        )
    engine.dispose()


def test_airflows_own_database_is_refused(server: str) -> None:
    from sqlalchemy import create_engine, text

    url = _database(server, "airflow")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE dag_run (id int)"))
    engine.dispose()
    with pytest.raises(LedgerError, match="database of its own"):
        migrate(url)


def test_an_unmigrated_and_an_absent_ledger_say_what_to_do(server: str) -> None:
    with pytest.raises(LedgerNotReady, match="drillyard ledger migrate"):
        open_ledger(_database(server, "empty")).stopped()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        absent = f"postgresql://drillyard:secretpassword@127.0.0.1:{held.getsockname()[1]}/x"
        with pytest.raises(LedgerUnreachable, match="does not answer") as error:
            open_ledger(absent).stopped()
    assert "secretpassword" not in str(error.value)


# ---- journal, cursors, anchors, stop -----------------------------------------------------------------------------


def test_a_keyed_line_is_written_once_also_by_many_at_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: ledger.append("d1", "decided", T0, {"by": n}, key="decided"), range(8)))
    assert done.count(True) == 1
    assert ledger.append("d1", "looked", T0, {}) and ledger.append("d1", "looked", T0, {})
    assert ledger.append("d2", "decided", T0, {"x": 1.5, "é": None}, key="decided")
    assert [entry.event for entry in ledger.journal("d1")] == ["decided", "looked", "looked"]
    assert ledger.journal("d2")[0].body == {"x": 1.5, "é": None}
    assert ledger.journal("d2")[0].at == T0


def test_cursor_is_the_last_one_set(ledger: Ledger) -> None:
    assert ledger.cursor("a/b") is None
    ledger.set_cursor("a/b", {"segment": "0001"})
    ledger.set_cursor("a/b", {"segment": "0002"})
    assert ledger.cursor("a/b") == {"segment": "0002"}


def test_anchor_never_accepts_another_link_of_the_same_number(ledger: Ledger) -> None:
    assert ledger.anchor() is None
    ledger.set_anchor(Anchor(seq=1, link_sha256="aa", at=T0))
    ledger.set_anchor(Anchor(seq=2, link_sha256="bb", at=T0))
    ledger.set_anchor(Anchor(seq=1, link_sha256="aa", at=T0))
    assert str(ledger.anchor()) == "2:bb"
    with pytest.raises(LedgerError, match="replaced"):
        ledger.set_anchor(Anchor(seq=2, link_sha256="cc", at=T0))


def test_the_first_stop_holds_until_somebody_resumes(ledger: Ledger) -> None:
    assert ledger.stopped() is None
    ledger.resume("bo", T0)
    first = ledger.stop("ann", "peak", T0)
    assert ledger.stop("bo", "me too", T0 + timedelta(minutes=1)) == first == ledger.stopped()
    ledger.resume("ann", T0 + timedelta(hours=1))
    assert ledger.stopped() is None
    assert ledger.stop("bo", "again", T0 + timedelta(hours=2)).by == "bo"


def test_a_stop_is_the_same_from_the_call_and_from_its_record(ledger: Ledger, second: Ledger, tmp_path: Path) -> None:
    stores = Stores([LocalStore("one", tmp_path)])
    stop_everything(ledger, stores, "ann", "peak", T0)
    second.rebuild(stores.stores[0].records())
    assert ledger.stopped() == second.stopped() is not None
    resume_everything(ledger, stores, "ann", "over", T0 + timedelta(hours=1))
    second.rebuild(stores.stores[0].records())
    assert ledger.stopped() is None is second.stopped()
    assert {note.event for note in ledger.notes()} == {GLOBAL_STOP, GLOBAL_RESUME}
    assert ledger.answers() == second.answers()


# ---- leases ------------------------------------------------------------------------------------------------------


def test_a_lease_from_open_to_closed(ledger: Ledger) -> None:
    lease = a_lease("orders", "main", "s1")
    assert ledger.open_lease(lease) == lease
    longer = lease.model_copy(update={"expires_at": lease.expires_at + timedelta(days=9)})
    assert ledger.open_lease(longer) == lease, "a retry must find the first try's lease, not stretch it"
    assert ledger.lease_for("orders/main") == lease
    assert ledger.open_leases(now=lease.expires_at) == ()
    assert ledger.open_leases() == (lease,)
    closed = ledger.close_lease(lease.lease_id, T0 + timedelta(hours=1))
    assert ledger.close_lease(lease.lease_id, T0 + timedelta(hours=5)) == closed
    assert ledger.lease_for("orders/main") is None and ledger.open_leases() == ()
    again = lease.model_copy(update={"opened_at": T0 + timedelta(hours=2), "expires_at": T0 + timedelta(hours=9)})
    assert ledger.open_lease(again).closed_at is None, "a drill that runs again opens its lease anew"
    with pytest.raises(LookupError, match="drillyard ledger leases"):
        ledger.close_lease("nobody", T0)


def test_an_adopted_lease_is_ended_by_nobody_else(ledger: Ledger) -> None:
    lease = ledger.open_lease(a_lease("orders", "main", "s1"))
    until = T0 + timedelta(days=2)
    assert ledger.kept_until(lease.lease_id, T0) is None
    assert ledger.adopt_lease(lease.lease_id, "ann", until).adopted_by == "ann"
    assert ledger.kept_until(lease.lease_id, T0) == until
    assert ledger.kept_until(lease.lease_id, until) is None
    assert ledger.expire_lease(lease.lease_id, T0).expires_at == until
    assert ledger.expire_lease(lease.lease_id, T0, by="bo").expires_at == until
    with pytest.raises(LedgerError, match="held by ann"):
        ledger.adopt_lease(lease.lease_id, "bo", until)
    given = ledger.expire_lease(lease.lease_id, T0 + timedelta(hours=1), by="ann")
    assert (given.adopted_by, given.expires_at) == (None, T0 + timedelta(hours=1))
    ledger.close_lease(lease.lease_id, T0)
    with pytest.raises(LedgerError, match="closed"):
        ledger.adopt_lease(lease.lease_id, "ann", until)


def test_expiring_never_makes_a_lease_longer(ledger: Ledger) -> None:
    lease = ledger.open_lease(a_lease("orders", "main", "s1"))
    assert ledger.expire_lease(lease.lease_id, lease.expires_at + timedelta(days=1)) == lease
    assert ledger.expire_lease(lease.lease_id, T0 + timedelta(minutes=5)).expires_at == T0 + timedelta(minutes=5)


def test_adopting_and_releasing_leave_records_that_rebuild_the_same(ledger: Ledger, second: Ledger, tmp_path: Path) -> None:
    stores = Stores([LocalStore("one", tmp_path)])
    lease = a_lease("orders", "main", "s1")
    opened = a_lease_record("opened", lease, lease.opened_at)
    stores.write_record(opened)
    ledger.project(opened)
    adopt(ledger, stores, lease.lease_id, "ann", T0 + timedelta(days=1), "compare prices", T0 + timedelta(minutes=1))
    with pytest.raises(LedgerError, match="held by ann"):
        release(ledger, stores, lease.lease_id, "bo", "", T0 + timedelta(minutes=2))
    second.rebuild(stores.stores[0].records())
    assert second.lease(lease.lease_id) == ledger.lease(lease.lease_id)
    release(ledger, stores, lease.lease_id, "ann", "done", T0 + timedelta(hours=1))
    second.rebuild(stores.stores[0].records())
    assert second.answers() == ledger.answers()
    assert [entry.event for entry in stores.stores[0].records()] == ["opened", "adopted", "expired"]


# ---- projection --------------------------------------------------------------------------------------------------


def test_what_the_plan_and_readiness_ask(ledger: Ledger) -> None:
    day = timedelta(days=1)
    ledger.project(a_drill("orders", "main", T0, verdict="passed", seconds=60))
    ledger.project(a_drill("orders", "main", T0 + day, verdict="passed", seconds=90))
    ledger.project(a_drill("orders", "main", T0 + 2 * day, verdict="failed", seconds=5))
    ledger.project(a_verification("orders", "main", T0 + day, size=1000))
    ledger.project(a_verification("orders", "main", T0 + 3 * day, size=2000))
    ledger.project(a_verification("orders", "main", T0 + 4 * day, canary=True, size=7))
    ledger.project(a_verification("prices", "main", T0, size=50))
    running = a_lease("prices", "main", "2026-11-30", opened=T0 + day)
    ledger.open_lease(running)
    past = ledger.history()
    assert set(past) == {"orders/main", "prices/main"}
    assert past["orders/main"].last_passed == T0 + day
    assert past["orders/main"].last_attempt == T0 + 2 * day
    assert past["orders/main"].restore_seconds == (90.0, 60.0)
    assert past["orders/main"].size_bytes == 2000
    assert past["orders/main"].in_progress is None
    assert past["prices/main"].in_progress == running.lease_id
    assert past["prices/main"].last_slot == "2026-11-30"
    assert ledger.latest_drills()["orders/main"].verdict == "failed"
    assert ledger.proofs()["orders/main"].decided_at == T0 + day
    assert ledger.latest_verifications()["orders/main"].written_at == T0 + 3 * day
    assert [drill.decided_at for drill in ledger.drills("orders", T0 + day)] == [T0 + day, T0 + 2 * day]
    sizes = ledger.measurements("orders/main", "size_bytes", T0 + 2 * day)
    assert [int(m.value) for m in sizes if m.record_id.find("verification") > 0] == [2000]
    assert {m.metric for m in ledger.measurements("orders/main")} >= {"rto_seconds", "rpo_seconds", "cost", "phase.restore"}


def test_points_seen_are_those_of_earlier_verifications(ledger: Ledger) -> None:
    for night in range(4):
        at = T0 + timedelta(days=night)
        point = a_point(f"base-{night // 2}", at - timedelta(hours=night % 2 * 24 + 3))
        ledger.project(a_verification("orders", "main", at, point=point))
    assert [p.id for p in ledger.points_seen("orders/main", T0)] == ["base-1", "base-0"]
    assert [p.id for p in ledger.points_seen("orders/main", T0 + timedelta(days=2))] == ["base-1"]
    assert ledger.points_seen("orders/other", T0) == ()


def test_projecting_again_changes_nothing(ledger: Ledger) -> None:
    records = a_year(services=3, days=10)
    for record in records:
        assert ledger.project(record)
    before = ledger.answers()
    assert not any(ledger.project(record) for record in records)
    assert ledger.answers() == before


def test_a_rebuilt_ledger_answers_the_same_to_the_byte(ledger: Ledger, second: Ledger) -> None:
    records = a_year(services=4, days=30)
    for record in records:
        ledger.project(record)
    assert ledger.open_leases() and ledger.stopped()
    assert second.rebuild(reversed(records)) == len(records)
    assert second.answers() == ledger.answers()
    assert second.history() == ledger.history()
    second.rebuild(records)
    assert second.answers() == ledger.answers(), "a rebuild over a full ledger must not add to it"


def test_answers_tell_two_ledgers_apart(ledger: Ledger, second: Ledger) -> None:
    records = a_year(services=2, days=5)
    ledger.rebuild(records)
    for record in records:
        second.rebuild([other for other in records if other.record_id != record.record_id])
        assert second.answers() != ledger.answers(), f"{record.record_id} leaves no trace in the answers"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_any_order_of_arrival_leads_to_the_same_answers(ledger: Ledger, second: Ledger, seed: int) -> None:
    lease = a_lease("orders", "main", "s1")
    at = lease.opened_at
    held = lease.model_copy(update={"adopted_by": "ann", "expires_at": at + timedelta(days=1)})
    given_back = held.model_copy(update={"adopted_by": None, "expires_at": at + timedelta(hours=2)})
    over = given_back.model_copy(update={"closed_at": at + timedelta(hours=3)})
    anew = lease.model_copy(update={"opened_at": at + timedelta(hours=5), "expires_at": at + timedelta(hours=9)})
    story = [
        a_lease_record("opened", lease, at),
        a_lease_record("adopted", held, at + timedelta(hours=1)),
        a_lease_record("expired", given_back, at + timedelta(hours=2)),
        a_lease_record("closed", over, at + timedelta(hours=3)),
        a_lease_record("opened", anew, at + timedelta(hours=5)),
        *a_year(services=1, days=4),
        a_note(GLOBAL_STOP, T0 + timedelta(days=400)),
        a_note(GLOBAL_RESUME, T0 + timedelta(days=401)),
    ]
    ledger.rebuild(story)
    second.rebuild([])
    for record in random.Random(seed).sample(story, len(story)):
        second.project(record)
    assert second.answers() == ledger.answers()


def test_a_role_with_nothing_but_select_gets_every_answer(ledger: Ledger) -> None:
    from sqlalchemy import create_engine, text

    ledger.rebuild(a_year(services=2, days=5))
    ledger.append("d1", "decided", T0, {})
    engine = create_engine(ledger.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text('DROP ROLE IF EXISTS "board reader"'))
        connection.execute(text('CREATE ROLE "board reader" LOGIN'))
    ledger.grant_reader("board reader")
    reader = open_ledger(ledger.url.replace("//drillyard@", "//board%20reader@"))
    assert reader.answers() == ledger.answers()
    assert reader.history() == ledger.history()
    assert reader.journal("d1") and reader.cursor("x") is None and reader.anchor() is None
    with pytest.raises(Exception, match="permission denied"):
        reader.append("d1", "forged", T0, {})
    reader.close()
    with engine.connect() as connection:
        connection.execute(text('DROP OWNED BY "board reader"'))
        connection.execute(text('DROP ROLE "board reader"'))
    engine.dispose()


# ---- the command -------------------------------------------------------------------------------------------------


def test_the_commands_make_rebuild_list_and_hand_over(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.ledger import cli

    url = _database(server, "commanded")
    stores = Stores([LocalStore("one", tmp_path / "one")])
    monkeypatch.setattr(cli, "_stores", lambda: stores)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, [*arguments, "--ledger", url])
        assert done.exit_code == 0, done.output
        return done.output

    refused = CliRunner().invoke(cli.app, ["leases", "--ledger", url])
    assert refused.exit_code == 1 and "run `drillyard ledger migrate`" in refused.output
    assert "version 0001" in run("migrate")
    assert "no lease is open" in run("leases")
    for record in a_year(services=1, days=8):
        stores.write_record(record)
    count = len(stores.stores[0].list())
    assert f"{count} records from {tmp_path / 'one'}" in run("rebuild", "--from", str(tmp_path / "one"))
    lease = open_ledger(url).open_leases()[0].lease_id
    assert lease in run("leases") and "expired" in run("leases")
    assert "belongs to ann until" in run("adopt", lease, "ann", "--for", "2h", "--reason", "compare prices")
    assert "held by ann" in run("leases") and "expires in 1h" in run("leases")
    taken = CliRunner().invoke(cli.app, ["adopt", lease, "bo", "--ledger", url])
    assert taken.exit_code == 1 and "is held by ann" in taken.output
    assert "left to the reaper" in run("release", lease, "ann")
    nobody = CliRunner().invoke(cli.app, ["adopt", "no.such.lease", "bo", "--ledger", url])
    assert nobody.exit_code == 1 and "no lease 'no.such.lease'" in nobody.output
    before = open_ledger(url).answers()
    run("rebuild", "--from", str(tmp_path / "one"))
    assert open_ledger(url).answers() == before


def test_a_connection_gives_the_url_with_its_password_and_options() -> None:
    from include.connections import parse
    from include.ledger import url_of

    info = parse("drillyard_ledger", "postgres://dy:p%40ss%2Fword@db.example:6432/ledger?sslmode=verify-full&foo=1")
    assert url_of(info) == "postgresql+psycopg2://dy:p%40ss%2Fword@db.example:6432/ledger?sslmode=verify-full"
    with pytest.raises(ValueError, match="needs postgres"):
        url_of(parse("drillyard_ledger", "mysql://x@y/z"))
