"""Whole drills on the doubles of Google Cloud and Azure, with a real ledger: what the tests of both clouds share."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from include.catalog.loaded import Catalog, Loaded
from include.catalog.model import Platform, Question, Service, Validation
from include.evidence.record import DrillRecord
from include.evidence.store import LocalStore, StoreDown
from include.evidence.stores import Stores
from include.lab.double import knock
from include.ledger import open_ledger
from include.ledger.migrations import migrate
from include.recovery import drill, leases
from include.recovery.conclude import conclude
from include.recovery.contracts import Transient
from include.recovery.desk import Desk
from include.recovery.model import PlanItem, Status
from include.settings import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "contract"))

from azure_plane import flexible_server
from google_plane import cloud_sql
from managed_plane import lab_folder
from selfhosted_plane import SECRET, plan_item

Answer = TypeVar("Answer")
ID = "shop/main"
QUESTION = Question(name="orders are there", sql="SELECT count(*) FROM orders", expect=">")


@dataclass
class Site:
    """One cloud with production in it, a ledger, and folders for evidence."""

    cloud: str
    shop: Any
    room: Any
    folder: Path
    ledger: str

    def desk(self, **changes: Any) -> Desk:
        """A desk as a task opens it: new clients every time."""
        return desk(
            self.cloud, self.room, self.shop.connection, self.shop.settings(**changes), self.mine(), self.folder, self.ledger
        )

    def mine(self) -> Any:
        return self.shop.datastore(validation=Validation(questions=[QUESTION]))

    def item(self, name: str = "") -> PlanItem:
        drill_id = f"shop.main.{name or uuid.uuid4().hex[:8]}"
        return plan_item(drill_id).model_copy(update={"cloud": self.cloud, "region": self.mine().region})

    def fault(self, **given: Any) -> None:
        knock(self.shop.server.url, "fault", given)

    def calls(self, *, reset: bool = False) -> list[str]:
        log: list[str] = knock(self.shop.server.url, "calls", {"reset": reset})["log"]
        return log

    def left(self) -> list[str]:
        """Sandboxes by the control plane itself, whatever their mark."""
        servers = self.shop.data.servers
        return [name for name in servers if "dy-" in name]


def desk(cloud: str, room: Any, clients: Any, settings: Any, mine: Any, folder: Path, ledger: str) -> Desk:
    """A desk for one datastore of one cloud."""
    platform = Platform.model_validate(
        {
            "name": "test",
            "currency": "EUR",
            "clouds": {cloud: {"regions": [{"name": mine.region, "failure_domain": mine.region}]}},
            "tiers": {"tier-1": {"rpo": "5m", "rto": "15m", "drill_every": "7d"}},
            "people": [{"name": "ines-holm", "email": "ines@example.com"}],
            "evidence": [{"name": "one", "url": str(folder), "failure_domain": "here"}],
        }
    )
    service = Service(service="shop", tier="tier-1", owner="shop-team", datastores=[mine])
    return Desk(
        cloud=cloud,
        loaded=Loaded(catalog=Catalog(platform=platform, services={"shop": service}), base=folder, revision="test"),
        ledger=open_ledger(ledger),
        stores=Stores([LocalStore("one", folder / "one"), LocalStore("two", folder / "two")]),
        source=room.backup_source(clients, settings),
        restore=room.database_restore(clients, settings),
        secret=SECRET,
    )


def ledger_in(data: Any) -> str:
    """A migrated ledger on a server of its own."""
    data.make("ledger", {"max_connections": "60"}, master="keeper", password="keeper", database="ledger", archive=False)
    url = f"postgresql+psycopg2://keeper:keeper@{data.host('ledger')}:{data.port}/ledger"
    migrate(url)
    return url


@contextmanager
def site(cloud: str) -> Iterator[Site]:
    """One cloud, ready for drills, and fenced like a lab."""
    from include.clouds import azure, google

    opened, room = {"google": (cloud_sql, google), "azure": (flexible_server, azure)}[cloud]
    before = os.environ.get("DRILLYARD_LAB_HOME")
    with opened() as shop, lab_folder() as folder:
        os.environ["DRILLYARD_LAB_HOME"] = str(folder)
        try:
            yield Site(cloud, shop, room, folder, ledger_in(shop.data))
        finally:
            os.environ.pop("DRILLYARD_LAB_HOME")
            if before is not None:
                os.environ["DRILLYARD_LAB_HOME"] = before


def persist(where: Site, item: PlanItem) -> DrillRecord:
    """Run a drill as its DAG does: a task that could not be finished is tried again from a new desk, the later ones follow
    whatever came of it, and validation has one try."""
    try:
        again(lambda: restore(where.desk(), item))
        with contextlib.suppress(Transient):
            drill.validate(where.desk(), item, None)
    except drill.Halted:
        pass
    again(lambda: leases.close(where.desk(), item))
    return again(lambda: conclude(where.desk(), item))


def restore(desk: Desk, item: PlanItem) -> None:
    """The restore operator's part, its trigger included."""
    drill.begin(desk, item)
    while True:
        with contextlib.suppress(Transient):
            if drill.watch(desk, item).status is Status.SUCCEEDED:
                break
        time.sleep(0.1)
    drill.secure(desk, item)


def again(step: Callable[[], Answer], tries: int = 4) -> Answer:
    """A task with its retries."""
    for left in reversed(range(tries)):
        try:
            return step()
        except (Transient, StoreDown, OSError):
            if not left:
                raise
    raise AssertionError("unreachable")
