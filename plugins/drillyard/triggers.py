"""Waiting for a control plane without holding a worker slot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async


class SandboxTrigger(BaseTrigger):
    """Looks at one sandbox until it is ready, has failed, or the drill must stop. Carries the plan item, no secret.

    :param item: the plan item, as JSON types.
    :param poll: seconds between two looks, at first, and at most `slowest` (`include.recovery.pace`).
    :param rest: seconds before the first look.
    :param settle: seconds before the event, at least: see `drillyard.rounds`.
    """

    def __init__(
        self, item: dict[str, Any], poll: float = 0.5, slowest: float = 15.0, rest: float = 0.0, settle: float = 0.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.item, self.poll, self.slowest, self.rest, self.settle = item, poll, slowest, rest, settle

    def serialize(self) -> tuple[str, dict[str, Any]]:
        # The literal path: the plugin loader may have run this file under another name.
        given = {name: getattr(self, name) for name in ("item", "poll", "slowest", "rest", "settle")}
        return "drillyard.triggers.SandboxTrigger", given

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: ``{"status": "succeeded"}`` or ``{"status": "halted", "reason": …}``."""
        from include.recovery.pace import pause

        began = time.monotonic()
        await asyncio.sleep(self.rest)
        while True:
            outcome = await sync_to_async(_look, thread_sensitive=False)(self.item)
            if outcome is not None:
                await asyncio.sleep(began + self.settle - time.monotonic())
                yield TriggerEvent(outcome)  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(pause(time.monotonic() - began, self.poll, self.slowest))


def _look(raw: dict[str, Any]) -> dict[str, str] | None:
    """One look, in a thread. A cloud that cannot answer now is looked at again; the drill's own deadline ends that."""
    from drillyard.clients import desk
    from include.recovery import drill
    from include.recovery.contracts import Transient
    from include.recovery.model import PlanItem, Status

    item = PlanItem.model_validate(raw)
    try:
        sandbox = drill.watch(desk(item.cloud), item)
    except drill.Halted as halted:
        return {"status": "halted", "reason": str(halted)}
    except Transient:
        return None
    return {"status": "succeeded"} if sandbox.status is Status.SUCCEEDED else None


class PauseTrigger(BaseTrigger):
    """A pause between two looks that holds no worker slot. Carries numbers only."""

    def __init__(self, seconds: float, waited: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds, self.waited = seconds, waited

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "drillyard.triggers.PauseTrigger", {"seconds": self.seconds, "waited": self.waited}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event when the pause is over, with how long was waited in all."""
        await asyncio.sleep(self.seconds)
        yield TriggerEvent({"waited": self.waited})  # type: ignore[no-untyped-call]
