"""10,000 machines over three clouds: one look with its decisions; calls grow with pages. Control plane only.

All are within their hours, as at most runs: nothing is stopped. The ledger's part is left out.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from include import clouds
from include.catalog.model import Environment
from include.connections import ConnectionInfo, parse
from include.lab import doubles
from include.lab.aws import control
from include.lab.aws.control import AwsLab
from include.lab.doubles import Running
from include.suspension.decide import decide
from include.suspension.decision import Facts
from include.suspension.model import Batch
from include.suspension.placing import environment_of
from include.values import utcnow

AWS, GOOGLE, AZURE = 1000, 5000, 4000
IMAGE = "ami-12c6146b"
SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-00000000000a"
ALWAYS = {"schedules": {"always": {"timezone": "Europe/Berlin", "periods": [{"begintime": "00:00"}]}}, "schedule": "always"}
PLACES = {
    "aws": ("123456789012", "eu-central-1", "ec2-instance"),
    "google": ("dev-project", "europe-west1", "compute-instance"),
    "azure": (SUBSCRIPTION, "westeurope", "virtual-machine"),
}


def environment(cloud: str) -> Environment:
    """Always up, so that nothing is to be done."""
    account, region, kind = PLACES[cloud]
    scope = {"cloud": cloud, "account": account, "connection": cloud, "regions": [region], "kinds": [kind]}
    suspension = {"accounts": [scope], "match": {"environment": "test"}, **ALWAYS}
    return Environment.model_validate({"environment": "test", "owner": "ops", "cloud": cloud, "suspension": suspension})


def look(cloud: str, info: ConnectionInfo) -> int:
    """Survey a batch and decide on everything in it; gives how many there are."""
    account, region, kind = PLACES[cloud]
    batch = Batch(cloud=cloud, account=account, region=region, connection=cloud, kinds=(kind,))
    room: Any = clouds.room(cloud)
    mine, facts = environment(cloud), Facts(now=utcnow())
    resources = room.power_switch(lambda _: info, None).survey(batch).resources
    decided = [decide(one, mine, None, facts, readings_wanted=True) for one in resources if environment_of(one, [mine])]
    assert all(one.action == "keep" for one in decided), decided[0]
    return len(decided)


def fill(lab: AwsLab, first: Running, second: Running) -> None:
    """So many machines in each cloud."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "environment", "Value": "test"}]}]
    lab.client("ec2").run_instances(ImageId=IMAGE, InstanceType="m6g.large", MinCount=AWS, MaxCount=AWS, TagSpecifications=tags)
    labels = {"environment": "test"}
    first.ask("machines", project="dev-project", zone="europe-west1-b", count=GOOGLE, labels=labels)
    second.ask("machines", subscription=SUBSCRIPTION, location="westeurope", count=AZURE, tags=labels)
    lab.calls(clear=True)


def connections(lab: AwsLab, first: Running, second: Running) -> dict[str, ConnectionInfo]:
    """To each cloud's double."""
    google = {"is_anonymous": True, "endpoint": first.url}
    return {
        "aws": parse("aws", lab.connection()),
        "google": ConnectionInfo(conn_id="google", conn_type="google_cloud_platform", extra=google),
        "azure": ConnectionInfo(conn_id="azure", conn_type="azure", extra={"endpoint": second.url}),
    }


def run() -> list[dict[str, Any]]:
    """Seconds of one run, and calls against pages. Own time is this process's processor time: the doubles are others."""
    folder = Path(tempfile.mkdtemp(prefix="dy-bench-10k-"))
    folder.chmod(0o755)
    with ExitStack() as over:
        over.callback(shutil.rmtree, folder, ignore_errors=True)
        lab = control.launch(folder / "aws", hollow=True)
        over.callback(lab.stop)
        first, second = (doubles.launch(cloud, folder / cloud) for cloud in ("google", "azure"))
        over.callback(second.stop)
        over.callback(first.stop)
        fill(lab, first, second)
        began = time.process_time()
        seen = sum(look(cloud, info) for cloud, info in connections(lab, first, second).items())
        took = time.process_time() - began
        assert seen == AWS + GOOGLE + AZURE, seen
        calls = len(lab.calls()) + sum(one.ask("calls")["total"] for one in (first, second))
    # moto's pages are reservations, Google's 500 machines, Azure's 200 and twice: what they are, and what they do.
    pages = 1 + GOOGLE // 500 + 2 * AZURE // 200
    return [
        {
            "name": "suspension: 10,000 machines over three clouds, own time of one run", "value": round(took, 2),
            "unit": "s", "peer": None, "peer_value": None, "ratio": None, "bar": "value <= 60", "holds": took <= 60,
        },
        {
            "name": "suspension: 10,000 machines over three clouds, calls", "value": calls, "unit": "calls", "peer": "pages",
            "peer_value": pages, "ratio": calls / pages, "bar": "ratio <= 1", "holds": calls <= pages,
        },
    ]  # fmt: skip


if __name__ == "__main__":
    for line in run():
        print(line)
