"""A staging account in the lab's AWS, a ledger on a real PostgreSQL, two evidence stores, and a desk over all of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Environment, Platform, Rates
from include.clouds import aws as room
from include.clouds.aws import clients
from include.connections import parse
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab.aws import control, sleepers
from include.lab.aws.control import AwsLab
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.ledger.sleeps import Sleeps
from include.suspension import run
from include.suspension.decision import Memory, Phase
from include.suspension.desk import SleepDesk
from include.suspension.model import Batch
from include.suspension.run import Swept
from include.suspension.telling import Telling
from tests.lab.ledger.databases import database, postgres_server

REGION, ACCOUNT = "eu-central-1", "123456789012"
BATCH = Batch(cloud="aws", account=ACCOUNT, region=REGION, connection="aws_staging", kinds=("ec2-instance", "auto-scaling-group"))
MONDAY = datetime(2037, 12, 7, tzinfo=UTC)
"""After every launch in the lab, whenever the tests run: nothing here counts as started by hand in a simulated night."""
NOON, NIGHT, MORNING = MONDAY + timedelta(hours=12), MONDAY + timedelta(hours=21), MONDAY + timedelta(days=1, hours=6, minutes=40)
OFFICE = {"timezone": "UTC", "periods": [{"weekdays": "mon-fri", "begintime": "07:00", "endtime": "19:00"}]}
TAGS = {"environment": "staging"}
STAGING: dict[str, Any] = {
    "accounts": [{"cloud": "aws", "account": ACCOUNT, "connection": "aws_staging", "regions": [REGION]}],
    "match": TAGS,
    "schedules": {"office": OFFICE},
    "schedule": "office",
    "guards": {"transactions": {"unchecked": True}},
}
PLATFORM = Platform.model_validate(
    {
        "name": "lab",
        "currency": "EUR",
        "clouds": {"aws": {"regions": [{"name": REGION, "failure_domain": REGION}]}},
        "tiers": {},
        "people": [{"name": "ann", "email": "ann@example.test", "teams": ["platform"]}],
        "evidence": [{"name": "one", "url": "unused", "failure_domain": "here"}],
    }
)


def hours_away(now: datetime) -> dict[str, Any]:
    """A schedule whose hours are over since most of a day, and begin in some hours, whenever this runs."""
    begin, end = now + timedelta(hours=6), now + timedelta(hours=8)
    return {"timezone": "UTC", "periods": [{"begintime": f"{begin:%H:%M}", "endtime": f"{end:%H:%M}"}]}


@dataclass
class Staging:
    """What runs there, by its owner's own hands, and the product's desk."""

    lab: AwsLab
    url: str
    home: Path
    told: list[Telling] = field(default_factory=list)

    def __post_init__(self) -> None:
        role = self.lab.connection(role="drillyard-power")
        self.clients = clients.from_connections(lambda _: parse("aws_staging", role))
        """The product's, made once: an SDK takes its time to read its models."""
        self.hands: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self.hands:
            self.hands[service] = self.lab.client(service, REGION)
        return self.hands[service]

    def instances(self, count: int, *, kind: str = "m5.large", **tags: str) -> list[str]:
        """Running instances with the environment's tag."""
        return sleepers.instances(self.client("ec2"), count, kind, TAGS | tags)

    def group(self, name: str, low: int, desired: int, high: int) -> str:
        return sleepers.group(self.client("autoscaling"), self.client("ec2"), name, (low, desired, high), "m5.large", TAGS)

    def group_sizes(self, name: str) -> tuple[int, int, int, list[str]]:
        row = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
        suspended = sorted(one["ProcessName"] for one in row["SuspendedProcesses"])
        return row["MinSize"], row["DesiredCapacity"], row["MaxSize"], suspended

    def states(self) -> dict[str, str]:
        """Of every instance, by the control plane itself."""
        pages = self.client("ec2").get_paginator("describe_instances").paginate()
        rows = [one for page in pages for held in page["Reservations"] for one in held["Instances"]]
        return {row["InstanceId"]: row["State"]["Name"] for row in rows}

    def start_by_hand(self, instance: str) -> None:
        """Start an instance as a person does, and wait until it runs: while it is pending, a sweep rightly decides nothing."""
        self.client("ec2").start_instances(InstanceIds=[instance])
        deadline = time.monotonic() + 60
        while self.states()[instance] != "running":
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.05)

    def clear(self) -> None:
        """Delete everything of the account, and forget what the ledger remembers."""
        scaling, ec2 = self.client("autoscaling"), self.client("ec2")
        for one in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
            scaling.delete_auto_scaling_group(AutoScalingGroupName=one["AutoScalingGroupName"], ForceDelete=True)
        for one in scaling.describe_launch_configurations()["LaunchConfigurations"]:
            scaling.delete_launch_configuration(LaunchConfigurationName=one["LaunchConfigurationName"])
        left = [name for name, state in self.states().items() if state != "terminated"]
        if left:
            ec2.terminate_instances(InstanceIds=left)
        self.lab.clear_faults()
        self.lab.capacity()
        self.told.clear()
        shutil.rmtree(self.home / "evidence", ignore_errors=True)
        self.forget()

    def forget(self) -> None:
        """Empty the ledger."""
        from sqlalchemy import create_engine, text

        from include.ledger.tables import metadata

        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        engine.dispose()

    def environments(self, **changes: Any) -> dict[str, Environment]:
        known = {"environment": "staging", "owner": "platform", "suspension": STAGING | changes}
        return {"staging": Environment.model_validate(known)}

    def desk(self, rates: Rates | None = None, **changes: Any) -> SleepDesk:
        """A desk as a new process opens one."""
        catalog = Catalog(platform=PLATFORM, services={}, environments=self.environments(**changes), rates=rates)

        def tell(_: SleepDesk, tellings: Sequence[Telling]) -> None:
            known = {one.once for one in self.told}
            self.told += [one for one in tellings if one.once not in known]

        stores = [LocalStore(name, self.home / "evidence" / name, name) for name in ("one", "two")]
        return SleepDesk(
            cloud="aws",
            loaded=Loaded(catalog=catalog, base=self.home, revision="0" * 64),
            open_ledger=lambda: open_ledger(self.url),
            stores=Stores(stores),
            power=room.power_switch(self.clients),
            activity=room.activity_reader(self.clients),
            tell=tell,
            answers=lambda _: True,
        )

    def sweep(
        self, now: datetime, desk: SleepDesk | None = None, batch: Batch = BATCH, only: str | None = None, **changes: Any
    ) -> Swept:
        """One sweep, and as many more as it asks for: what the operator does between deferrals."""
        opened = desk or self.desk(**changes)
        deadline, first = time.monotonic() + 60, None
        while True:
            swept = run.sweep(opened, batch, now, only)
            first = first or swept
            if not swept.pending:
                break
            assert time.monotonic() < deadline, swept
            time.sleep(0.1)
        if desk is None:
            opened.ledger.close()
        return first

    def memories(self) -> Mapping[str, Memory]:
        ledger = open_ledger(self.url)
        try:
            return Sleeps(ledger).memories(BATCH)
        finally:
            ledger.close()

    def phases(self) -> dict[str, Phase]:
        return {key.rpartition("/")[2]: memory.phase for key, memory in self.memories().items()}

    def records(self, event: str) -> list[dict[str, Any]]:
        """Suspension records of one event in the first store, in order."""
        files = sorted((self.home / "evidence" / "one").rglob("*suspension*.json"))
        read = [json.loads(path.read_bytes()) for path in files]
        return [record for record in read if record.get("event") == event]


