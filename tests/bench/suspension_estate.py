"""A thousand EC2 instances in the lab's AWS, and one sweep over them in a process of its own, as a cron job would run it."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

REGION, ACCOUNT = "eu-central-1", "123456789012"


def instances(lab: Any, count: int) -> list[str]:
    """Running instances with an off-hours tag."""
    ec2 = lab.client("ec2", REGION)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"Key": "environment", "Value": "staging"}, {"Key": "maid_offhours", "Value": "on"}]
    made = ec2.run_instances(
        ImageId=image,
        InstanceType="m5.large",
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return [one["InstanceId"] for one in made["Instances"]]


def readings(lab: Any, names: list[str], moments: list[datetime]) -> None:
    """CPU of one percent, one value in five minutes."""
    watch = lab.client("cloudwatch", REGION)
    data = [
        {
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "InstanceId", "Value": name}],
            "Timestamp": moment,
            "Value": 1.0,
        }
        for name in names
        for moment in moments
    ]
    for begin in range(0, len(data), 1000):
        watch.put_metric_data(Namespace="AWS/EC2", MetricData=data[begin : begin + 1000])


def main() -> None:
    """``ENDPOINT-CONNECTION LEDGER HOME NOW SUSPENSION``: one sweep; prints what it did and its own seconds."""
    from include.catalog.loaded import Catalog, Loaded
    from include.catalog.model import Environment, Platform
    from include.clouds import aws as room
    from include.clouds.aws.clients import from_connections
    from include.connections import parse
    from include.evidence.store import LocalStore
    from include.evidence.stores import Stores
    from include.ledger import open_ledger
    from include.suspension.desk import SleepDesk
    from include.suspension.model import Batch
    from include.suspension.run import sweep

    connection, ledger, home, now, suspension = sys.argv[1:]
    clients = from_connections(lambda _: parse("aws_staging", connection))
    scope = {"cloud": "aws", "account": ACCOUNT, "connection": "aws_staging", "regions": [REGION], "kinds": ["ec2-instance"]}
    environment = Environment.model_validate(
        {"environment": "staging", "owner": "platform", "suspension": {"accounts": [scope], **json.loads(suspension)}}
    )
    platform = Platform.model_validate(
        {
            "name": "bench",
            "currency": "EUR",
            "clouds": {"aws": {"regions": [{"name": REGION, "failure_domain": REGION}]}},
            "tiers": {},
            "people": [{"name": "ann", "email": "ann@example.test", "teams": ["platform"]}],
            "evidence": [{"name": "one", "url": home, "failure_domain": "here"}],
        }
    )
    desk = SleepDesk(
        cloud="aws",
        loaded=Loaded(
            catalog=Catalog(platform=platform, services={}, environments={"staging": environment}), base=Path(home), revision="0"
        ),
        open_ledger=lambda: open_ledger(ledger),
        stores=Stores([LocalStore(name, Path(home) / name, name) for name in ("one", "two")]),
        power=room.power_switch(clients),
        activity=room.activity_reader(clients),
        tell=lambda *_: None,
    )
    batch = Batch(cloud="aws", account=ACCOUNT, region=REGION, connection="aws_staging", kinds=("ec2-instance",))
    began = time.monotonic()
    swept = sweep(desk, batch, datetime.fromisoformat(now))
    print(json.dumps({"stopped": swept.stopped, "counts": swept.counts, "seconds": time.monotonic() - began}))


def later(now: datetime, hours: float) -> str:
    return (now + timedelta(hours=hours)).isoformat()


if __name__ == "__main__":
    main()
