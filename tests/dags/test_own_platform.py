"""A platform of somebody's own, with no lab: a database whose schema PostgreSQL's own pgbench makes, through the same DAGs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from selfhosted_plane import Plane, plane

from include.connections import parse
from include.evidence import keys
from include.lab import accounts, postgres
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.recovery.desk import ledger_url

PLATFORM = """
name: own
currency: EUR
clouds:
  selfhosted:
    regions: [{{name: here, failure_domain: here}}, {{name: there, failure_domain: there}}]
    settings: {{sandbox_root: {home}/sandboxes, bin_dirs: {{"18": {bin}}}, max_ready: 90s}}
tiers:
  tier-1: {{rpo: 30m, rto: 15m, drill_every: 7d}}
people: [{{name: ann, email: ann@example.test, teams: [owners]}}]
evidence:
  - {{name: one, url: {evidence}/one, failure_domain: here}}
  - {{name: two, url: {evidence}/two, failure_domain: there}}
"""

SERVICE = """
service: bank
tier: tier-1
owner: owners
datastores:
  - name: accounts
    cloud: selfhosted
    region: here
    database: bench
    connection: bank_db
    business_time: SELECT max(mtime)::timestamptz FROM pgbench_history
    backups:
      kind: base_backup
      location: {home}/base
      wal: {home}/wal
      copies: [{{location: {home}/copy, wal: {home}/wal-copy, failure_domain: there}}]
      digests: false
    validation:
      constraints: 3
      questions:
        - name: the books balance
          sql: SELECT (SELECT sum(abalance) FROM pgbench_accounts) - (SELECT sum(bbalance) FROM pgbench_branches)
        - {{name: accounts are there, sql: SELECT count(*) FROM pgbench_accounts, expect: "=", value: 200000}}
"""


@pytest.fixture(scope="module")
def bank() -> Iterator[Plane]:
    """A PostgreSQL with a pgbench database, its base backup, its archive, and a copy of both elsewhere."""
    with plane() as made:
        made.run("postgres", "CREATE DATABASE bench", "CREATE DATABASE drillyard_ledger")
        postgres.run(made.cluster, "pgbench", "-i", "-q", "-s", "2", "--foreign-keys", "bench")
        made.back_up("20261123")
        postgres.run(made.cluster, "pgbench", "-t", "100", "-n", "bench")
        made.archived()
        shutil.copytree(made.base, made.home / "copy")
        shutil.copytree(made.wal, made.home / "wal-copy")
        for path in [
            made.home / "copy",
            made.home / "wal-copy",
            *(made.home / "copy").rglob("*"),
            *(made.home / "wal-copy").iterdir(),
        ]:
            if made.user:
                shutil.chown(path, made.user)
        yield made


@pytest.fixture
def environment(bank: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a user sets: the platform's folder and four connections."""
    accounts.folder(bank.home / "sandboxes", bank.user, 0o700)
    base = tmp_path / "platform"
    (base / "services").mkdir(parents=True)
    (base / "platform.yaml").write_text(PLATFORM.format(home=bank.home, bin=bank.bin, evidence=tmp_path / "evidence"))
    (base / "services" / "bank.yaml").write_text(SERVICE.format(home=bank.home))
    (base / "rates.yaml").write_text("source: our own servers\nrates: {selfhosted: {compute_per_hour: 0.10}}\n")
    known: Any = bank.clients("bank_db")

    def server(database: str) -> str:
        fields = {
            "conn_type": "postgres",
            "host": known.host,
            "port": known.port,
            "login": known.login,
            "password": known.password,
        }
        return json.dumps(fields | {"schema": database})

    variables = {
        "DRILLYARD_PLATFORM": str(base),
        "DRILLYARD_REPORTS": str(tmp_path / "reports"),
        "AIRFLOW_CONN_BANK_DB": server("postgres"),
        "AIRFLOW_CONN_DRILLYARD_LEDGER": server("drillyard_ledger"),
        "AIRFLOW_CONN_DRILLYARD_SANDBOX": json.dumps({"conn_type": "generic", "password": secrets.token_hex(16)}),
        "AIRFLOW_CONN_DRILLYARD_SEALING_KEY": json.dumps({"conn_type": "generic", "password": keys.generate()[0]}),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    migrate(ledger_url(lambda conn_id: parse(conn_id, os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"])))
    return variables


def test_a_database_that_nobody_here_made_is_verified_and_restored(
    run_dag: Any, environment: dict[str, str], bank: Plane
) -> None:
    ledger = open_ledger(ledger_url(lambda conn_id: parse(conn_id, environment[f"AIRFLOW_CONN_{conn_id.upper()}"])))
    night = run_dag("verify_backups", env=environment)
    record = ledger.latest_verifications()["bank/accounts"]
    assert record.verdict == "passed", record.summary
    # The server has databases that no catalog entry names: a red finding, whatever the backups are like.
    assert {note.subject.rpartition("/")[2] for note in ledger.notes(event="uncatalogued-database")} >= {"shop"}, night.output[
        -3000:
    ]
    done = run_dag("drill_restores", conf={"services": ["bank"], "reason": "adoption", "requested_by": "ann"}, env=environment)
    drill = ledger.latest_drills()["bank/accounts"]
    assert drill.verdict == "passed", drill.summary
    assert done.code == 0, done.output[-3000:]
    assert drill.request.requested_by == "ann" and drill.doubles == ()
    assert list((bank.home / "sandboxes").iterdir()) == []


def test_a_typo_in_the_form_fails_at_once_with_the_nearest_name(run_dag: Any, environment: dict[str, str]) -> None:
    done = run_dag("drill_restores", conf={"services": ["bnak"], "requested_by": "ann"}, env=environment)
    assert done.code != 0
    assert "'bnak'; did you mean bank?" in done.output
    assert done.output.count("starting task_id=plan_drills") == 1
