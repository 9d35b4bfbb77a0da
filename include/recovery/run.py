"""A drill from beginning to end in one process, without Airflow: for the terminal, the benchmarks and the worst day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from include.recovery import drill, expectations, leases, pace
from include.recovery.conclude import conclude, hold
from include.recovery.contracts import Transient
from include.recovery.model import PlanItem, Status

if TYPE_CHECKING:
    from include.evidence.record import DrillRecord
    from include.recovery.desk import Desk

POLL, SLOWEST = 0.1, 5.0
"""Seconds between two looks at a sandbox, at first and at most (`include.recovery.pace`)."""


def run_drill(desk: Desk, item: PlanItem, docs: Path | None, say: Callable[[str], None] = lambda _: None) -> DrillRecord:
    """Restore, validate, discard and record one planned datastore. The record says what failed; nothing is raised for it.

    Raises Held when it must not begin (recorded as a note); Transient, LedgerUnreachable or StoresDown when a step could not be
    finished: run it again, it continues.
    """
    if desk.datastore(item.service, item.datastore).validation.expectations:
        threading.Thread(target=expectations.preload, daemon=True).start()  # seconds of import, while the restore runs
    try:
        say(f"{item.label}: restoring")
        drill.begin(desk, item)
        ready(desk, item)
        say(f"{item.label}: validating")
        drill.validate(desk, item, docs)
    except drill.Held as held:
        hold(desk, item, str(held))
        raise
    except drill.Halted as halted:
        say(f"{item.label}: {halted}")
    leases.close(desk, item)
    record = conclude(desk, item)
    say(f"{item.label}: {record.verdict}: {record.summary}")
    return record


def ready(desk: Desk, item: PlanItem) -> None:
    """Look until the sandbox is there, and make it harmless. Raises Halted when it fails, is stopped or takes too long."""
    began = time.monotonic()
    while True:
        try:
            if drill.watch(desk, item).status is Status.SUCCEEDED:
                drill.secure(desk, item)
                return
        except Transient:
            pass  # unknown is not failed: look again; the drill's own time ends that
        time.sleep(pace.pause(time.monotonic() - began, POLL, SLOWEST))
