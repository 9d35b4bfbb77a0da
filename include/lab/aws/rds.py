"""The overlay over moto's RDS: states that take their time, and a real PostgreSQL behind every instance.

`Rds.install` replaces methods of moto's `RDSBackend`. What each mends, and Amazon's page for it, is listed in docs/aws.md.
All of it runs under the control plane's one lock; what takes long runs in threads.
"""

from __future__ import annotations

import fnmatch
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from include.lab import postgres
from include.lab.aws.capacity import NoCapacity
from include.lab.aws.lives import Key, Life, Lives
from include.lab.aws.plane import Plane
from include.values import utcnow

HOME_ACCOUNT = "123456789012"
WORKERS = 4
DELAYS = {
    "creating": 0.4,
    "backing-up": 0.2,
    "snapshot": 0.3,
    "resetting-master-credentials": 0.3,
    "modifying": 0.2,
    "rebooting": 0.3,
    "stopping": 0.2,
    "starting": 0.2,
    "deleting": 0.4,
}
"""Least seconds of each transition. Amazon's take minutes; the words and their order are the same."""
MASTER_NAMES_TAKEN = ("postgres", "rdsadmin", "admin")


@dataclass
class Base:
    """The bytes of a snapshot."""

    path: Path
    began: datetime
    """When the base backup really began, whatever age the control plane was told to show."""


