"""What Google's resources did, from Cloud Monitoring: one filter a metric for a whole project and region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from include.clouds.google.clients import Clients
from include.clouds.google.power import Project
from include.clouds.measured import Collected
from include.suspension.model import Batch, Metric, Readings, Resource, Span

Series = dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """Where Cloud Monitoring keeps one metric of one kind."""

    types: tuple[str, ...]
    """Summed up: what came in and what went out."""
    aligner: str = "ALIGN_MEAN"
    factor: float = 1.0
    reducer: str = ""
    field: str = ""
    """With `reducer`: the field whose values are our resources."""


_VM, _SQL = "compute.googleapis.com/instance", "cloudsql.googleapis.com/database"
_FLOW = ("network/received_bytes_count", "network/sent_bytes_count")
_GROUP = "metadata.system_labels.instance_group"
_MACHINES = {
    Metric.CPU: _Source((f"{_VM}/cpu/utilization",), factor=100),
    Metric.NETWORK: _Source(tuple(f"{_VM}/{one}" for one in _FLOW), "ALIGN_RATE"),
}
_GROUPS = {
    Metric.CPU: _Source((f"{_VM}/cpu/utilization",), factor=100, reducer="REDUCE_MEAN", field=_GROUP),
    Metric.NETWORK: _Source(tuple(f"{_VM}/{one}" for one in _FLOW), "ALIGN_RATE", reducer="REDUCE_SUM", field=_GROUP),
}
_DATABASES = {
    Metric.CPU: _Source((f"{_SQL}/cpu/utilization",), factor=100),
    Metric.NETWORK: _Source(tuple(f"{_SQL}/{one}" for one in _FLOW), "ALIGN_RATE"),
    Metric.CONNECTIONS: _Source(
        (f"{_SQL}/postgresql/num_backends",), "ALIGN_MAX", reducer="REDUCE_SUM", field="resource.labels.database_id"
    ),
}


def _of_machine(one: Series) -> str:
    return f"zones/{one['resource']['labels']['zone']}/{one['metric']['labels']['instance_name']}"


def _of_group(one: Series) -> str:
    return str(one["metadata"]["systemLabels"]["instance_group"])


def _of_database(one: Series) -> str:
    return str(one["resource"]["labels"]["database_id"]).rpartition(":")[2]


Names = Callable[[Series], str]
SOURCES: dict[str, tuple[dict[Metric, _Source], Names, Callable[[Resource], Sequence[str]], str]] = {
    "compute-instance": (_MACHINES, _of_machine, lambda one: (one.id,), "zone"),
    "managed-instance-group": (_GROUPS, _of_group, lambda one: (one.name,), "zone"),
    "gke-node-pool": (_GROUPS, _of_group, lambda one: one.size["groups"], "zone"),
    "cloud-sql": (_DATABASES, _of_database, lambda one: (one.id,), "region"),
}
"""By kind: its metrics, the name that a series tells, the names that a resource is told by, and the label of its place."""


class Monitoring:
    """`Activity` of Google Cloud."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, batch: Batch, resources: Sequence[Resource], metrics: Sequence[Metric], span: Span) -> Readings:
        project, collected = Project(self._clients, batch), Collected(resources, metrics)
        for kind in sorted({one.kind for one in resources}):
            sources, told_name, names_of, label = SOURCES[kind]
            mine = {name: one.id for one in resources if one.kind == kind for name in names_of(one)}
            for metric in metrics:
                source = sources.get(metric)
                if source is None:
                    collected.lacks(kind, metric, "Cloud Monitoring does not measure it for this kind")
                    continue
                for one in resources:
                    collected.needs(one, metric, len(source.types))
                for name in source.types:
                    for series in _list(project, name, source, label, span):
                        identifier = mine.get(told_name(series))
                        for point in series["points"] if identifier else ():
                            at, value = point["interval"]["endTime"], float(_value(point["value"]))
                            collected.add(str(identifier), metric, name, datetime.fromisoformat(at), value * source.factor)
        return collected.readings()


def _value(value: dict[str, Any]) -> Any:
    return value.get("doubleValue", value.get("int64Value"))


def _list(project: Project, name: str, source: _Source, label: str, span: Span) -> Iterator[Series]:
    api = project.google.api("monitoring").projects().timeSeries()
    grouped = {"aggregation_crossSeriesReducer": source.reducer, "aggregation_groupByFields": [source.field]}
    request = api.list(
        name=f"projects/{project.name}",
        filter=f'metric.type = "{name}" AND resource.labels.{label} = starts_with("{project.region}")',
        interval_startTime=_written(span.start),
        interval_endTime=_written(span.end),
        aggregation_alignmentPeriod=f"{int(span.period.total_seconds())}s",
        aggregation_perSeriesAligner=source.aligner,
        **(grouped if source.reducer else {}),
    )
    while request is not None:
        told = project.google.call(request)
        yield from told.get("timeSeries", ())
        request = api.list_next(request, told)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
