"""Everything people read of a report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.costs.report import Figures


def publish(figures: Figures, out: Path, *, now: datetime) -> None:
    """Write the pages."""
    del figures, out, now
