"""Waits in the triggerer that end too soon for Airflow's scheduler, and tries that find their work done."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.recovery import drill
from include.recovery.model import Sandbox, Status
from tests.contract.selfhosted_plane import plan_item

ITEM = plan_item("shop.main.2026-11-28")


@pytest.fixture
def restore(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A restore task in a run of 200 drills."""
    from drillyard import clients
    from drillyard.operators.restore import SelfHostedRestoreOperator

    monkeypatch.setattr(clients, "desk", lambda cloud: cloud)
    return SelfHostedRestoreOperator(task_id="restore", item=ITEM.model_dump(mode="json"), beside="200")


def begun(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    monkeypatch.setattr(drill, "begin", lambda desk, item: Sandbox(name="dy-1", status=status))


def context(attempt: int, user: str | None = None) -> Any:
    return {"ti": SimpleNamespace(try_number=attempt), "dag_run": SimpleNamespace(triggering_user_name=user)}


def settles(restore: Any, at: Any) -> float:
    with pytest.raises(TaskDeferred) as deferred:
        restore.execute(at)
    return float(deferred.value.trigger.serialize()[1]["settle"])


def test_a_try_that_finds_its_sandbox_ready_does_not_wait_again(monkeypatch: pytest.MonkeyPatch, restore: Any) -> None:
    """With 200 drills due, half of them failed all their tries in the scheduler: each had ended its wait within a second."""
    secured = []
    begun(monkeypatch, Status.SUCCEEDED)
    monkeypatch.setattr(drill, "secure", lambda desk, item: secured.append(item))
    assert restore.execute(context(2)) == ITEM.drill_id
    assert secured == [ITEM]


def test_a_wait_in_a_large_run_lasts_longer_than_a_round_of_the_scheduler(monkeypatch: pytest.MonkeyPatch, restore: Any) -> None:
    begun(monkeypatch, Status.RUNNING)
    assert [settles(restore, context(attempt)) for attempt in (1, 2)] == [24, 48]


def test_without_a_scheduler_a_wait_ends_when_the_sandbox_is_ready(monkeypatch: pytest.MonkeyPatch, restore: Any) -> None:
    begun(monkeypatch, Status.RUNNING)
    assert settles(restore, context(1, user="dag_test")) == 0


def test_the_trigger_fires_no_sooner_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    from drillyard import triggers

    monkeypatch.setattr(triggers, "_look", lambda raw: {"status": "succeeded"})
    trigger = triggers.SandboxTrigger(item={}, settle=0.5)
    _, given = trigger.serialize()

    async def fired() -> float:
        began = time.monotonic()
        async for event in triggers.SandboxTrigger(**given).run():
            assert event.payload == {"status": "succeeded"}
        return time.monotonic() - began

    assert 0.5 <= asyncio.run(fired()) < 2


def test_a_later_try_of_a_sweep_looks_later() -> None:
    from drillyard.operators.suspend import until_next_look

    assert [until_next_look(0, 20, attempt) for attempt in (1, 2, 3)] == [2.5, 10, 20]
