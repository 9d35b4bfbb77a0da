"""
### Leftovers

Hourly, from the leases and independent of every drill: ends what an expired lease names, and proves by inventory that nothing
of ours remains. It never touches what has no lease and mark of ours, nor what a named person has adopted.

**Red** means that something of ours could not be ended or is unexplained: the task's error names it and says what to do.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag

from drillyard.tasks import platform_clouds, reap


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["recovery"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
)
def reap_leftovers() -> None:
    reap.expand(cloud=platform_clouds())


reap_leftovers()
