"""
### Transfer cost reports

Reads the billing exports of all clouds, classifies every transfer charge, allocates it to services, tenants and routes, and
writes the report that finance closes a month with: a page, a workbook, CSV, FOCUS 1.2 files and `totals.json`.

Every morning it renews the current month and the one before, until that one is signed (`drillyard costs sign`); a signed
month whose bill changed afterwards is shown as restated, with the differences.

**By hand** (Trigger): name the months, the engine, and whether finance gets it by mail.

**Red** means that no report could be written: the task's log says what is wrong with costs.yaml or the folder of the bills.
Damaged or foreign billing files do not make it red: they are quarantined, and named on the page.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, task

from drillyard.operators.report_costs import CostReportOperator

REPORT = Asset("transfer_cost_report")

PARAMS = {
    "months": Param([], type="array", items={"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}, title="Months",
                    description="YYYY-MM. Empty: this month, and the last one until it is signed."),
    "billing": Param(None, type=["null", "string"], title="Billing exports",
                     description="Folder or URL (s3://, gs://, abfs://), several with commas. Empty: DRILLYARD_BILLING."),
    "engine": Param("duckdb", enum=["duckdb", "spark"], title="Engine"),
    "send": Param(False, type="boolean", title="Mail it to finance"),
}  # fmt: skip


@dag(
    schedule=CronTriggerTimetable("30 5 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    doc_md=__doc__,
    tags=["costs"],
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
)
def report_egress_costs() -> None:
    @task
    def months(params: dict | None = None) -> list[str]:
        from include.costs.calendar import months_due
        from include.settings import report_dir
        from include.values import utcnow

        return list((params or {})["months"]) or months_due(report_dir() / "costs", utcnow())

    CostReportOperator.partial(
        task_id="report",
        billing="{{ params.billing or '' }}",
        engine="{{ params.engine }}",
        send="{{ params.send }}",
        outlets=[REPORT],
        max_active_tis_per_dagrun=1,
    ).expand(month=months())


report_egress_costs()
