"""The DAG of idle environments, run for real over a staging account in the lab's AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.evidence import keys
from include.ledger import open_ledger
from include.suspension.decision import Phase
from tests.lab.suspension_lab import PLATFORM, REGION, STAGING, Staging, hours_away, staging

DAG = "suspend_environments"
NETWORK = {"subnet_group": "sandbox", "security_groups": ["sg-1"], "parameter_groups": {"18": "sandbox-18"}}
"""For restores, of which there are none here: the catalog wants one of whoever has an AWS account."""


@pytest.fixture(scope="module")
def account() -> Iterator[Staging]:
    with staging() as opened:
        yield opened


@pytest.fixture
def environment(account: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What a user sets: the platform's folder and three connections."""
    account.clear()
    base = tmp_path / "platform"
    (base / "environments").mkdir(parents=True)
    (base / "services").mkdir()
    stores = [
        {"name": name, "url": str(account.home / "evidence" / name), "failure_domain": domain}
        for name, domain in (("one", "here"), ("two", "there"))
    ]
    platform = PLATFORM.model_dump(mode="json", exclude_unset=True) | {"evidence": stores}
    platform["clouds"]["aws"]["settings"] = {"connection": "aws_recovery", "networks": {REGION: NETWORK}}
    suspension = STAGING | {"schedules": {"office": hours_away(datetime.now(UTC))}}
    known = {"environment": "staging", "owner": "platform", "suspension": suspension}
    (base / "platform.yaml").write_text(yaml.safe_dump(platform))
    (base / "rates.yaml").write_text("source: our own\nrates: {aws: {sizes: {m5.large: 0.10}}}\n")
    (base / "environments" / "staging.yaml").write_text(yaml.safe_dump(known))
    variables = {
        "DRILLYARD_PLATFORM": str(base),
        "DRILLYARD_REPORTS": str(tmp_path / "reports"),
        "AIRFLOW_CONN_AWS_STAGING": account.lab.connection(role="drillyard-power"),
        "AIRFLOW_CONN_DRILLYARD_LEDGER": account.url.replace("postgresql+psycopg2", "postgresql"),
        "AIRFLOW_CONN_DRILLYARD_SEALING_KEY": json.dumps({"conn_type": "generic", "password": keys.generate()[0]}),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DRILLYARD_LAB_HOME", raising=False)
    yield variables
    account.clear()


def test_a_night_and_a_wake_from_the_form(run_dag: Any, environment: dict[str, str], account: Staging) -> None:
    mine = account.instances(2)
    never = [*account.instances(1, stage="prod"), *account.instances(1, **{"drillyard-protected": "true"})]
    account.lab.age_instances(region=REGION, launched=(datetime.now(UTC) - timedelta(days=3)).isoformat())

    night = run_dag(DAG, env=environment)
    assert night.code == 0, night.output[-3000:]
    states = account.states()
    assert [states[name] for name in mine] == ["stopped"] * 2, night.output[-3000:]
    assert [states[name] for name in never] == ["running"] * 2
    assert account.phases() == dict.fromkeys(mine, Phase.ASLEEP)
    former = {one["resource"]["id"] for record in account.records("suspending") for one in record["former"]}
    assert former == set(mine)

    asked = {"action": "wake", "environment": "staging", "hours": 2, "why": "a demo", "requested_by": "ann"}
    morning = run_dag(DAG, conf=asked, env=environment)
    assert morning.code == 0, morning.output[-3000:]
    assert set(account.states().values()) == {"running"}
    assert account.phases() == dict.fromkeys(mine, Phase.AWAKE)
    assert all(one["exact"] for record in account.records("awake") for one in record["woken"])
    ledger = open_ledger(account.url)
    (note,) = ledger.notes(event="suspension-wish")
    ledger.close()
    assert (note.by, note.subject, note.detail["action"], note.detail["why"]) == ("ann", "staging", "wake", "a demo")
    assert list((account.home / "evidence" / "two").rglob("*suspension-wish-wake*.json"))


def test_a_typo_in_the_form_fails_at_once_with_the_nearest_name(
    run_dag: Any, environment: dict[str, str], account: Staging
) -> None:
    asked = {"action": "sweep", "environment": "stagign", "requested_by": "ann"}
    done = run_dag(DAG, conf=asked, env=environment)
    assert done.code != 0
    assert "did you mean 'staging'" in done.output, done.output[-3000:]
    assert "up_for_retry" not in done.output.lower(), done.output[-3000:]
    assert account.phases() == {}
