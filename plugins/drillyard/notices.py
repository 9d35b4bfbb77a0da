"""What Airflow calls when a run is late."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import AsyncCallback


async def say_late(**context: Any) -> None:
    """A run missed its deadline: said loudly in the triggerer's log, where alerting picks it up."""
    run = context.get("context", {}).get("dag_run", {})
    logging.getLogger("drillyard").error("late: %s %s has not ended in time", run.get("dag_id"), run.get("dag_run_id"))


def late() -> AsyncCallback:
    """The callback of a run that has not ended by its deadline."""
    return AsyncCallback(say_late)
