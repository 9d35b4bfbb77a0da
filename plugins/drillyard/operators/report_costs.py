"""The verb `report`: one month's transfer costs, by the same function as the command `drillyard costs report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class CostReportOperator(BaseOperator):
    """Write the transfer cost report of one month and return its summary (a few hundred bytes, for XCom and the asset).

    Fails without a retry when costs.yaml or a file it names is wrong, or the billing folder is not there; damaged billing
    files are quarantined and never fail it.

    :param month: ``YYYY-MM``; templated, so it may be mapped.
    :param billing: folder or URL; empty: ``DRILLYARD_BILLING``, else ``build/bills`` of the project.
    :param engine: ``duckdb`` or ``spark``.
    :param send: mail it to the finance contacts of costs.yaml.
    """

    template_fields: Sequence[str] = ("month", "billing", "engine", "send")
    ui_color = "#fce5cd"

    def __init__(self, *, month: str, billing: str = "", engine: str = "duckdb", send: bool | str = False, **kwargs: Any) -> None:
        kwargs.setdefault("map_index_template", "{{ label }}")
        super().__init__(**kwargs)
        self.month, self.billing, self.engine, self.send = month, billing, engine, send

    def execute(self, context: Context) -> dict[str, Any]:
        import os

        from drillyard.clients import connection
        from include import settings
        from include.costs.report import write_report
        from include.costs.settings import CostsError
        from include.values import utcnow

        context["label"] = self.month  # type: ignore[typeddict-unknown-key]
        billing = self.billing or os.environ.get("DRILLYARD_BILLING") or str(settings.PROJECT / "build" / "bills")
        out = settings.report_dir() / "costs" / self.month
        try:
            totals = write_report(
                billing,
                settings.platform_dir(),
                out,
                now=utcnow(),
                month=self.month,
                engine=self.engine,
                send=str(self.send) == "True",
                connections=connection,
            )
        except (CostsError, FileNotFoundError) as fault:
            raise AirflowFailException(str(fault)) from fault
        for entry in [*totals["quarantined"]["files"], *totals["quarantined"]["rows"]]:
            self.log.warning("quarantined: %s, line %s: %s", entry["file"], entry["line"], entry["reason"])
        return {
            "month": self.month,
            "report": str(out / "index.html"),
            "rows": totals["rows"],
            "billed_cost": totals["billed_cost"],
            "quarantined_files": len(totals["quarantined"]["files"]),
            "quarantined_rows": totals["quarantined"]["row_count"],
        }
