"""The lab comes up, stays as it is, goes down without a trace of a process, and its business goes on."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
import yaml
from lab_homes import new_home
from typer.testing import CliRunner

from include.connections import from_environment
from include.lab import accounts, backups, binaries, business, clouds, dangers, environment, fleet, postgres, processes
from include.lab import lab as the_lab
from include.lab import state as states
from include.lab.cli import app
from include.lab.faults import board
from include.lab.postgres import Cluster
from include.values import utcnow


@contextmanager
def running_folder() -> Iterator[Path]:
    path = new_home()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def pids(lab) -> dict[str, int]:
    found = the_lab.status(lab.home)
    return {server["name"]: server["pid"] for server in found["servers"]} | {"writer": found["writer"]}


def processes_of(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home) in line and process.pid != psutil.Process().pid:
            found.append(line)
    return found


def test_a_second_up_changes_nothing(lab):
    before, variables = pids(lab), environment.read(lab)
    assert all(before.values())
    again = the_lab.up(lab.home, tell=lambda _: None)
    assert pids(lab) == before
    assert environment.read(lab) == variables
    assert again.passwords == lab.passwords


def test_ten_servers_in_two_failure_domains_serve_sixteen_services(lab):
    assert len(fleet.SERVERS) == 10
    assert {server.domain for server in fleet.SERVERS} == {"dc-north", "dc-south"}
    assert len({database.service for server in fleet.SERVERS for database in server.databases}) == 16
    for server in fleet.SERVERS:
        cluster = lab.cluster(server.name)
        assert postgres.scalar(cluster, "postgres", "SHOW data_checksums") == "on"
        assert postgres.scalar(cluster, "postgres", "SHOW listen_addresses") == "127.0.0.1"


def test_the_generator_writes_into_every_database(lab):
    def newest() -> dict[str, object]:
        found = {}
        for server in fleet.SERVERS:
            for database in server.databases:
                sql = business_time(database)
                found[database.datastore_id] = postgres.scalar(lab.cluster(server.name), database.name, sql)
        return found

    before = newest()
    deadline = time.monotonic() + 30
    while True:
        time.sleep(1)
        after = newest()
        if all(after[name] > before[name] for name in before):
            break
        assert time.monotonic() < deadline, [name for name in before if after[name] <= before[name]]
    assert all((utcnow() - instant).total_seconds() < 20 for instant in after.values())


def business_time(database) -> str:
    text = (backups.EXAMPLE / "services" / f"{database.service}.yaml").read_text()
    return next(item for item in yaml.safe_load(text)["datastores"] if item["name"] == database.datastore)["business_time"]


def test_wal_reaches_both_failure_domains_while_it_is_written(lab):
    server = fleet.server("identity-db")
    known = {p.name for p in backups.wal_folder(lab, server).iterdir()}
    postgres.execute(lab.cluster(server.name), "postgres", "SELECT pg_switch_wal()")
    deadline = time.monotonic() + 30
    while not (fresh := {p.name for p in backups.wal_folder(lab, server, copy=True).iterdir() if p.suffix == ".gz"} - known):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    name = min(fresh)
    here, there = (backups.wal_folder(lab, server, copy=copy) / name for copy in (False, True))
    assert here.read_bytes() == there.read_bytes()


def test_connections_of_the_environment_work_and_hold_no_more_than_they_need(lab):
    orders = from_environment("orders_db")
    with (
        psycopg2.connect(
            host=orders.host, port=orders.port, user=orders.login, password=orders.password, dbname=orders.schema_name
        ) as observer,
        observer.cursor() as cursor,
    ):
        cursor.execute("SELECT datname FROM pg_database WHERE datname = 'orders'")
        assert cursor.fetchall() == [("orders",)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT * FROM customers")
    observer.close()
    reader = from_environment("drillyard_ledger_read")
    with (
        pytest.raises(psycopg2.errors.ReadOnlySqlTransaction),
        psycopg2.connect(
            host=reader.host, port=reader.port, user=reader.login, password=reader.password, dbname=reader.schema_name
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE public.nothing (id integer)")
    assert len(from_environment("drillyard_sandbox").password) >= 32
    assert len(bytes.fromhex(from_environment("drillyard_sealing_key").password)) == 32


def test_what_the_ledgers_owner_makes_its_reader_sees(lab):
    owner, reader = from_environment("drillyard_ledger"), from_environment("drillyard_ledger_read")
    cluster = lab.cluster("control-db")
    with postgres.connect(cluster, "drillyard_ledger", user=owner.login, password=owner.password) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE lab_probe AS SELECT 7 AS n")
        try:
            with (
                postgres.connect(cluster, "drillyard_ledger", user=reader.login, password=reader.password) as other,
                other.cursor() as cursor,
            ):
                cursor.execute("SELECT n FROM lab_probe")
                assert cursor.fetchone() == (7,)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE lab_probe")


def test_secrets_are_readable_by_their_owner_only(lab):
    for name in ("lab.json", "env.json"):
        assert (lab.home / name).stat().st_mode & 0o077 == 0
    assert (lab.home / "sandboxes").stat().st_mode & 0o777 == 0o700


def test_down_leaves_no_process_and_up_finds_the_same_data(lab):
    orders = lab.cluster("orders-db")
    count = postgres.scalar(orders, "orders", "SELECT count(*) FROM order_lines")
    writer = lab.writer or states.load(lab.home).writer
    the_lab.down(lab.home, tell=lambda _: None)
    try:
        assert processes_of(lab.home) == []
        assert not processes.alive(writer)
        assert not any(pids(lab).values())
        result = CliRunner().invoke(app, ["status", "--home", str(lab.home)])
        assert result.exit_code == 1
        assert "stopped" in result.output
    finally:
        again = the_lab.up(lab.home, tell=lambda _: None)
    assert all(pids(again).values())
    assert postgres.scalar(again.cluster("orders-db"), "orders", "SELECT count(*) FROM order_lines") >= count


def test_a_taken_port_is_no_failure_and_the_subscription_follows(small_lab):
    the_lab.down(small_lab.home, tell=lambda _: None)
    port = small_lab.cluster("orders-db").port
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        moved = the_lab.up(small_lab.home, tell=lambda _: None)
    try:
        assert moved.cluster("orders-db").port != port
        assert str(moved.cluster("orders-db").port) in environment.read(moved)["AIRFLOW_CONN_ORDERS_DB"]
        feed = "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL"
        assert postgres.scalar(moved.cluster("stock-db"), "stock", feed) == 1
    finally:
        # Back to the port that the session's other tests know.
        the_lab.down(small_lab.home, tell=lambda _: None)
        states.save(small_lab.model_copy(update={"writer": None}))
        for server in fleet.SERVERS:
            postgres.start(small_lab.cluster(server.name))
        dangers.repoint(small_lab)
        the_lab.up(small_lab.home, tell=lambda _: None)


@pytest.mark.full
def test_an_up_that_was_cut_off_is_made_again(monkeypatch):
    def cut_off(*_):
        raise ConnectionError("cut off")

    with running_folder() as home:
        try:
            with monkeypatch.context() as patched:
                patched.setattr(the_lab, "first_backup", cut_off)
                with pytest.raises(ConnectionError, match="cut off"):
                    the_lab.up(home, rows=20_000, fixed_ports=False, tell=lambda _: None)
            assert not states.load(home).complete
            again = the_lab.up(home, tell=lambda _: None)
            assert again.complete
            for server in fleet.SERVERS:
                assert all(any(path.iterdir()) for path in backups.owned_folders(again, server))
        finally:
            the_lab.down(home, tell=lambda _: None)
        assert processes_of(home) == []


def test_the_default_size_has_a_million_rows():
    """Seeded on a server of its own: the session's lab is small."""
    user = accounts.server_user()
    with running_folder() as folder:
        cluster = Cluster(
            name="big",
            data=folder / "big" / "data",
            log=folder / "big" / "log",
            port=the_lab.free_ports(1)[0],
            bin_dir=binaries.usable_bin(folder, user),
            user=user,
            password="x" * 24,
        )
        postgres.initdb(cluster, fleet.COMMON)
        postgres.start(cluster, fleet.SEEDING)
        try:
            began = time.monotonic()
            with postgres.connect(cluster) as connection:
                business.seed(connection, "order-intake", the_lab.ROWS, utcnow())
            assert postgres.scalar(cluster, "postgres", "SELECT count(*) FROM order_lines") >= 1_000_000
            orphans = "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.order_id)"
            assert postgres.scalar(cluster, "postgres", orphans) == 0
            assert time.monotonic() - began < 120
        finally:
            postgres.stop(cluster, mode="immediate")


