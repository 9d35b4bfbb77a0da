"""
### Restore drills

Restores what is due into isolated sandboxes, asks the restored databases their business questions, measures RPO and RTO,
discards the sandboxes and writes the evidence. Nightly it takes what each tier makes due; by hand it restores what you name.

**By hand** (Trigger): name services (`["order-intake"]`, or `["all"]`), and if you like a recovery point or a point in
time, how long to keep the sandbox, and why. Inside a blackout window give the reason to override it; the catalog says who may.

**Red** means that a drill was not proven: open the `verdict` task of the datastore, or the readiness page.
Stop everything: DAG `stop_drills`. Keep a sandbox: DAG `adopt_sandbox`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from drillyard.forms import service_names
from drillyard.notices import late_after
from drillyard.tasks import plan_drills, restore_drills, seal

PARAMS = {
    "services": Param([], type="array", items={"type": "string"}, examples=service_names(), title="Services",
                      description="Names from the catalog, or all. Empty: what is due."),
    "recovery_point": Param(None, type=["null", "string"], title="Recovery point", description="Its id. Empty: the latest."),
    "target_time": Param(None, type=["null", "string"], format="date-time", title="Point in time"),
    "keep_minutes": Param(0, type="integer", minimum=0, maximum=1440, title="Keep the sandbox for minutes"),
    "reason": Param("", type="string", title="Reason", description="Goes into the record."),
    "override_blackout": Param(None, type=["null", "string"], title="Reason to override a blackout window"),
    "requested_by": Param(None, type=["null", "string"], title="Requested by", description="Empty: your login."),
}  # fmt: skip


@dag(
    schedule=CronTriggerTimetable("15 2 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=4,
    params=PARAMS,
    doc_md=__doc__,
    tags=["recovery"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    deadline=late_after(timedelta(hours=4)),
)
def drill_restores() -> None:
    restore_drills(plan_drills(), seal())


drill_restores()
