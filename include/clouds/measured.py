"""What the activity adapters of all clouds share: readings put together. No SDK."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from include.suspension.model import Metric, Readings, Resource

Series = dict[datetime, float]
"""Values by the beginning of their period."""


class Collected:
    """Series as they come, and what has none."""

    def __init__(self, resources: Sequence[Resource], metrics: Sequence[Metric]) -> None:
        self._parts: dict[tuple[str, str], dict[str, Series]] = defaultdict(lambda: defaultdict(dict))
        self._needed: dict[tuple[str, str], int] = {}
        self.unsupported: dict[str, str] = {}
        self.wanted = [(one, metric) for one in resources for metric in metrics]

    def lacks(self, kind: str, metric: Metric, why: str) -> None:
        self.unsupported[f"{kind}/{metric}"] = why

    def needs(self, resource: Resource, metric: Metric, parts: int) -> None:
        """How many vendor series are summed up to this metric."""
        self._needed[resource.id, metric] = parts

    def add(self, resource_id: str, metric: str, part: str, at: datetime, value: float) -> None:
        self._parts[resource_id, metric][part][at] = value

    def readings(self) -> Readings:
        """A period counts when every part of its metric has a value: half of the network traffic is no network traffic."""
        values: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
        for (name, metric), parts in self._parts.items():
            if len(parts) < self._needed.get((name, metric), 1):
                continue
            common = set.intersection(*(set(series) for series in parts.values()))
            if common:
                values[name][metric] = tuple(sum(series[at] for series in parts.values()) for at in sorted(common))
        return Readings(values=dict(values), unsupported=self.unsupported)
