"""
### Idle environments: put to sleep and woken

Every 15 minutes, for each account and region in one batched sweep: what its schedule or tags say is down is stopped, after its
former state is written to ledger and evidence; what they say is up is woken with exactly that state, in order of dependency and
before its hours begin. What is measured idle is warned about first. Production, opted-out and protected resources, open drill
leases, old transactions and deployments are never touched; DAG `stop_drills` stops this too.

**By hand** (Trigger): name an environment and an action: `snooze` keeps it up, `wake` starts it now, `sleep` puts it to sleep,
`deploying` marks a deployment, `cancel` ends all of these, `sweep` just looks now; for how many hours, and why.

**Red**: open the `swept` task of the account; it names what could not be read or was refused. `none_forgotten`: something sleeps
that no environment of the catalog would wake; it says how to bring it back.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from drillyard.forms import environment_names
from drillyard.notices import late_after
from drillyard.suspending import none_forgotten, plan_batches, suspend_sweeps, wish
from drillyard.tasks import seal

PARAMS = {
    "action": Param("sweep", enum=["sweep", "snooze", "wake", "sleep", "deploying", "cancel"], title="Action"),
    "environment": Param(None, type=["null", "string"], examples=environment_names(), title="Environment",
                         description="Its name in the catalog. Empty, for a sweep: all."),
    "hours": Param(4, type="number", exclusiveMinimum=0, maximum=336, title="Hours", description="How long it holds."),
    "why": Param("", type="string", title="Why", description="Goes into the record."),
    "requested_by": Param(None, type=["null", "string"], title="Requested by", description="Empty: your login."),
}  # fmt: skip


@dag(
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    doc_md=__doc__,
    tags=["cost"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    deadline=late_after(timedelta(minutes=30)),
)
def suspend_environments() -> None:
    planned = plan_batches()
    wish() >> planned
    suspend_sweeps(planned, seal())
    none_forgotten()


suspend_environments()