@contextmanager
def staging() -> Iterator[Staging]:
    """The account, its lab and its ledger; everything is stopped and removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="dy-suspension-"))
    lab = control.launch(home / "aws", hollow=True)
    before, clients.RETRIES = clients.RETRIES, {"total_max_attempts": 1}
    try:
        with postgres_server() as server:
            url = database(server, "suspension")
            migrate(url)
            yield Staging(lab, url, home)
    finally:
        clients.RETRIES = before
        lab.stop()
        shutil.rmtree(home, ignore_errors=True)


def killed(staging: Staging, at: int, work: Callable[[Callable[[], None]], None]) -> bool:
    """Run `work` in a process of its own that is killed (SIGKILL) at its `at`-th step; False when it ended before.

    A step is everything that leaves a trace outside the process: before and after each HTTP call of the SDK, each commit of
    the ledger and each write of an evidence store.
    """
    child = os.fork()
    if child == 0:
        left = at

        def step() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            for client in staging.clients._clients.values():
                client._endpoint.http_session.close()  # its sockets are the parent's
            work(step)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def stepped(desk: SleepDesk, step: Callable[[], None]) -> SleepDesk:
    """The desk with a step around everything that leaves a trace outside."""
    from botocore.httpsession import URLLib3Session
    from sqlalchemy import event

    engine = desk.ledger._engine
    event.listen(engine, "commit", lambda _: step())
    event.listen(engine, "checkin", lambda *_: step())
    send = URLLib3Session.send

    def sending(self: Any, request: Any) -> Any:
        step()
        answer = send(self, request)
        step()
        return answer

    URLLib3Session.send = sending
    put = LocalStore.put_new

    def putting(self: Any, path: str, data: bytes) -> None:
        step()
        put(self, path, data)
        step()

    LocalStore.put_new = putting  # type: ignore[method-assign]
    return desk
