"""What a month is, and which months need a report today. Pure, given the folder of the reports and the instant."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from include.costs.months import issued_versions


def a_month(text: str) -> str:
    """The text, when it is a month. Raises ValueError."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise ValueError(f"{text!r} is no month; write YYYY-MM, for example 2026-10")
    return text


def months_due(folder: Path, now: datetime) -> list[str]:
    """The month of `now`, and the one before until it is signed; afterwards too in its first ten days, when restatements come.

    `folder` has one folder for each month (``YYYY-MM``), as the DAG writes them.
    """
    this = f"{now:%Y-%m}"
    last = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    open_ = not issued_versions(folder / last, last) or now.day <= 10
    return [last, this] if open_ else [this]
