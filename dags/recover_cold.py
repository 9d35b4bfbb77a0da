"""
### The way back, drilled

Weekly, and for what each tier's `cold_drill_every` makes due: services are restored **from the cold kit** of one evidence store,
as on the day on which everything else is gone. It runs in a process without Airflow, the ledger, the network and the folders of
every other failure domain; each service takes the store that served it longest ago. The result is asked, recorded and discarded.

**Red**: open `cold_verdict`; it names the service, the store and what failed. **By hand**: name services.
On the day itself: `drillyard recover SERVICE --from STORE` (docs/way-back.md).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from drillyard.forms import service_names
from drillyard.notices import late_after
from drillyard.tasks import cold_drills, plan_cold_drills, seal

PARAMS = {
    "services": Param([], type="array", items={"type": "string"}, examples=service_names(), title="Services",
                      description="Names from the catalog, or all. Empty: what is due."),
}  # fmt: skip


@dag(
    schedule=CronTriggerTimetable("45 4 * * 0", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    doc_md=__doc__,
    tags=["recovery"],
    deadline=late_after(timedelta(hours=6)),
)
def recover_cold() -> None:
    cold_drills(plan_cold_drills(), seal())


recover_cold()
