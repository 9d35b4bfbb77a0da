"""What Airflow calls when a run is late."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference


async def say_late(**context: Any) -> None:
    """A run missed its deadline: said loudly in the triggerer's log, and told to the operators once."""
    import asyncio

    run = context.get("context", {}).get("dag_run", {})
    log = logging.getLogger("drillyard")
    log.error("late: %s %s has not ended in time", run.get("dag_id"), run.get("dag_run_id"))
    try:
        await asyncio.to_thread(_tell_late, str(run.get("dag_id")), str(run.get("dag_run_id")))
    except Exception:
        log.exception("late: nobody could be told of it; the next publication tries again")
        raise


def _tell_late(dag_id: str, run_id: str) -> None:
    from drillyard.clients import connection
    from include.notices.tell import say_now

    body = (
        f"Run {run_id} of {dag_id} has not ended in time.\nOpen the run in Airflow: a task that waits, or a machine that is down."
    )
    say_now(connection, f"{dag_id} is late", body, identity=f"late/{dag_id}/{run_id}")


def late_after(interval: timedelta) -> DeadlineAlert | None:
    """The deadline of a DAG's runs, counted from when they were queued; None under `airflow dags test`.

    There Airflow 3.3.2 asks its database for the deadline by a dict instead of an id (``DagRun.update_state``), and a run
    whose tasks all succeeded ends with a ProgrammingError.
    """
    words = " ".join(sys.argv)
    if "dags test" in words or '"dags", "test"' in words:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=interval, callback=AsyncCallback(say_late), name="late"
    )
