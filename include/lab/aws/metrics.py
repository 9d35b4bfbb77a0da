"""The overlay over moto's CloudWatch: readings found by metric and dimensions at once, and Amazon's limit on a call.

moto walks over every reading of the account for every query and period, and with dimensions it forgets the namespace. Both
calls that read get the same index, so that neither of two clients is slowed down by the lab.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

QUERIES = 500
"""MetricDataQueries of one GetMetricData (API_GetMetricData)."""
Series = tuple[str, str, frozenset[tuple[str, str]]]


class _Index:
    """Readings of one account and region by series. Readings are only ever added, so it reads on from where it was."""

    def __init__(self) -> None:
        self.seen = 0
        self.rows: dict[Series, list[Any]] = defaultdict(list)

    def of(self, data: list[Any], series: Series) -> list[Any]:
        if len(data) < self.seen:
            self.seen = 0
            self.rows.clear()
        for datum in data[self.seen :]:
            dimensions = frozenset((one.name, one.value) for one in datum.dimensions)
            self.rows[datum.namespace, datum.name, dimensions].append(datum)
        self.seen = len(data)
        return self.rows[series]


_INDEXES: WeakKeyDictionary[Any, _Index] = WeakKeyDictionary()


def install() -> None:
    """Replace moto's methods for this process."""
    from moto.cloudwatch.exceptions import ValidationError
    from moto.cloudwatch.models import CloudWatchBackend

    backend: Any = CloudWatchBackend
    data, statistics = backend.get_metric_data, backend.get_metric_statistics

    def get_metric_data(self: Any, queries: list[dict[str, Any]], start_time: Any, end_time: Any, scan_by: str = "") -> Any:
        if len(queries) > QUERIES:
            raise ValidationError(f"The collection MetricDataQueries must not have a size greater than {QUERIES}.")
        if any("MetricStat" not in query for query in queries):
            return data(self, queries, start_time, end_time, scan_by)
        told = []
        for query in queries:
            told += data(_only(self, query["MetricStat"]["Metric"]), [query], start_time, end_time, scan_by)
        return told

    def get_metric_statistics(self: Any, namespace: str, metric_name: str, *args: Any, **given: Any) -> Any:
        metric = {"Namespace": namespace, "MetricName": metric_name, "Dimensions": given.get("dimensions", ())}
        return statistics(_only(self, metric), namespace, metric_name, *args, **given)

    backend.get_metric_data, backend.get_metric_statistics = get_metric_data, get_metric_statistics


def _only(backend: Any, metric: dict[str, Any]) -> SimpleNamespace:
    """In the backend's place: one series of it."""
    dimensions = frozenset((str(one["Name"]), str(one["Value"])) for one in metric.get("Dimensions") or ())
    series = (str(metric["Namespace"]), str(metric["MetricName"]), dimensions)
    rows = _INDEXES.setdefault(backend, _Index()).of(backend.metric_data, series)
    return SimpleNamespace(get_all_metrics=lambda: rows)
