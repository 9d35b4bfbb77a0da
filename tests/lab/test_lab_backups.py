"""The backup job: what it makes verifies, lies in two failure domains, and carries signed answers of its own instant."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta

import pytest
from lab_restores import restored

from include.lab import archive_wal, backups, fleet, postgres
from include.recovery import digests
from include.recovery.validation import ask, check_amcheck, check_constraints, check_sequences
from include.values import utcnow

PHYSICAL = [server for server in fleet.SERVERS if server.physical]
DUMPED = [(server, database) for server in fleet.SERVERS if not server.physical for database in server.databases]


@pytest.mark.parametrize("server", PHYSICAL, ids=lambda server: server.name)
def test_base_backups_and_their_copies_verify(small_lab, server):
    for copy in (False, True):
        newest = backups.newest(backups.base_folder(small_lab, server, copy=copy))
        postgres.run(small_lab.cluster(server.name), "pg_verifybackup", "-q", newest)


@pytest.mark.parametrize(("server", "database"), DUMPED, ids=[database.service for _, database in DUMPED])
def test_dumps_and_their_copies_can_be_read(small_lab, server, database):
    here, there = (backups.newest(backups.dump_folder(small_lab, server, database, copy=copy)) for copy in (False, True))
    assert here.read_bytes() == there.read_bytes()
    listing = postgres.run(small_lab.cluster(server.name), "pg_restore", "--list", here)
    assert f"dbname: {database.name}" in listing
    assert "TABLE DATA" in listing


@pytest.mark.parametrize(
    ("server", "database"), [(s, d) for s in fleet.SERVERS for d in s.databases], ids=lambda item: getattr(item, "service", "")
)
def test_digests_are_signed_for_every_database_and_its_questions(small_lab, server, database):
    folder = backups.base_folder(small_lab, server) if server.physical else backups.dump_folder(small_lab, server, database)
    newest = backups.newest(folder)
    document = json.loads(newest.with_name(newest.name + digests.SUFFIX).read_text())
    told = digests.of(document, database.datastore_id, [digests.public_key(small_lab.digest_key)])
    wanted = {question.name for question in backups.questions(database) if question.digest}
    assert wanted
    assert set(told["digests"]) == wanted
    assert told["constraints"]
    taken = datetime.strptime(newest.name[:16], "%Y%m%dT%H%M%SZ%z" if newest.name[16:].startswith("+") else "%Y%m%dT%H%M%SZ")
    assert timedelta(0) < taken.replace(tzinfo=utcnow().tzinfo) - datetime.fromisoformat(told["as_of"]) < timedelta(seconds=10)
    with pytest.raises(ValueError, match="not among the trusted keys"):
        digests.of(document, database.datastore_id, ["0" * 64])
    with pytest.raises(ValueError, match="does not fit"):
        digests.of({**document, "as_of": "2020-01-01T00:00:00+00:00"}, database.datastore_id, [document["key_id"]])


def test_production_has_every_key_that_the_catalog_counts_and_answers_its_questions(small_lab):
    """The example platform's own numbers, against the lab they describe. What the lab's tests have migrated since has more."""
    import yaml

    for server in fleet.SERVERS:
        for database in server.databases:
            text = (backups.EXAMPLE / "services" / f"{database.service}.yaml").read_text()
            datastore = next(d for d in yaml.safe_load(text)["datastores"] if d["name"] == database.datastore)
            with postgres.connect(small_lab.cluster(server.name), database.name) as connection:
                there, counted = digests.constraints(connection), datastore["validation"]["constraints"]
                assert len([name for name in there if is_of_the_lab(name, database)]) == counted, database.service
                assert check_constraints(connection, counted, None).outcome == "passed"
                for question in backups.questions(database):
                    if not question.digest:
                        assert ask(connection, question, None).outcome == "passed", (database.service, question.name)
                assert check_sequences(connection).outcome == "passed"


def is_of_the_lab(constraint: str, database: fleet.Database) -> bool:
    """Whether the lab's seed made it: Airflow and the ledger migrate their own databases further, when a test runs them."""
    return database.name not in ("airflow", "drillyard_ledger") or ".recovery_heartbeat." in constraint


def test_the_ledgers_questions_hold_before_and_after_its_migration(lab):
    from include.ledger import open_ledger, url_from_environment
    from include.ledger.migrations import migrate

    server, database = fleet.find("drillyard-ledger")
    migrate(open_ledger(url_from_environment()).url)
    with postgres.connect(lab.cluster(server.name), database.name) as connection:
        for question in backups.questions(database):
            if not question.digest:
                assert ask(connection, question, None).outcome == "passed", question.name


def test_a_base_backup_rolls_forward_by_hand_to_what_was_committed_after_it(small_lab):
    server, database = fleet.find("order-intake")
    cluster = small_lab.cluster(server.name)
    newest = backups.newest(backups.base_folder(small_lab, server))
    document = json.loads(newest.with_name(newest.name + digests.SUFFIX).read_text())
    mark = postgres.scalar(cluster, "orders", "SELECT max(order_id) FROM orders")
    switched = str(postgres.scalar(cluster, "orders", "SELECT pg_walfile_name(pg_switch_wal())"))
    wait_for(backups.wal_folder(small_lab, server) / f"{switched}.gz")
    with restored(small_lab, server.name) as copy, postgres.connect(copy, "orders") as connection:
        assert postgres.scalar(copy, "orders", "SELECT max(order_id) FROM orders") >= mark
        for question in backups.questions(database):
            assert ask(connection, question, document).outcome == "passed", question.name
        assert check_amcheck(connection).outcome == "passed"
        assert check_constraints(connection, 12, document["constraints"]).outcome == "passed"


def wait_for(path):
    import time

    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.2)


def test_the_job_for_one_service_adds_one_backup_and_its_copy(small_lab):
    server, database = fleet.find("notifications")
    folders = [backups.dump_folder(small_lab, server, database, copy=copy) for copy in (False, True)]
    before = [set(folder.iterdir()) for folder in folders]
    (made,) = backups.back_up(small_lab, "notifications")
    fresh = [set(folder.iterdir()) - known for folder, known in zip(folders, before, strict=True)]
    assert [sorted(path.name for path in paths) for paths in fresh] == [[made.name, made.name + digests.SUFFIX]] * 2
    backups.discard(made)
    backups.discard(folders[1] / made.name)
    assert [set(folder.iterdir()) for folder in folders] == before


def test_two_servers_cannot_share_an_archive(small_lab):
    server = fleet.server("identity-db")
    folder = backups.wal_folder(small_lab, server)
    name = min(path.name for path in folder.iterdir() if len(path.name) == 27)
    scratch = small_lab.home / "other.wal"
    scratch.write_bytes(b"another server's segment")
    before = (folder / name).read_bytes()
    try:
        assert archive_wal.main(str(scratch), name.removesuffix(".gz"), [str(folder)]) == 1
    finally:
        scratch.unlink()
    assert (folder / name).read_bytes() == before
    shutil.rmtree(scratch, ignore_errors=True)
