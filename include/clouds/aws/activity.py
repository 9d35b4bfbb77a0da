"""What AWS resources did, from CloudWatch: 500 series in one GetMetricData."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.power import Called
from include.clouds.measured import Collected
from include.suspension.model import Batch, Metric, Readings, Resource, Span

MANY, AT_ONCE = 500, 4
Dimensions = dict[str, str]


@dataclass(frozen=True)
class _Source:
    """Where CloudWatch keeps one metric of one kind."""

    namespace: str
    names: tuple[str, ...]
    """Summed up: what came in and what went out."""
    stat: str = "Average"
    per_second: bool = False
    """It counts in each period; ours is a rate."""


_Asked = tuple[Resource, Metric, str, _Source]

_EC2 = {
    Metric.CPU: _Source("AWS/EC2", ("CPUUtilization",)),
    Metric.NETWORK: _Source("AWS/EC2", ("NetworkIn", "NetworkOut"), "Sum", per_second=True),
}
_RDS = {
    Metric.CPU: _Source("AWS/RDS", ("CPUUtilization",)),
    Metric.NETWORK: _Source("AWS/RDS", ("NetworkReceiveThroughput", "NetworkTransmitThroughput")),
    Metric.CONNECTIONS: _Source("AWS/RDS", ("DatabaseConnections",), "Maximum"),
}
_ECS = {Metric.CPU: _Source("AWS/ECS", ("CPUUtilization",))}


def _nodes(one: Resource) -> Dimensions:
    return {"AutoScalingGroupName": str(one.size["groups"][0])}


def _service(one: Resource) -> Dimensions:
    return dict(zip(("ClusterName", "ServiceName"), one.id.split("/"), strict=True))


SOURCES: dict[str, tuple[dict[Metric, _Source], Callable[[Resource], Dimensions]]] = {
    "ec2-instance": (_EC2, lambda one: {"InstanceId": one.id}),
    "auto-scaling-group": (_EC2, lambda one: {"AutoScalingGroupName": one.id}),
    "eks-nodegroup": (_EC2, _nodes),
    "rds-instance": (_RDS, lambda one: {"DBInstanceIdentifier": one.id}),
    "ecs-service": (_ECS, _service),
}


class CloudWatch:
    """`Activity` of AWS."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def read(self, batch: Batch, resources: Sequence[Resource], metrics: Sequence[Metric], span: Span) -> Readings:
        collected, seconds = Collected(resources, metrics), int(span.period.total_seconds())
        asked: list[_Asked] = []
        for resource, metric in collected.wanted:
            source = SOURCES[resource.kind][0].get(metric)
            if source is None:
                collected.lacks(resource.kind, metric, "CloudWatch does not measure it for this kind")
                continue
            collected.needs(resource, metric, len(source.names))
            asked += [(resource, metric, name, source) for name in source.names]
        if not asked:
            return collected.readings()
        watch = Called(self._clients, batch, "cloudwatch")

        def ask(many: Sequence[_Asked]) -> list[dict[str, Any]]:
            return list(
                watch.pages(
                    "get_metric_data",
                    "MetricDataResults",
                    MetricDataQueries=[_query(f"q{number}", one, seconds) for number, one in enumerate(many)],
                    StartTime=span.start,
                    EndTime=span.end,
                    ScanBy="TimestampAscending",
                )
            )

        parts = [asked[begin : begin + MANY] for begin in range(0, len(asked), MANY)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for many, answer in zip(parts, pool.map(ask, parts), strict=True):
                for told in answer:
                    resource, metric, name, source = many[int(told["Id"][1:])]
                    share = seconds if source.per_second else 1
                    for at, value in zip(told["Timestamps"], told["Values"], strict=True):
                        collected.add(resource.id, metric, name, at, value / share)
        return collected.readings()


def _query(name: str, asked: _Asked, seconds: int) -> dict[str, Any]:
    resource, _, metric, source = asked
    dimensions = [{"Name": key, "Value": value} for key, value in SOURCES[resource.kind][1](resource).items()]
    series = {"Namespace": source.namespace, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": series, "Period": seconds, "Stat": source.stat}}
