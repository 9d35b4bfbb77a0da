"""
### Readiness

Hourly, and whenever new evidence was sealed: writes the readiness page and its JSON. Ages are computed when the page is
opened, so a page that nobody renews turns stale by itself. Then owners and contacts are told what changed, once, and whoever
watches from outside gets a sign of life.

**Red** `tell`: somebody did not take a message; it waits in the ledger and goes out with the next run.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag

from drillyard.tasks import EVIDENCE, publish, tell


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 * * * *", timezone="UTC"), assets=[EVIDENCE]),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["reports"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
)
def publish_readiness() -> None:
    publish() >> tell()


publish_readiness()
