"""AWS for the contract suite of power: the lab's double, control plane only, and one of every kind made by hand."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from power_harness import PowerHarness, Thing

from include.clouds import aws as room
from include.clouds.aws import clients, policy
from include.connections import ConnectionInfo, parse
from include.lab.aws import control, sleepers
from include.lab.aws.control import AwsLab
from include.suspension.model import Batch, Metric

REGION = "eu-central-1"
TAGS = {"environment": "test"}


class Hands:
    """The owner's own calls."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.ec2, self.scaling, self.rds = lab.client("ec2"), lab.client("autoscaling"), lab.client("rds")
        self.ecs, self.eks, self.watch = lab.client("ecs"), lab.client("eks"), lab.client("cloudwatch")
        self.ecs.create_cluster(clusterName="apps")
        self.ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
        role = "arn:aws:iam::123456789012:role/eks"
        self.eks.create_cluster(name="k8s", roleArn=role, resourcesVpcConfig={})
        self.role = role

    def instance(self, name: str) -> str:
        return sleepers.instances(self.ec2, 1, "m6g.large", {**TAGS, "Name": name})[0]

    def instance_state(self, name: str) -> Any:
        row = self.ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
        return row["State"]["Name"], row["InstanceType"], row["Placement"]["AvailabilityZone"], row.get("Tags")

    def group(self, name: str) -> str:
        sleepers.group(self.scaling, self.ec2, name, (1, 2, 5), "m6g.large", TAGS)
        deadline = time.monotonic() + 30
        while self.group_state(name)[-1] != 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return name

    def group_state(self, name: str) -> Any:
        row = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
        suspended = sorted(one["ProcessName"] for one in row["SuspendedProcesses"])
        serving = [one for one in row["Instances"] if one["LifecycleState"] == "InService"]
        return row["MinSize"], row["MaxSize"], row["DesiredCapacity"], suspended, len(serving)

    def database(self, name: str) -> str:
        sleepers.database(self.rds, name, TAGS)
        deadline = time.monotonic() + 30
        while self.database_state(name)[0] != "available":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return name

    def database_state(self, name: str) -> Any:
        row = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return row["DBInstanceStatus"], row["DBInstanceClass"], row["AllocatedStorage"], row["TagList"]

    def drop_database(self, name: str) -> None:
        self.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        deadline = time.monotonic() + 30
        while any(one["DBInstanceIdentifier"] == name for one in self.rds.describe_db_instances()["DBInstances"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def service(self, name: str) -> str:
        self.ecs.create_service(
            cluster="apps", serviceName=name, taskDefinition="web", desiredCount=3, tags=[{"key": "environment", "value": "test"}]
        )
        return f"apps/{name}"

    def service_state(self, name: str) -> Any:
        row = self.ecs.describe_services(cluster="apps", services=[name.split("/")[1]])["services"][0]
        return row["status"], row["desiredCount"], row["runningCount"], row["taskDefinition"]

    def nodes(self, name: str) -> str:
        sizes = {"minSize": 2, "maxSize": 6, "desiredSize": 3}
        self.eks.create_nodegroup(
            clusterName="k8s", nodegroupName=name, subnets=["subnet-1"], nodeRole=self.role, scalingConfig=sizes,
            instanceTypes=["m6g.large"], tags={"environment": "test"},
        )  # fmt: skip
        return f"k8s/{name}"

    def nodes_state(self, name: str) -> Any:
        row = self.eks.describe_nodegroup(clusterName="k8s", nodegroupName=name.split("/")[1])["nodegroup"]
        return row["status"], row["scalingConfig"], row["instanceTypes"]

    def put(self, namespace: str, names: Sequence[str], dimensions: Callable[[str], dict[str, str]], factor: float = 1) -> Any:
        """A way to measure: the value is split evenly over the series of these names."""

        def measure(resource: str, start: datetime, values: Sequence[float], period: timedelta) -> None:
            rows = [{"Name": key, "Value": value} for key, value in dimensions(resource).items()]
            data = [
                {
                    "MetricName": name,
                    "Dimensions": rows,
                    "Timestamp": start + number * period,
                    "Value": value * factor / len(names),
                }
                for number, value in enumerate(values)
                for name in names
            ]
            self.watch.put_metric_data(Namespace=namespace, MetricData=data)

        return measure


def things(hands: Hands) -> dict[str, Thing]:
    """One of every kind."""
    flow, cpu = ("NetworkIn", "NetworkOut"), ("CPUUtilization",)

    def asg_of(name: str) -> dict[str, str]:
        row = hands.eks.describe_nodegroup(clusterName="k8s", nodegroupName=name.split("/")[1])["nodegroup"]
        return {"AutoScalingGroupName": row["resources"]["autoScalingGroups"][0]["name"]}

    def ec2(dimensions: Callable[[str], dict[str, str]]) -> dict[Metric, Any]:
        # What CloudWatch counts in a period of five minutes.
        return {
            Metric.CPU: hands.put("AWS/EC2", cpu, dimensions),
            Metric.NETWORK: hands.put("AWS/EC2", flow, dimensions, factor=300),
        }

    def rds(name: str) -> dict[str, str]:
        return {"DBInstanceIdentifier": name}

    found = [
        Thing(
            "ec2-instance",
            hands.instance,
            lambda name: hands.ec2.terminate_instances(InstanceIds=[name]),
            hands.instance_state,
            ec2(lambda name: {"InstanceId": name}),
            fallback="m6i.large",
        ),
        Thing(
            "auto-scaling-group",
            hands.group,
            lambda name: hands.scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True),
            hands.group_state,
            ec2(lambda name: {"AutoScalingGroupName": name}),
            many=False,
            capacity_at_start=False,
        ),
        Thing(
            "rds-instance",
            hands.database,
            hands.drop_database,
            hands.database_state,
            {
                Metric.CPU: hands.put("AWS/RDS", cpu, rds),
                Metric.NETWORK: hands.put("AWS/RDS", ("NetworkReceiveThroughput", "NetworkTransmitThroughput"), rds),
                Metric.CONNECTIONS: hands.put("AWS/RDS", ("DatabaseConnections",), rds),
            },
            many=False,
        ),
        Thing(
            "ecs-service",
            hands.service,
            lambda name: hands.ecs.delete_service(cluster="apps", service=name.split("/")[1], force=True),
            hands.service_state,
            {Metric.CPU: hands.put("AWS/ECS", cpu, lambda name: {"ClusterName": "apps", "ServiceName": name.split("/")[1]})},
            many=False,
            capacity_at_start=False,
        ),
        Thing(
            "eks-nodegroup",
            hands.nodes,
            lambda name: hands.eks.delete_nodegroup(clusterName="k8s", nodegroupName=name.split("/")[1]),
            hands.nodes_state,
            ec2(asg_of),
            many=False,
            capacity_at_start=False,
        ),
    ]
    return {one.kind: one for one in found}


SERVICES = {"monitoring": "cloudwatch"}


def action(call: dict[str, str]) -> str:
    """A call as IAM names it. EKS has paths in place of names."""
    name, service = call["action"], call["service"]
    if service == "eks":
        parts = name.split("/")
        name = {2: "ListClusters", 4: "ListNodegroups", 5: "DescribeNodegroup", 6: "UpdateNodegroupConfig"}[len(parts)]
    return f"{SERVICES.get(service, service)}:{name}"


@contextmanager
def planted(lab: AwsLab, kind: str, nth: int = 1, count: int | None = None) -> Iterator[None]:
    lab.fault(kind=kind, nth=nth, count=count)
    try:
        yield
    finally:
        lab.clear_faults()


@contextmanager
def down(lab: AwsLab) -> Iterator[None]:
    lab.down()
    try:
        yield
    finally:
        lab.down(down=False)


@contextmanager
def short(lab: AwsLab) -> Iterator[None]:
    lab.no_capacity(region=REGION)
    try:
        yield
    finally:
        lab.capacity()


@contextmanager
def aws_power() -> Iterator[PowerHarness]:
    """The harness of AWS."""
    home = Path(tempfile.mkdtemp(prefix="dy-power-aws-"))
    lab = control.launch(home, hollow=True)
    # The SDK's own backoff is not what is under test, and takes its time.
    before, clients.RETRIES = clients.RETRIES, {"total_max_attempts": 1}
    try:
        hands = Hands(lab)

        def connection(conn_id: str) -> ConnectionInfo:
            return parse(conn_id, lab.connection(role="drillyard-power"))

        seen: set[str] = set()

        def calls() -> int:
            keys = {one["access_key"] for one in lab.assumed_roles() if one["role"].endswith("drillyard-power")}
            mine = [one for one in lab.calls(clear=True) if one["access_key"] in keys]
            seen.update(action(one) for one in mine)
            return len(mine)

        def used() -> set[str]:
            calls()
            return seen

        yield PowerHarness(
            switch=room.power_switch(connection),
            activity=room.activity_reader(connection),
            batch=Batch(cloud="aws", account="123456789012", region=REGION, connection="aws_power"),
            things=things(hands),
            throttled=lambda: planted(lab, "throttle"),
            lost=lambda: planted(lab, "lost"),
            outage=lambda: down(lab),
            no_capacity=lambda: short(lab),
            fault=lambda kind, at: planted(lab, kind, at, 1),
            calls=calls,
            used=used,
            allowed=policy.CALLS["suspend_environments", policy.POWER],
        )
    finally:
        clients.RETRIES = before
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)
