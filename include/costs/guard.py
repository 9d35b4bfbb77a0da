"""The guard at the door: Great Expectations over what was delivered, with its documentation beside the report."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.values import Frozen

if TYPE_CHECKING:
    from include.costs.bill import Bill


class GuardResult(Frozen):
    """What the guard found. `link` is relative to the report's folder."""

    checks: int
    passed: int
    failed: tuple[str, ...]
    link: str


def slices(bill: Bill) -> list[dict[str, Any]]:
    """One row for each file, account, month and currency; files that cannot be read have one row each. Counts, never charges."""
    gone = {r.file for r in bill.replaced if r.month is None and "second" in r.reason}
    gone |= {d.file for d in bill.doubled}
    rows = [
        {
            "file": one.file.name,
            "recognised": True,
            "rows": part.rows,
            "unusable_rows": one.bad,
            "currency": part.currency,
            "month": f"{part.month:%Y-%m}",
            "days_outside_period": int(part.first_day < part.month) + int(_months_apart(part.last_day, part.month) > 1),
            "negative_share": part.negative / part.rows,
            "negative_total": int(part.billed < 0),
            "second_delivery": one.file.name in gone,
        }
        for one in bill.inspected
        for part in one.slices
    ]
    nothing = {"rows": 0, "unusable_rows": 0, "currency": "XXX", "month": "0000-00", "days_outside_period": 0}
    unread = {"recognised": False, "negative_share": 0.0, "negative_total": 0, "second_delivery": False}
    return rows + [{"file": q.file, **nothing, **unread} for q in bill.quarantined if q.what == "file"]


def _months_apart(day: Any, month: Any) -> int:
    return int((day.year - month.year) * 12 + day.month - month.month)


def watch(rows: list[dict[str, Any]], folder: Path) -> GuardResult | None:
    """Check the slices and write Data Docs to ``folder/guard``; None when nothing was delivered.

    A failed expectation is shown, never raised: what is wrong with the input is in the quarantine already.
    """
    if not rows:
        return None
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    import pandas as pd
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    site = folder / "guard"
    # Great Expectations resolves the site against a root of its own, so the root is the report's folder.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site.resolve())}
    context.add_data_docs_site(
        site_name="guard",
        site_config={
            "class_name": "SiteBuilder",
            "store_backend": backend,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    frame = pd.DataFrame(rows)
    batch = (
        context.data_sources.add_pandas("deliveries").add_dataframe_asset("slices").add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name="billing exports", expectations=_expectations(gx)))
    check = context.validation_definitions.add(gx.ValidationDefinition(name="billing exports", data=batch, suite=suite))
    action = UpdateDataDocsAction(name="docs", site_names=["guard"])
    point = gx.Checkpoint(name="billing exports", validation_definitions=[check], actions=[action], result_format="BOOLEAN_ONLY")
    with tempfile.TemporaryDirectory() as scratch:
        before = Path.cwd()
        os.chdir(scratch)
        try:
            outcome = context.checkpoints.add(point).run(batch_parameters={"dataframe": frame})
        finally:
            os.chdir(before)
    results = [r for run in outcome.run_results.values() for r in run.results]
    failed = tuple(str((r.expectation_config.meta or {}).get("says")) for r in results if not r.success and r.expectation_config)
    return GuardResult(checks=len(results), passed=len(results) - len(failed), failed=failed, link="guard/index.html")


def _expectations(gx: Any) -> list[Any]:
    e = gx.expectations
    return [
        e.ExpectColumnValuesToBeInSet(column="recognised", value_set=[True], meta={"says": "every file is a known export"}),
        e.ExpectColumnValuesToBeBetween(column="unusable_rows", max_value=0, meta={"says": "every row can be counted"}),
        e.ExpectColumnValuesToMatchRegex(column="currency", regex="^[A-Z]{3}$", meta={"says": "currencies are ISO 4217 codes"}),
        e.ExpectColumnValuesToMatchRegex(
            column="month", regex=r"^(0000-00|20\d\d-[01]\d)$", meta={"says": "periods are readable"}
        ),
        e.ExpectColumnValuesToBeBetween(column="days_outside_period", max_value=0, meta={"says": "charges lie in their period"}),
        e.ExpectColumnValuesToBeBetween(column="negative_share", max_value=0.5, meta={"says": "corrections are the exception"}),
        e.ExpectColumnValuesToBeBetween(
            column="negative_total", max_value=0, meta={"says": "no delivery is negative as a whole"}
        ),
        e.ExpectColumnValuesToBeInSet(column="second_delivery", value_set=[False], meta={"says": "nothing was delivered twice"}),
    ]
