"""FOCUS service categories by product, for exports that have none. The table is rules/services.csv."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).parent / "rules" / "services.csv"


@lru_cache
def _table() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple((re.compile(r["pattern"], re.IGNORECASE), r["category"], r["subcategory"]) for r in csv.DictReader(file))


def category_of(provider: str, name: str, code: str) -> tuple[str, str]:
    """ServiceCategory and ServiceSubcategory; ``Other`` where the table has no pattern for the service."""
    del provider
    for pattern, category, subcategory in _table():
        if pattern.search(f"{code} {name}"):
            return category, subcategory
    return "Other", "Other (Other)"
