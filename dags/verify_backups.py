"""
### Backup verification

Every night, for each account and region in one batched sweep: a recovery point exists, is young enough against the RPO (also
by latest restorable time), is whole (manifest, log continuity), has its usual size, a fresh copy in another failure domain,
and a store that encrypts and retains. A **canary** known to be bad goes through the same checks: if it passes, the night is red.

Then the **cold kit** is exported to every evidence store: recovery points, catalog and runbook, for the day on which Airflow,
the ledger and the primary region are gone (`drillyard recover`).

**Red**: open the `night` task of the region; it names each datastore and check.
**By hand**: `full` re-reads every file instead of tonight's share.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag

from drillyard.notices import late_after
from drillyard.tasks import export_kit, plan_sweeps, seal, verify_sweeps


@dag(
    schedule=CronTriggerTimetable("15 1 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params={"full": Param(False, type="boolean", title="Full check", description="Re-read every file of every newest backup.")},
    doc_md=__doc__,
    tags=["recovery"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    deadline=late_after(timedelta(hours=2)),
)
def verify_backups() -> None:
    verify_sweeps(plan_sweeps(), export_kit(), seal())


verify_backups()
