"""Which months need a report today. Pure, given the folder of the reports and the instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from include.costs.months import issued_versions


def months_due(folder: Path, now: datetime) -> list[str]:
    """The month of `now`, and the one before until it is signed; afterwards too in its first ten days, when restatements come.

    `folder` has one folder for each month (``YYYY-MM``), as the DAG writes them.
    """
    this = f"{now:%Y-%m}"
    last = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    open_ = not issued_versions(folder / last, last) or now.day <= 10
    return [last, this] if open_ else [this]
