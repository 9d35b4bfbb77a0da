import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from catalog_files import HARBOUR, harbour
from typer.testing import CliRunner

import include.ledger
from include.ledger.model import LedgerUnreachable, Stop
from include.recovery.cli_plan import plan_command
from include.recovery.model import PlanItem
from include.recovery.plan import History

app = typer.Typer()
app.command("plan")(plan_command)
AT = "2026-11-23T02:00:00Z"


def run(*words: str, catalog: Path = HARBOUR):
    return CliRunner().invoke(app, ["drill_restores", "--at", AT, "--catalog", str(catalog), *words])


@pytest.fixture(autouse=True)
def no_ledger(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_DRILLYARD_LEDGER", raising=False)


class Ledger:
    def __init__(self, history: dict[str, History], stop: Stop | None = None) -> None:
        self.history: Callable[[], dict[str, History]] = lambda: history
        self.stopped = lambda: stop


def test_without_a_ledger_it_says_so_and_plans_as_if_nothing_was_proven():
    result = run()
    assert result.exit_code == 0
    assert "no ledger is configured" in result.stderr and "as if nothing was ever proven" in result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["due", "identity/main"],
        ["due", "inventory/main"],
        ["due", "orders/main"],
        ["due", "analytics/main"],
    ]
    assert lines[-1].startswith("4 due, 0 held; forecast 0.0936 EUR")


def test_json_is_what_the_operators_get():
    items = [PlanItem.model_validate(item) for item in json.loads(run("--format", "json").stdout)]
    assert items[0].drill_id == "identity.main.2026-11-23"
    assert len(items) == 4


def test_only_one_service():
    result = run("--service", "orders", "--service", "identity/main", "--format", "json")
    assert [item["service"] for item in json.loads(result.stdout)] == ["identity", "orders"]


def test_the_ledgers_history_and_stop_are_used(monkeypatch):
    proven = datetime(2026, 11, 22, 2, tzinfo=UTC)
    history = {
        f"{name}/main": History(last_passed=proven, last_attempt=proven) for name in ("identity", "inventory", "analytics")
    }
    stop = Stop(by="grace", reason="storm", at=proven)
    monkeypatch.setattr(include.ledger, "open_ledger_from_environment", lambda: Ledger(history, stop))
    result = run()
    assert "held  orders/main" in result.stdout and "everything is stopped: storm (grace, 2026-11-22 02:00 UTC)" in result.stdout
    assert "identity/main" not in result.stdout and "0 due, 1 held" in result.stdout
    assert result.stderr == ""


def test_a_ledger_that_does_not_answer_is_not_an_empty_one(monkeypatch):
    def down() -> object:
        raise LedgerUnreachable("the ledger does not answer")

    monkeypatch.setattr(include.ledger, "open_ledger_from_environment", down)
    result = run()
    assert result.exit_code == 1 and "the ledger does not answer" in result.stderr and result.stdout == ""


def test_nothing_due_is_said(monkeypatch):
    proven = datetime(2026, 11, 22, 2, tzinfo=UTC)
    names = ("identity", "inventory", "orders", "analytics")
    history = {f"{name}/main": History(last_passed=proven, last_attempt=proven) for name in names}
    monkeypatch.setattr(include.ledger, "open_ledger_from_environment", lambda: Ledger(history))
    assert run().stdout == "nothing is due at 2026-11-23T02:00:00+00:00\n"


def test_a_broken_service_is_noted_and_held(tmp_path):
    result = run(catalog=harbour(tmp_path, ("services/orders.yaml", "tier: tier-1", "tier: teir-1")))
    assert result.exit_code == 0
    assert "note: service orders cannot be used" in result.stderr
    assert "held: orders/unknown: correct the catalog: services/orders.yaml:2" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "2026-11-23T02:00"], "has no offset; write 2026-11-23T02:00Z"),
        (["--at", "tonight"], "'tonight' is no time; write for example 2026-11-23T02:00:00Z"),
        (["--service", "oders"], "did you mean orders"),
        (["--catalog", "/nowhere"], "is no directory"),
    ],
)
def test_mistakes_are_told_in_a_line(words, message):
    result = run(*words)
    assert result.exit_code == 1 and message in result.stderr and result.stdout == ""


def test_a_verb_without_a_plan():
    result = CliRunner().invoke(app, ["fly_away", "--catalog", str(HARBOUR)])
    assert result.exit_code == 1 and "no plan for 'fly_away'; known: drill_restores" in result.stderr


def test_now_is_the_default():
    result = CliRunner().invoke(app, ["drill_restores", "--catalog", str(HARBOUR), "--format", "json"])
    assert abs(datetime.fromisoformat(json.loads(result.stdout)[0]["planned_at"]) - datetime.now(UTC)).total_seconds() < 60
