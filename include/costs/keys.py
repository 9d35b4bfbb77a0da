"""The small files beside costs.yaml: declared keys, revenue and rates. Every fault names file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic import Field

from include.costs.settings import CostsError, CostSettings
from include.values import Frozen


class Declared(Frozen):
    """What finance and operations declare for a report."""

    weights: dict[tuple[str, str, str], dict[str, Decimal]] = Field(default_factory=dict)
    """By month (or ``*``), key (``orders``) and kind (``service`` or ``tenant``): weight by name."""
    revenue: dict[tuple[str, str, str], Decimal] = Field(default_factory=dict)
    """By month, tenant and currency."""
    rates: dict[tuple[str, str, str], tuple[Decimal, str]] = Field(default_factory=dict)
    """By month (or ``*``), from and to: rate and its source."""

    def weights_of(self, month: str, key: str, kind: str) -> dict[str, Decimal]:
        """The weights of a month, or the ones declared for every month."""
        return self.weights.get((month, key, kind)) or self.weights.get(("*", key, kind), {})

    def rate(self, month: str, given: str, wanted: str) -> tuple[Decimal, str] | None:
        """The rate of a month from one currency to another; None when none is declared."""
        if given == wanted:
            return Decimal(1), "same currency"
        return self.rates.get((month, given, wanted)) or self.rates.get(("*", given, wanted))


def load_declared(directory: Path, settings: CostSettings) -> Declared:
    """Read the files that costs.yaml names. Raises CostsError for a missing file or a wrong line."""
    weights: dict[tuple[str, str, str], dict[str, Decimal]] = {}
    revenue: dict[tuple[str, str, str], Decimal] = {}
    rates: dict[tuple[str, str, str], tuple[Decimal, str]] = {}
    for place, row in rows_of(directory, settings.keys, "keys", ("month", "key", "kind", "name", "weight")):
        if row["kind"] not in ("service", "tenant"):
            raise CostsError(f"{place}, field kind: {row['kind']!r} is neither service nor tenant")
        part = weights.setdefault((row["month"], row["key"], row["kind"]), {})
        part[row["name"]] = _number(place, "weight", row["weight"])
    for place, row in rows_of(directory, settings.revenue, "revenue", ("month", "tenant", "currency", "revenue")):
        key = (row["month"], row["tenant"], row["currency"])
        revenue[key] = revenue.get(key, Decimal(0)) + _number(place, "revenue", row["revenue"])
    for place, row in rows_of(directory, settings.rates, "rates", ("month", "from", "to", "rate", "source")):
        rates[(row["month"], row["from"], row["to"])] = (_number(place, "rate", row["rate"]), row["source"])
    return Declared(weights=weights, revenue=revenue, rates=rates)


def rows_of(directory: Path, name: str | None, field: str, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a small CSV file, each with its place for errors; none when `name` is None. Raises CostsError."""
    if name is None:
        return
    path = directory / name
    if not path.exists():
        raise CostsError(f"{directory / 'costs.yaml'}, field {field}: there is no file {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise CostsError(f"{path}, line 1: no column {', '.join(missing)}; expected {', '.join(columns)}")
        for row in reader:
            yield f"{path}, line {reader.line_num}", {c: (row[c] or "").strip() for c in columns}


def _number(place: str, field: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as fault:
        raise CostsError(f"{place}, field {field}: {text!r} is not a number") from fault
    if not number.is_finite():
        raise CostsError(f"{place}, field {field}: {text!r} is not a finite number")
    return number
