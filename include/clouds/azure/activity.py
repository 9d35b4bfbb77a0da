"""What Azure's resources did, from Azure Monitor: one call for all resources of a kind in a subscription and region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from include.clouds.azure.clients import Clients, translated
from include.clouds.azure.power import Subscription
from include.clouds.measured import Collected
from include.suspension.model import Batch, Metric, Readings, Resource, Span

EVERY = "Microsoft.ResourceId eq '*'"


@dataclass(frozen=True)
class _Source:
    """Where Azure Monitor keeps one metric of one kind."""

    names: tuple[str, ...]
    """Summed up: what came in and what went out."""
    aggregation: str = "average"
    per_second: bool = False
    """It counts in each period; ours is a rate."""


_FLOW = {
    Metric.CPU: _Source(("Percentage CPU",)),
    Metric.NETWORK: _Source(("Network In Total", "Network Out Total"), "total", per_second=True),
}
_SERVER = {
    Metric.CPU: _Source(("cpu_percent",)),
    Metric.NETWORK: _Source(("network_bytes_ingress", "network_bytes_egress"), "total", per_second=True),
    Metric.CONNECTIONS: _Source(("active_connections",), "maximum"),
}
_NODES = {Metric.CPU: _Source(("node_cpu_usage_percentage",))}
SOURCES: dict[str, tuple[str, dict[Metric, _Source]]] = {
    "virtual-machine": ("Microsoft.Compute/virtualMachines", _FLOW),
    "scale-set": ("Microsoft.Compute/virtualMachineScaleSets", _FLOW),
    "flexible-server": ("Microsoft.DBforPostgreSQL/flexibleServers", _SERVER),
    "aks-cluster": ("Microsoft.ContainerService/managedClusters", _NODES),
}
"""By kind: namespace and metrics. Source: Azure Monitor, *Supported metrics*."""


class AzureMonitor:
    """`Activity` of Azure."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, batch: Batch, resources: Sequence[Resource], metrics: Sequence[Metric], span: Span) -> Readings:
        mine, collected = Subscription(self._clients, batch), Collected(resources, metrics)
        ids = {one.id.lower(): one.id for one in resources}
        for kind in sorted({one.kind for one in resources}):
            namespace, sources = SOURCES[kind]
            for metric in metrics:
                source = sources.get(metric)
                if source is None:
                    collected.lacks(kind, metric, "Azure Monitor does not measure it for this kind")
                    continue
                for one in resources:
                    collected.needs(one, metric, len(source.names))
                share = span.period.total_seconds() if source.per_second else 1
                for name, identifier, at, value in _read(mine, namespace, source, span):
                    if identifier.lower() in ids:
                        collected.add(ids[identifier.lower()], metric, name, at, value / share)
        return collected.readings()


def _read(mine: Subscription, namespace: str, source: _Source, span: Span) -> list[tuple[str, str, datetime, float]]:
    with translated():
        told = mine.azure.metrics.metrics.list_at_subscription_scope(
            region=mine.region,
            timespan=f"{_written(span.start)}/{_written(span.end)}",
            interval=f"PT{int(span.period.total_seconds() // 60)}M",
            metricnames=",".join(source.names),
            aggregation=source.aggregation,
            filter=EVERY,
            metricnamespace=namespace,
            auto_adjust_timegrain=False,
            # Series that the answer may hold; without it Azure gives ten.
            top=100_000,
        )
    return [
        (metric.name.value, series.metadatavalues[0].value, point.time_stamp, float(value))
        for metric in told.value
        for series in metric.timeseries
        for point in series.data
        if (value := getattr(point, source.aggregation)) is not None
    ]


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
