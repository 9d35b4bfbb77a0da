"""The DAG of idle environments, run for real over a staging account in the lab's AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.evidence import keys
from include.ledger import open_ledger
from include.settings import PROJECT
from include.suspension.decision import Phase
from include.suspension.model import Power, Resource
from tests.lab.suspension_lab import NIGHT, PLATFORM, REGION, STAGING, Staging, staging

sys.path.insert(0, str(PROJECT / "tests" / "contract"))

from power_azure import azure_power
from power_google import google_power
from power_harness import PowerHarness

DAG = "suspend_environments"


@pytest.fixture(scope="module")
def account() -> Iterator[Staging]:
    with staging() as opened:
        yield opened


def hours_away(now: datetime) -> dict[str, Any]:
    """A schedule whose hours are over since most of a day, and begin in some hours, whenever this runs."""
    begin, end = now + timedelta(hours=6), now + timedelta(hours=8)
    return {"timezone": "UTC", "periods": [{"begintime": f"{begin:%H:%M}", "endtime": f"{end:%H:%M}"}]}


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
    suspension = STAGING | {"schedules": {"office": hours_away(datetime.now(UTC))}}
    known = {"environment": "staging", "owner": "platform", "suspension": suspension}
    (base / "platform.yaml").write_text(yaml.safe_dump(platform))
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


@dataclass
class Elsewhere:
    """A machine of the same environment on Google Cloud and on Azure, and one that must never be stopped on each."""

    parts: list[PowerHarness]
    mine: list[Resource]
    never: list[Resource]

    def of(self, one: Resource) -> PowerHarness:
        return next(part for part in self.parts if part.batch.cloud == one.cloud)

    def now(self, resources: list[Resource]) -> set[Power]:
        return {self.of(one).switch.look(self.of(one).batch, [one])[one.id].power for one in resources}


@pytest.fixture
def elsewhere(environment: dict[str, str], tmp_path: Path) -> Iterator[Elsewhere]:
    """The environment's file says that it lies in three clouds."""
    with google_power() as google, azure_power() as azure:
        found = Elsewhere([google, azure], [], [])
        scopes = [*STAGING["accounts"]]
        for part, kind in ((google, "compute-instance"), (azure, "virtual-machine")):
            cloud = part.batch.cloud
            found.mine.append(part.settled(part.one(kind, part.things[kind].make("build")), Power.ON))
            found.never.append(part.settled(part.one(kind, part.things[kind].make("keep")), Power.ON))
            scope = {
                "cloud": cloud,
                "account": part.batch.account,
                "connection": f"{cloud}_staging",
                "regions": [part.batch.region],
            }
            scopes.append({**scope, "kinds": [kind]})
        extra = {"google": {"is_anonymous": True}, "azure": {}}
        types = {"google": "google_cloud_platform", "azure": "azure"}
        for part in (google, azure):
            cloud = part.batch.cloud
            given = {"conn_type": types[cloud], "extra": extra[cloud] | {"endpoint": part.endpoint}}
            environment[f"AIRFLOW_CONN_{cloud.upper()}_STAGING"] = json.dumps(given)
        suspension = STAGING | {
            "accounts": scopes,
            "match": {"environment": "test"},
            "schedules": {"office": hours_away(datetime.now(UTC))},
            "guards": {"opt_out": ["keep"]},
            "grace": "1s",  # what was made just now counts as started by hand
        }
        known = {"environment": "staging", "owner": "platform", "suspension": suspension}
        (tmp_path / "platform" / "environments" / "staging.yaml").write_text(yaml.safe_dump(known))
        yield found


def test_people_and_three_clouds(run_dag: Any, environment: dict[str, str], elsewhere: Elsewhere, account: Staging) -> None:
    """A deployment keeps all up; its marker's end lets all sleep; the names of the form's actions, as a person gives them."""
    there = account.instances(1, environment="test")

    def asked(action: str) -> None:
        given = {"action": action, "environment": "staging", "hours": 2, "why": "release 4.2", "requested_by": "ann"}
        done = run_dag(DAG, conf=given, env=environment)
        assert done.code == 0, done.output[-3000:]
        assert elsewhere.now(elsewhere.never) == {Power.ON}

    asked("deploying")
    assert elsewhere.now(elsewhere.mine) == {Power.ON} and account.states()[there[0]] == "running"
    asked("cancel")
    assert elsewhere.now(elsewhere.mine) == {Power.OFF} and account.states()[there[0]] == "stopped"


@pytest.mark.full
def test_snooze_wake_and_sleep_in_three_clouds(
    run_dag: Any, environment: dict[str, str], elsewhere: Elsewhere, account: Staging
) -> None:
    for action, power in (("snooze", Power.ON), ("sleep", Power.OFF), ("wake", Power.ON), ("sleep", Power.OFF)):
        given = {"action": action, "environment": "staging", "hours": 2, "why": "a demo", "requested_by": "ann"}
        done = run_dag(DAG, conf=given, env=environment)
        assert done.code == 0, (action, done.output[-3000:])
        assert (elsewhere.now(elsewhere.mine), elsewhere.now(elsewhere.never)) == ({power}, {Power.ON}), action


def test_what_leaves_the_catalog_asleep_turns_the_run_red(
    run_dag: Any, environment: dict[str, str], account: Staging, tmp_path: Path
) -> None:
    account.instances(1)
    desk = account.desk()
    account.sweep(NIGHT, desk)
    desk.ledger.close()
    (tmp_path / "platform" / "environments" / "staging.yaml").unlink()
    done = run_dag(DAG, env=environment)
    assert done.code != 0
    assert "drillyard suspend bring-back staging" in done.output, done.output[-3000:]
