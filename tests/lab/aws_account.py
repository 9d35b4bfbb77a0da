"""An AWS account for tests: the lab's double with one real instance ``orders``, and everything that a drill of it needs."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Platform, Question, Service, Validation
from include.clouds.aws import backup_source, database_restore
from include.clouds.aws.settings import Datastore, Sandboxes
from include.connections import ConnectionInfo, parse
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab.aws import control, estate
from include.lab.aws.control import AwsLab
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.recovery.desk import Desk
from include.recovery.model import Forecast, Lease, PlanItem, Request, Sandbox, Status, Target
from include.recovery.naming import sandbox_name
from include.values import utcnow

SECRET = "a secret for the tests' sandboxes"
HOME, COPY = estate.HOME_REGION, estate.COPY_REGION
VERIFY, DRILL = "aws_backups", "aws_recovery"
ID = "shop/main"


@dataclass
class AwsAccount:
    """The account, and the product's view of it."""

    lab: AwsLab
    networks: dict[str, estate.Network]

    def connections(self, conn_id: str) -> ConnectionInfo:
        return parse(conn_id, self.lab.connection(role=f"drillyard-{conn_id.removeprefix('aws_')}"))

    def settings(self, **changes: Any) -> Sandboxes:
        known = estate.settings_of(self.networks, DRILL)
        return Sandboxes.model_validate(known | changes)

    def source(self, **changes: Any) -> Any:
        return backup_source(self.connections, self.settings(**changes))

    def restore(self, **changes: Any) -> Any:
        return database_restore(self.connections, self.settings(**changes))

    def sql(self, *statements: str, name: str = "orders", database: str = "shop") -> Any:
        """Run statements in production; gives the first value of the last one."""
        with estate.opened(self.lab, name, database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def order(self, count: int) -> None:
        self.sql(f"INSERT INTO orders (placed_at) SELECT clock_timestamp() FROM generate_series(1, {count})")

    def sandboxes(self, region: str = HOME) -> list[str]:
        """What is there by the control plane itself, those that are being deleted included."""
        found = self.lab.client("rds", region).describe_db_instances()["DBInstances"]
        return [one["DBInstanceIdentifier"] for one in found if one["DBInstanceIdentifier"].startswith("dy-")]

    def gone(self, patience: float = 60.0) -> bool:
        """Whether no sandbox is left once deletions are over."""
        deadline = time.monotonic() + patience
        while self.sandboxes() + self.sandboxes(COPY):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def sweep(self) -> None:
        """End every sandbox, whoever made it, and every fault."""
        self.lab.down(down=False)
        self.lab.clear_faults()
        self.lab.unstick()
        for region in (HOME, COPY):
            rds = self.lab.client("rds", region)
            for one in rds.describe_db_instances()["DBInstances"]:
                if one["DBInstanceIdentifier"].startswith("dy-") and one["DBInstanceStatus"] != "deleting":
                    rds.delete_db_instance(DBInstanceIdentifier=one["DBInstanceIdentifier"], SkipFinalSnapshot=True)
        assert self.gone()


def datastore(**changes: Any) -> Datastore:
    known = {
        "name": "main",
        "cloud": "aws",
        "region": HOME,
        "database": "shop",
        "business_time": "SELECT max(placed_at) FROM orders",
        "connection": VERIFY,
        "instance": "orders",
        "encrypted": True,
        "copies": [{"region": COPY}],
        "validation": Validation(questions=[Question(name="orders are there", sql="SELECT count(*) FROM orders", expect=">")]),
    }
    return Datastore.model_validate(known | changes)


@functools.lru_cache(maxsize=1)
def shared() -> AwsAccount:
    """Made once a process, ended with it."""
    home = Path(tempfile.mkdtemp(prefix="dy-aws-"))
    home.chmod(0o755)
    lab = control.launch(home / "aws")
    atexit.register(lambda: (lab.stop(), shutil.rmtree(home, ignore_errors=True)))
    networks = {region: estate.network(lab, region) for region in (HOME, COPY)}
    account = AwsAccount(lab, networks)
    lab.client("rds").create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.m6g.large",
        Engine="postgres",
        EngineVersion=estate.ENGINE_VERSION,
        AllocatedStorage=20,
        MasterUsername=estate.MASTER,
        MasterUserPassword=estate.MASTER_PASSWORD,
        DBName="shop",
        BackupRetentionPeriod=7,
        StorageEncrypted=True,
        KmsKeyId=networks[HOME].key,
        DeletionProtection=True,
        Tags=[{"Key": "owner", "Value": "production"}],
    )
    estate.available(lab, "orders")
    account.sql(
        "CREATE TABLE orders (id bigserial PRIMARY KEY, placed_at timestamptz NOT NULL)",
        "INSERT INTO orders (placed_at) SELECT clock_timestamp() FROM generate_series(1, 500)",
        "CREATE ROLE shop_app LOGIN PASSWORD 'production'",
    )
    estate.back_up(lab, "orders", copy_with=networks[COPY].key)
    return account


