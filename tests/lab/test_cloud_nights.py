"""One cloud in trouble for a night, through the DAGs: the others are drilled, its own are unknown, the next run converges."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cloud_parts import catalog, ledger_on
from lab_homes import new_home

from include.lab import airflow_home, clouds, environment
from include.lab.clouds import LabCloud, Trouble
from include.lab.state import LabState
from include.ledger import open_ledger
from include.ledger.ledger import Ledger
from include.recovery.model import Verdict

SERVICES = {"aws": "web-shop", "azure": "customs-filing", "google": "freight-quotes"}
"""One healthy service on each cloud."""


@dataclass(frozen=True)
class Nights:
    """Clouds that are up, an Airflow for them, and where their records go."""

    parts: dict[str, LabCloud]
    env: dict[str, str]
    ledger: Ledger

    def run(self, dag_id: str, **conf: object) -> None:
        """One run to its end. A red one is no error here: the records tell."""
        try:
            airflow_home.run_airflow(self.env, ["dags", "test", dag_id, "--conf", json.dumps(conf)], timeout=600)
        except airflow_home.CommandFailed as red:
            assert "Traceback" in red.output or "failed" in red.output, red

    def night(self) -> None:
        """Both DAGs."""
        self.run("verify_backups")
        asked = {"services": sorted(SERVICES[cloud] for cloud in self.parts), "reason": "test"}
        self.run("drill_restores", **asked, override_blackout="a lab", requested_by="jonas-falk")

    def told(self) -> dict[str, tuple[Verdict, str, Verdict, str]]:
        """By cloud: the newest verification's and the newest drill's verdict and summary."""
        verified, drilled = self.ledger.latest_verifications(), self.ledger.latest_drills()
        found = {}
        for cloud in self.parts:
            name = next(one for one in verified if one.startswith(f"{SERVICES[cloud]}/"))
            found[cloud] = (verified[name].verdict, verified[name].summary, drilled[name].verdict, drilled[name].summary)
        return found


@pytest.fixture(scope="module")
def nights(small_lab: LabState) -> Iterator[Nights]:
    home = new_home()
    parts = {cloud: clouds.part(cloud, home) for cloud in clouds.ALL}
    try:
        with ledger_on(small_lab, "cloud_nights") as url:
            clouds.up(home, clouds.ALL, lambda _: None)
            variables = environment.read(small_lab) | clouds.variables(home, clouds.ALL)
            del variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
            ledger = json.loads(variables["AIRFLOW_CONN_DRILLYARD_LEDGER"])
            cluster = small_lab.cluster("control-db")
            ledger |= {"schema": "cloud_nights", "login": "postgres", "password": cluster.password}
            variables |= {
                "AIRFLOW_CONN_DRILLYARD_LEDGER": json.dumps(ledger),
                "DRILLYARD_PLATFORM": str(catalog(clouds.ALL, home, SERVICES.values())),
                "DRILLYARD_REPORTS": str(home / "reports"),
            }
            env = airflow_home.airflow_environment(home / "airflow", variables)
            airflow_home.prepare(env)
            yield Nights(parts, env, open_ledger(url))
    finally:
        clouds.down(home, clouds.ALL)
        shutil.rmtree(home, ignore_errors=True)


REASONS = ("did not answer", "Could not connect", "answered 429", "Throttling", "Rate exceeded", "Connection", "cannot be read")
TROUBLES = [(cloud, kind) for cloud in clouds.ALL for kind in ("down", "throttle", "lost")]


@pytest.mark.timeout(2400)  # four runs through Airflow, two of them with a cloud that makes every SDK try again
@pytest.mark.parametrize(
    ("cloud", "kind"),
    [pytest.param(*one, marks=() if one == ("google", "down") else pytest.mark.full) for one in TROUBLES],
)
def test_one_cloud_in_trouble_hides_no_other_and_the_next_night_converges(nights: Nights, cloud: str, kind: Trouble) -> None:
    nights.parts[cloud].trouble(kind)
    try:
        nights.night()
    finally:
        nights.parts[cloud].calm()
    told = nights.told()
    for name, (verified, why, drilled, said) in told.items():
        wanted = Verdict.UNKNOWN if name == cloud else Verdict.PASSED
        assert (verified, drilled) == (wanted, wanted), (name, why, said)
    for reason in (told[cloud][1], told[cloud][3]):
        assert any(word in reason for word in REASONS), reason
    nights.night()
    assert {(one[0], one[2]) for one in nights.told().values()} == {(Verdict.PASSED, Verdict.PASSED)}, nights.told()
    assert {name: part.sandboxes() for name, part in nights.parts.items()} == {name: [] for name in nights.parts}
