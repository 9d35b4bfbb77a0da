"""The ledger against a real PostgreSQL: migrations, idempotent changes, a role that only reads, the commands."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.ledger import open_ledger
from include.ledger.acts import resume_everything, stop_everything
from include.ledger.ledger import Ledger
from include.ledger.migrations import migrate
from include.ledger.model import GLOBAL_RESUME, GLOBAL_STOP, Anchor, LedgerError, LedgerNotReady, LedgerUnreachable
from tests.lab.ledger.databases import database
from tests.unit.evidence_samples import T0, a_year

# ---- migrations --------------------------------------------------------------------------------------------------


def test_migrating_twice_and_by_two_at_once_changes_nothing(server: str) -> None:
    url = database(server, "migrated")
    with ThreadPoolExecutor(2) as pool:
        versions = set(pool.map(lambda _: migrate(url), range(2)))
    assert versions == {migrate(url)} == {"0002"}


def test_the_migrations_make_exactly_the_tables_that_the_code_reads(server: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from include.ledger.migrations import VERSION_TABLE
    from include.ledger.tables import metadata

    url = database(server, "compared")
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
    fresh = database(server, "created")
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

    url = database(server, "airflow")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE dag_run (id int)"))
    engine.dispose()
    with pytest.raises(LedgerError, match="database of its own"):
        migrate(url)


def test_an_unmigrated_and_an_absent_ledger_say_what_to_do(server: str) -> None:
    with pytest.raises(LedgerNotReady, match="drillyard ledger migrate"):
        open_ledger(database(server, "empty")).stopped()
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
    ledger.append_all("d3", "check", T0, [{"n": n} for n in range(20)])
    ledger.append_all("d3", "check", T0, [])
    with pytest.raises(TypeError):
        ledger.append_all("d3", "check", T0, [{"n": 20}, {"n": object()}])
    assert [line.body["n"] for line in ledger.journal("d3")] == list(range(20))
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


# ---- the command -------------------------------------------------------------------------------------------------


def test_the_commands_make_rebuild_list_and_hand_over(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.ledger import cli

    url = database(server, "commanded")
    stores = Stores([LocalStore("one", tmp_path / "one")])
    monkeypatch.setattr(cli, "_stores", lambda: stores)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, [*arguments, "--ledger", url])
        assert done.exit_code == 0, done.output
        return done.output

    refused = CliRunner().invoke(cli.app, ["leases", "--ledger", url])
    assert refused.exit_code == 1 and "run `drillyard ledger migrate`" in refused.output
    assert "version 0002" in run("migrate")
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
    half = tmp_path / "one" / "records" / "2026" / "01" / "05" / "half.json"
    half.write_text("{")
    partly = CliRunner().invoke(cli.app, ["rebuild", "--from", str(tmp_path / "one"), "--ledger", url])
    assert partly.exit_code == 1 and "left out records/2026/01/05/half.json" in partly.output
    assert f"{count + 2} records" in partly.output, "one bad file must not hide the others"
    half.unlink()
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