@pytest.fixture
def aws() -> Iterator[AwsAccount]:
    """The account without faults; nothing of ours is left in it afterwards."""
    account = shared()
    before = os.environ.get("DRILLYARD_LAB_HOME")
    os.environ["DRILLYARD_LAB_HOME"] = str(account.lab.home)
    try:
        yield account
    finally:
        account.sweep()
        if before is None:
            del os.environ["DRILLYARD_LAB_HOME"]
        else:
            os.environ["DRILLYARD_LAB_HOME"] = before


def plan_item(drill_id: str, target: Target | None = None) -> PlanItem:
    return PlanItem(
        drill_id=drill_id,
        service="shop",
        datastore="main",
        cloud="aws",
        region=HOME,
        tier="tier-1",
        why="a test",
        target=target or Target(),
        request=Request(),
        forecast=Forecast(duration=timedelta(minutes=1), cost=Decimal(0), cap=Decimal(1), currency="EUR", basis="a test"),
        rpo=timedelta(minutes=5),
        rto=timedelta(minutes=15),
        planned_at=utcnow(),
        catalog_revision="test",
    )


def lease_of(item: PlanItem, **changes: Any) -> Lease:
    opened = utcnow()
    known: dict[str, Any] = {
        "lease_id": item.drill_id,
        "sandbox": sandbox_name(item.drill_id),
        "cloud": item.cloud,
        "region": item.region,
        "service": item.service,
        "datastore": item.datastore,
        "opened_at": opened,
        "expires_at": opened + timedelta(hours=1),
        "requested_by": "test",
    }
    return Lease.model_validate(known | changes)


def ready(restore: Any, name: str, where: Datastore, patience: float = 90.0) -> Sandbox:
    """The sandbox once it is restored or failed."""
    deadline = time.monotonic() + patience
    while True:
        found: Sandbox | None = restore.find(name, where)
        assert found is not None
        if found.status in (Status.SUCCEEDED, Status.FAILED):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@functools.lru_cache(maxsize=1)
def ledger_url() -> str:
    """A migrated ledger in a database of the lab's own server (as if on another machine: no test stops that one)."""
    account = shared()
    rds = account.lab.client("rds", COPY)
    rds.create_db_instance(
        DBInstanceIdentifier="ledger",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        EngineVersion=estate.ENGINE_VERSION,
        AllocatedStorage=20,
        MasterUsername=estate.MASTER,
        MasterUserPassword=estate.MASTER_PASSWORD,
        DBName="ledger",
        BackupRetentionPeriod=0,
    )
    port = estate.available(account.lab, "ledger", COPY)["Endpoint"]["Port"]
    url = f"postgresql+psycopg2://{estate.MASTER}:{estate.MASTER_PASSWORD}@127.0.0.1:{port}/ledger"
    migrate(url)
    return url


def desk(account: AwsAccount, evidence: Path, where: Datastore | None = None, url: str | None = None) -> Desk:
    """A desk for the one datastore, with a real ledger and two evidence stores."""
    mine = where or datastore()
    platform = Platform.model_validate(
        {
            "name": "test",
            "currency": "EUR",
            "clouds": {"aws": {"regions": [{"name": region, "failure_domain": region} for region in (HOME, COPY)]}},
            "tiers": {"tier-1": {"rpo": "5m", "rto": "15m", "drill_every": "7d"}},
            "people": [{"name": "ines-holm", "email": "ines@example.com"}],
            "evidence": [{"name": "one", "url": str(evidence), "failure_domain": "here"}],
        }
    )
    service = Service(service="shop", tier="tier-1", owner="shop-team", datastores=[mine])
    return Desk(
        cloud="aws",
        loaded=Loaded(catalog=Catalog(platform=platform, services={"shop": service}), base=evidence, revision="test"),
        ledger=open_ledger(url or ledger_url()),
        stores=Stores([LocalStore("one", evidence / "one"), LocalStore("two", evidence / "two")]),
        source=account.source(),
        restore=account.restore(),
        secret=SECRET,
    )


@contextmanager
def handed_over(account: AwsAccount, folder: Path) -> Iterator[Path]:
    """A file from which another process opens the same account."""
    file = folder / "account.json"
    networks = {region: one.model_dump(mode="json") for region, one in account.networks.items()}
    told = {"home": str(account.lab.home), "endpoint": account.lab.endpoint, "networks": networks, "ledger": ledger_url()}
    file.write_text(json.dumps(told))
    yield file


def taken_over(file: Path) -> tuple[AwsAccount, str]:
    """The account and the ledger's URL from `handed_over`."""
    told = json.loads(file.read_text())
    networks = {region: estate.Network.model_validate(one) for region, one in told["networks"].items()}
    return AwsAccount(AwsLab(Path(told["home"]), told["endpoint"], None), networks), told["ledger"]
