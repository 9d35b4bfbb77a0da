"""Cloud Monitoring: ``timeSeries.list`` over points that the lab's door put there.

Only what the adapters ask is understood: a filter of terms joined with AND (``metric.type``, ``resource.labels.X`` equal or
``starts_with``), ALIGN_MEAN, ALIGN_MAX, ALIGN_RATE, and REDUCE_MEAN or REDUCE_SUM by fields. Anything else is refused.
Source: Cloud Monitoring, "Monitoring filters"; ``projects.timeSeries.list``: periods are counted from the end of the interval.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from include.lab.google.plane import Refused, Request, Serve

_TERM = re.compile(r'^([\w.]+) = (?:(starts_with)\()?"([^"]*)"\)?$')
_ALIGN: dict[str, Callable[[list[float], float], float]] = {
    "ALIGN_MEAN": lambda values, seconds: sum(values) / len(values),
    "ALIGN_MAX": lambda values, seconds: max(values),
    "ALIGN_RATE": lambda values, seconds: sum(values) / seconds,
}
_REDUCE: dict[str, Callable[[list[float]], float] | None] = {
    "REDUCE_SUM": sum,
    "REDUCE_MEAN": lambda values: sum(values) / len(values),
    "REDUCE_NONE": None,
    "": None,
}


class Monitoring:
    """The points of all projects."""

    def __init__(self, page: int = 1000) -> None:
        self.page = page
        """Points in a page are limited by Google (100,000); here it is series."""
        self.series: list[dict[str, Any]] = []

    def methods(self) -> dict[str, Serve]:
        return {"monitoring.projects.timeSeries.list": self.list}

    def measure(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "type", "labels", "metric_labels", "system_labels", "points": [[ISO time, value], …]}``.

        For a DELTA metric a point's value is what was counted in the time before it.
        """
        self.series.append({**given, "points": [(datetime.fromisoformat(at), float(value)) for at, value in given["points"]]})
        return {"series": len(self.series)}

    def list(self, request: Request) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(request.query(f"interval.{word}Time")) for word in ("start", "end"))
        seconds = int(request.query("aggregation.alignmentPeriod").rstrip("s"))
        align, reduce = request.query("aggregation.perSeriesAligner"), request.query("aggregation.crossSeriesReducer")
        if align not in _ALIGN or reduce not in _REDUCE or seconds < 60:
            raise Refused(400, f"the lab's aggregation knows no {align} {reduce} of {seconds} s")
        project = request.variables["name"].partition("/")[2]
        chosen = [one for one in self.series if one["project"] == project and _fits(one, request.query("filter"))]
        aligned = [(one, _aligned(one["points"], start, end, timedelta(seconds=seconds), align)) for one in chosen]
        rows = [_row(one, points) for one, points in aligned if points]
        if reduce not in ("", "REDUCE_NONE"):
            rows = _reduced(aligned, request, reduce)
        begin = int(request.query("pageToken") or 0)
        told: dict[str, Any] = {"timeSeries": rows[begin : begin + self.page]}
        if begin + self.page < len(rows):
            told["nextPageToken"] = str(begin + self.page)
        return told


def _fits(one: Mapping[str, Any], text: str) -> bool:
    for term in text.split(" AND "):
        match = _TERM.match(term)
        if match is None:
            raise Refused(400, f"the lab's filter does not know the term {term!r}")
        value = str(_field(one, match[1]))
        if not (value.startswith(match[3]) if match[2] else value == match[3]):
            return False
    return True


def _field(one: Mapping[str, Any], path: str) -> Any:
    name = path.rpartition(".")[2]
    if path == "metric.type":
        return one["type"]
    if path.startswith("resource.labels."):
        return one.get("labels", {}).get(name)
    if path.startswith("metadata.system_labels."):
        return one.get("system_labels", {}).get(name)
    raise Refused(400, f"the lab's filter does not know the field {path!r}")


def _aligned(points: Any, start: datetime, end: datetime, period: timedelta, align: str) -> dict[datetime, float]:
    held: dict[datetime, list[float]] = defaultdict(list)
    for at, value in points:
        if start < at <= end:
            behind = int((end - at) / period)
            held[end - behind * period].append(value)
    return {at: _ALIGN[align](values, period.total_seconds()) for at, values in held.items()}


def _points(values: Mapping[datetime, float]) -> list[dict[str, Any]]:
    return [
        {"interval": {"startTime": at.isoformat(), "endTime": at.isoformat()}, "value": {"doubleValue": value}}
        for at, value in sorted(values.items(), reverse=True)
    ]


def _row(one: Mapping[str, Any], values: Mapping[datetime, float]) -> dict[str, Any]:
    return {
        "metric": {"type": one["type"], "labels": dict(one.get("metric_labels", {}))},
        "resource": {"type": one.get("resource", "gce_instance"), "labels": dict(one.get("labels", {}))},
        "points": _points(values),
    }


def _reduced(aligned: Any, request: Request, reduce: str) -> list[dict[str, Any]]:
    fields = request._call.query.get("aggregation.groupByFields", [])
    groups: dict[tuple[str, ...], dict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one, points in aligned:
        for at, value in points.items():
            groups[tuple(str(_field(one, field)) for field in fields)][at].append(value)
    rows = []
    for names, held in groups.items():
        values = {at: float(_REDUCE[reduce](many)) for at, many in held.items()}  # type: ignore[misc]
        parts = dict(zip(fields, names, strict=True))
        row = _row({"type": "reduced", "labels": _labels(parts, "resource.")}, values)
        row["metadata"] = {"systemLabels": _labels(parts, "metadata.system_labels.")}
        rows.append(row)
    return rows


def _labels(parts: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {field.rpartition(".")[2]: value for field, value in parts.items() if field.startswith(prefix)}
