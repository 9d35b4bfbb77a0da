"""What the tests of self-hosted restores do again and again, over the contract suite's server."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from selfhosted_plane import SECRET, Plane, lease_of, plan_item, plane

from include import clouds
from include.clouds.selfhosted.restore import SelfHostedRestore
from include.clouds.selfhosted.sandbox import Folder
from include.clouds.selfhosted.settings import Datastore
from include.clouds.selfhosted.source import SelfHostedBackups
from include.recovery.model import Access, Lease, RecoveryPoint, Sandbox, Status, Target
from include.values import utcnow

__all__ = ["SECRET", "Plane", "Site", "lease_of", "plan_item", "plane"]


class Site:
    """A plane with its adapters, and a restore in a few words."""

    def __init__(self, made: Plane, **host: Any) -> None:
        self.plane = made
        room, settings = clouds.room("selfhosted"), made.host(**host)
        self.source: SelfHostedBackups = room.backup_source(made.clients, settings)  # type: ignore[assignment]
        self.restore: SelfHostedRestore = room.database_restore(made.clients, settings)  # type: ignore[assignment]
        self.root = Path(settings.sandbox_root)

    def points(self, datastore: Datastore) -> dict[str, RecoveryPoint]:
        survey = self.source.survey({"shop/it": datastore}, utcnow())
        assert not survey.unreadable, survey.unreadable
        return {one.id: one for one in survey.points["shop/it"]}

    def start(self, datastore: Datastore, point: RecoveryPoint, target: Target | None = None) -> Lease:
        item = plan_item(f"shop.it.{uuid.uuid4().hex[:8]}", target)
        lease = lease_of(item)
        self.restore.create(datastore, point, item, lease)
        return lease

    def wait(self, lease: Lease, datastore: Datastore, patience: float = 60) -> Sandbox:
        deadline = time.monotonic() + patience
        while True:
            found = self.restore.find(lease.sandbox, datastore)
            assert found is not None
            if found.status in (Status.SUCCEEDED, Status.FAILED):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    @contextmanager
    def restored(
        self, datastore: Datastore, point: RecoveryPoint, target: Target | None = None
    ) -> Iterator[tuple[Lease, Access]]:
        lease = self.start(datastore, point, target)
        try:
            found = self.wait(lease, datastore)
            assert found.status is Status.SUCCEEDED, found.detail
            checks = self.restore.secure(lease.sandbox, datastore, SECRET)
            assert {one.outcome.value for one in checks} <= {"passed", "unsupported"}, checks
            yield lease, self.restore.access(lease.sandbox, datastore, SECRET)
        finally:
            self.restore.discard(lease.sandbox, datastore, lease)
            assert not list(self.restore.inventory([datastore]))

    def folder(self, lease: Lease) -> Folder:
        return Folder(self.root / lease.sandbox)


def ask(access: Access, sql: str, *, admin: bool = True) -> Any:
    """The first value of one statement."""
    user, password = (access.admin, access.admin_password) if admin else (access.reader, access.reader_password)
    with closing(
        psycopg2.connect(host=access.host, port=access.port, dbname=access.database, user=user, password=password)
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


def orders(access: Access) -> int:
    return int(ask(access, "SELECT count(*) FROM orders", admin=False))