def test_programs_that_the_server_user_cannot_reach_are_copied_with_their_libraries(monkeypatch):
    real = accounts.can_run
    with running_folder() as folder:
        monkeypatch.setattr(accounts, "can_run", lambda command, *rest: str(folder) in command[0] and real(command, *rest))
        copied = binaries.usable_bin(folder, accounts.server_user())
        assert folder in copied.parents
        cluster = Cluster(
            name="copied",
            data=folder / "copied" / "data",
            log=folder / "copied" / "log",
            port=the_lab.free_ports(1)[0],
            bin_dir=copied,
            user=accounts.server_user(),
            password="x" * 24,
        )
        postgres.initdb(cluster, {})
        assert "pg_dump (PostgreSQL) 18" in postgres.run(cluster, "pg_dump", "--version")


def test_a_cloud_joins_is_made_again_after_a_crash_with_its_faults_and_leaves(lab):
    azure, before = clouds.part("azure", lab.home), environment.read(lab)
    try:
        the_lab.up(lab.home, clouds=["azure"], tell=lambda _: None)
        board.plant(lab.home, "azure-no-copy")
        first = azure.process()
        [told] = the_lab.status(lab.home)["clouds"]
        assert (told["name"], told["pid"]) == ("azure", first.pid)
        assert environment.read(lab)["AIRFLOW_CONN_AZURE_RECOVERY"].count(azure.url()) == 1
        psutil.Process(first.pid).kill()
        processes.wait_gone(first, 20)
        the_lab.up(lab.home, tell=lambda _: None)
        assert azure.process() not in (None, first)
        server = azure.client().postgres.servers.get("harbour-production", "damage-claims")
        assert server.properties.backup.geo_redundant_backup == "Disabled", "what was planted is planted again"
        assert [fault.fault for fault in board.mend(lab.home, "damage-claims")] == ["azure-no-copy"]
    finally:
        the_lab.up(lab.home, clouds=[], tell=lambda _: None)
    assert azure.process() is None
    assert [line for line in processes_of(lab.home) if "clouds/azure" in line] == []
    assert environment.read(lab) == before


def test_the_commands_speak_of_what_is_there(lab):
    runner = CliRunner()
    told = json.loads(runner.invoke(app, ["status", "--home", str(lab.home), "--json"]).output)
    assert told["rows"] == lab.rows
    lines = runner.invoke(app, ["env", "--home", str(lab.home)]).output.splitlines()
    assert f"export DRILLYARD_LAB_HOME={lab.home}" in lines
    refused = runner.invoke(app, ["break", "no-such-fault", "--home", str(lab.home)])
    assert refused.exit_code == 2
    assert "stale-backup" in refused.output