@dataclass
class Rds:
    """What the overlay knows beside moto."""

    plane: Plane | None
    lives: Lives = field(default_factory=Lives)
    delays: dict[str, float] = field(default_factory=lambda: dict(DELAYS))
    quotas: dict[str, int] = field(default_factory=lambda: {"instances": 2000, "snapshots": 20_000})
    stuck: dict[str, str] = field(default_factory=dict)
    """By identifier pattern: the word that such an instance says for ever instead of becoming available."""
    bases: dict[Key, Base] = field(default_factory=dict)
    resource_ids: dict[Key, str] = field(default_factory=dict)
    until: dict[Key, datetime] = field(default_factory=dict)
    """Latest restorable times that were planted."""
    retained: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """Automated backups that outlive their instance."""
    pending: dict[Key, dict[str, str]] = field(default_factory=dict)
    source: Callable[[str, dict[str, str], bool], None] | None = None
    """How the instance that is being created gets its bytes: set by a restore around moto's `create_db_instance`."""

    short: list[NoCapacity] = field(default_factory=list)
    """What there is no capacity for."""
    stopped_at: dict[Key, datetime] = field(default_factory=dict)
    """When each stopped instance was stopped: seven days later it starts by itself."""

    beats: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What applications do, by server: (database, statement)."""
    turns: dict[Key, threading.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="rds")

    # ---- names ---------------------------------------------------------------------------------------------------

    @staticmethod
    def key(thing: Any, kind: str = "db") -> Key:
        """Of an instance or a snapshot of moto's."""
        return (kind, thing.account_id, thing.region, thing.resource_id)

    @staticmethod
    def server(key: Key) -> str:
        """The data plane's name of an instance."""
        _, account, region, identifier = key
        return f"{region}-{identifier}" if account == HOME_ACCOUNT else f"{account}-{region}-{identifier}"

    def real(self, key: Key) -> bool:
        """Whether a server is behind an instance."""
        return self.plane is not None and self.server(key) in self.plane.servers

    def submit(self, key: Key, work: Callable[[], None]) -> Future[None]:
        """Do the data plane's work for one thing in a thread, after what was asked for it before."""
        turn = self.turns.setdefault(key, threading.Lock())

        def in_turn() -> None:
            with turn:
                work()

        return self.pool.submit(in_turn)

    def word(self, thing: Any, kind: str = "db") -> str:
        return self.lives.word(self.key(thing, kind)) or thing.__dict__["_word"]

    # ---- creating -------------------------------------------------------------------------------------------------

    def begin_instance(self, backend: Any, instance: Any, *, password: str | None) -> None:
        """Start a new instance's life: its bytes, its first backup, then available."""
        key = self.key(instance)
        self.resource_ids[key] = "db-" + secrets.token_hex(13).upper()
        instance.__dict__["replicas"] = []
        instance.publicly_accessible = bool(instance.publicly_accessible)
        name, archive = self.server(key), bool(instance.backup_retention_period)
        settings = self.settings(backend, instance)
        how, self.source = self.source, None
        if how is None and self.plane is not None and instance.engine == "postgres" and password:
            plane, master, database = self.plane, str(instance.master_username), instance.db_name

            def how(name: str, settings: dict[str, str], archive: bool) -> None:
                plane.make(name, settings, master=master, password=password, database=database, archive=archive)

        base = self._first_base(key, archive=archive and how is not None)

        def work() -> None:
            if how is not None:
                how(name, settings, archive)
            if base is not None and self.plane is not None:
                base.began = utcnow()
                self.plane.snapshot(name, base.path)

        def ended(error: BaseException | None) -> None:
            instance.instance_create_time = utcnow()
            instance.status = "available" if error is None else "failed"
            if error is not None:
                instance.__dict__["lab_error"] = str(error)
            elif archive:
                self.add_automated(backend, instance, base)

        stuck = next((word for pattern, word in self.stuck.items() if fnmatch.fnmatch(key[3], pattern)), None)
        life = Life(
            word=stuck or "creating",
            final="available",
            least=self.delays["creating"],
            work=self.submit(key, work),
            then=(("backing-up", self.delays["backing-up"]),) if archive else (),
            ended=ended,
            forever=stuck is not None,
        )
        self.lives.begin(key, life)

    def _first_base(self, key: Key, *, archive: bool) -> Base | None:
        return Base(self.base_path(key), utcnow()) if archive and self.plane is not None else None

    def base_path(self, key: Key) -> Path:
        """A new place for a snapshot's bytes."""
        assert self.plane is not None
        return self.plane.folder / "snapshots" / f"{self.server(key).replace(':', '_')}-{secrets.token_hex(4)}"

    def add_automated(self, backend: Any, instance: Any, base: Base | None, at: datetime | None = None) -> Any:
        """Put an automated snapshot into moto, with its bytes when there are any."""
        from moto.rds.models import DBSnapshot

        stamp = at or utcnow()
        identifier = f"rds:{instance.db_instance_identifier}-{stamp:%Y-%m-%d-%H-%M}"
        while identifier in backend.database_snapshots:
            identifier += "-1"
        snapshot = DBSnapshot(backend, instance, identifier, "automated")
        if at is not None:
            snapshot.created = snapshot.original_snapshot_create_time = at
        backend.database_snapshots[identifier] = snapshot
        if base is not None:
            self.bases[self.key(snapshot, "snapshot")] = base
        return snapshot

    def settings(self, backend: Any, instance: Any) -> dict[str, str]:
        """What the parameter group sets, for PostgreSQL: ``rds.…`` are the agent's own and stay outside."""
        group = backend.db_parameter_groups.get(instance.db_parameter_group_name or "")
        found = {}
        for name, parameter in (group.parameters if group else {}).items():
            if "." not in name and "ParameterValue" in parameter:
                found[name] = "'" + str(parameter["ParameterValue"]).replace("'", "''") + "'"
        return found

    # ---- changing -------------------------------------------------------------------------------------------------

    def change(self, instance: Any, word: str, work: Callable[[Plane, str], None] | None, final: str = "available") -> None:
        """Start a transition of an existing instance; the data plane's part is left out where no server is behind it."""
        key, plane = self.key(instance), self.plane
        future = (
            self.submit(key, lambda: work(plane, self.server(key))) if work and plane is not None and self.real(key) else None
        )

        def ended(error: BaseException | None) -> None:
            self.pending.pop(key, None)
            instance.status = final if error is None else "failed"

        self.lives.begin(key, Life(word=word, final=final, least=self.delays.get(word, 0.2), work=future, ended=ended))

    def begin_delete(self, backend: Any, instance: Any, *, keep_automated: bool) -> None:
        """The instance stays visible as ``deleting`` until its server is gone."""
        key, plane = self.key(instance), self.plane
        name = self.server(key)
        future = self.submit(key, lambda: plane.remove(name, archive=not keep_automated)) if plane is not None else None

        def ended(error: BaseException | None) -> None:
            backend.databases.pop(key[3], None)
            self.until.pop(key, None)
            mine = [s for s in backend.database_snapshots.values() if s.db_instance_identifier == key[3]]
            for snapshot in mine:
                if snapshot.snapshot_type == "automated" and not keep_automated:
                    self.forget_snapshot(backend, snapshot)

        life = Life(word="deleting", final="deleting", least=self.delays["deleting"], work=future, ended=ended)
        self.lives.begin(key, life)

    def forget_snapshot(self, backend: Any, snapshot: Any) -> None:
        """Take a snapshot out of moto and delete its bytes."""
        import shutil

        backend.database_snapshots.pop(snapshot.db_snapshot_identifier, None)
        base = self.bases.pop(self.key(snapshot, "snapshot"), None)
        if base is not None:
            self.submit(self.key(snapshot, "snapshot"), lambda: shutil.rmtree(base.path, ignore_errors=True))

    def begin_snapshot(self, snapshot: Any, instance: Any | None, copy_of: Base | None = None) -> None:
        """Start a snapshot's life: a base backup of its instance, or a copy of another's bytes."""
        key, plane, work = self.key(snapshot, "snapshot"), self.plane, None
        if plane is not None and copy_of is not None:
            base = Base(self.base_path(key), copy_of.began)
            work = self.submit(key, lambda: plane.copy_snapshot(copy_of.path, base.path))
            self.bases[key] = base
        elif plane is not None and instance is not None and self.real(self.key(instance)):
            base = Base(self.base_path(key), utcnow())
            name = self.server(self.key(instance))
            work = self.submit(self.key(instance), lambda: plane.snapshot(name, base.path))
            self.bases[key] = base

        def ended(error: BaseException | None) -> None:
            snapshot.status = "available" if error is None else "failed"

        life = Life(word="creating", final="available", least=self.delays["snapshot"], work=work, ended=ended)
        self.lives.begin(key, life)
        if instance is not None:
            self.lives.begin(
                self.key(instance),
                Life(word="backing-up", final="available", least=self.delays["backing-up"], work=work),
            )

    def restorable_until(self, instance: Any) -> datetime | None:
        """`LatestRestorableTime`: of the archive; planted; or now, for what is control plane only. None without backups."""
        key = self.key(instance)
        if not instance.backup_retention_period:
            return None
        if key in self.until:
            return self.until[key]
        if self.plane is not None and self.real(key):
            return self.plane.servers[self.server(key)].restorable_until
        return utcnow()

    def upload_all(self) -> None:
        """One round: applications write, and then every instance that keeps backups uploads its log."""
        if self.plane is not None:
            for name, server in list(self.plane.servers.items()):
                try:
                    if name in self.beats and self.plane.running(name):
                        postgres.execute(server.cluster, *self.beats[name])
                    self.plane.upload(name)
                except Exception:  # it is being stopped or deleted: the next round sees what is left
                    continue

    def set_quota(self, **quotas: int) -> None:
        """Change quotas; moto reads the one for snapshots from the environment."""
        self.quotas |= quotas
        os.environ["MOTO_RDS_SNAPSHOT_LIMIT"] = str(self.quotas["snapshots"])
