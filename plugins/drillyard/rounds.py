"""What the rounds of Airflow's scheduler ask of a wait in the triggerer.

The scheduler reads in its next round that a task gave its worker slot back. A trigger that fires before that, so that the task
is queued again in the very round, has its report taken for the task's own end, and the try fails: "finished with state success,
but the task instance's state attribute is queued" (Airflow 3.3.2, `SchedulerJobRunner.process_executor_events`). A round over a
run of 200 drills takes five to ten seconds on two cores; then half of them failed every try. The report itself comes when the
task's process has ended, which takes a worker without a processor to spare more than two seconds.
"""

from __future__ import annotations

from typing import Any

NOT_A_LOGIN = "dag_test"
"""What Airflow itself calls the user of `airflow dags test`: whoever has the machine may say for whom they act."""


def settling(run: Any, beside: int, attempt: int) -> float:
    """Seconds that a wait lasts at least, at this try, in a run of so many mapped drills."""
    if run.triggering_user_name == NOT_A_LOGIN:
        return 0.0  # no scheduler: one process runs the tasks and the triggers, one after another
    return attempt * min(30.0, 4 + 0.1 * beside)
