"""What the lab's AWS has for the example platform's environment `test`: it sleeps out of hours. And the owner's calls for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from include.lab.aws import estate
from include.lab.aws.control import AwsLab
from include.lab.postgres import HOST
from include.values import utcnow

ACCOUNT, REGION = "210000000007", estate.HOME_REGION
CONNECTION, DATABASE_CONNECTION = "aws_test", "orders_test_db"
DATABASE = "test-orders"
TAGS = {"environment": "test"}
OBSERVER, OBSERVER_PASSWORD = "drillyard_observer", "of-the-observer"
AGE = timedelta(days=30)
"""Since when it runs: what was started a moment ago would count as started by hand."""


def instances(ec2: Any, count: int, kind: str, tags: dict[str, str]) -> list[str]:
    """Running EC2 instances, as their owner makes them; gives their ids."""
    given = [{"ResourceType": "instance", "Tags": _pairs(tags)}]
    made = ec2.run_instances(ImageId=_image(ec2), InstanceType=kind, MinCount=count, MaxCount=count, TagSpecifications=given)
    return [str(one["InstanceId"]) for one in made["Instances"]]


def group(scaling: Any, ec2: Any, name: str, sizes: tuple[int, int, int], kind: str, tags: dict[str, str]) -> str:
    """An Auto Scaling group with a process that its owner suspended; `sizes`: least, wanted, most. Gives its name."""
    launch = f"lc-{name}"
    scaling.create_launch_configuration(LaunchConfigurationName=launch, ImageId=_image(ec2), InstanceType=kind)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=launch,
        MinSize=sizes[0],
        DesiredCapacity=sizes[1],
        MaxSize=sizes[2],
        AvailabilityZones=[f"{scaling.meta.region_name}a"],
        Tags=[{**pair, "PropagateAtLaunch": True} for pair in _pairs(tags)],
    )
    scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["AZRebalance"])
    return name


def database(rds: Any, name: str, tags: dict[str, str], **more: Any) -> str:
    """A small RDS instance that is being created, with no backups of its own; gives its name."""
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername=estate.MASTER,
        MasterUserPassword=estate.MASTER_PASSWORD,
        BackupRetentionPeriod=0,
        Tags=_pairs(tags),
        **more,
    )
    return name


def _image(ec2: Any) -> str:
    return str(ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"])


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def build(lab: AwsLab, *, hollow: bool = False) -> None:
    """All of it, running since `AGE`. `hollow`: a lab without a data plane, so the database has no server and no observer."""
    ec2, scaling, rds = (lab.client(service, REGION, ACCOUNT) for service in ("ec2", "autoscaling", "rds"))
    database(rds, DATABASE, TAGS, EngineVersion=estate.ENGINE_VERSION, DBName="orders")
    for name, kind, own in (
        ("test-shop", "m6i.large", {}),
        ("test-load", "c6i.xlarge", {"Schedule": "nights"}),
        ("test-jump", "t3.small", {}),
    ):
        instances(ec2, 1, kind, {**TAGS, "Name": name, **own})
    group(scaling, ec2, "test-workers", (1, 2, 4), "m6i.large", TAGS)
    estate.available(lab, DATABASE, REGION, account=ACCOUNT)
    if not hollow:
        _observed(lab)
    lab.age_instances(region=REGION, launched=(utcnow() - AGE).isoformat(), account=ACCOUNT)


def _observed(lab: AwsLab) -> None:
    """The role that asks the database for its oldest transaction before it is stopped."""
    with estate.opened(lab, DATABASE, "orders", REGION, account=ACCOUNT) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {OBSERVER} LOGIN PASSWORD '{OBSERVER_PASSWORD}'")
        cursor.execute(f"GRANT pg_monitor TO {OBSERVER}")


def variables(lab: AwsLab) -> dict[str, str]:
    """The connections that the environment's file names. The database's address is the same after every sleep."""
    found = {f"AIRFLOW_CONN_{CONNECTION.upper()}": lab.connection(account=ACCOUNT, role="drillyard-power", region=REGION)}
    row = lab.client("rds", REGION, ACCOUNT).describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]
    asked = {"host": HOST, "port": row["Endpoint"]["Port"], "schema": "orders", "login": OBSERVER, "password": OBSERVER_PASSWORD}
    return found | {f"AIRFLOW_CONN_{DATABASE_CONNECTION.upper()}": json.dumps({"conn_type": "postgres", **asked})}
