"""What a cloud must fill for recovery. Adapters translate; retries, deadlines, thresholds and arithmetic live elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from include.catalog.model import Datastore
from include.recovery.model import Access, Check, Discovery, Inspection, Lease, Owned, PlanItem, RecoveryPoint, Sandbox, Survey


class Unsupported(Exception):
    """A capability that this cloud lacks. Shown as `unsupported`, never skipped in silence."""


class Transient(Exception):
    """The control plane could not answer now (throttled, down, timed out). The action is unknown, not failed: look again."""


class BackupSource(Protocol):
    """Reads recovery points. Never writes, except under `spoil`'s own scratch."""

    def survey(self, datastores: Mapping[str, Datastore], now: datetime) -> Survey:
        """One batched look at the datastores (by id) of one account and region. Calls grow with pages, not datastores.

        One unreadable datastore must not hide the others: it goes to `Survey.unreadable`.
        """
        ...

    def inspect(self, datastore: Datastore, point: RecoveryPoint, cursor: Mapping[str, Any] | None, *, full: bool) -> Inspection:
        """A deep look at one point: manifest, log continuity, store. `cursor` is the last look's; `full` ignores it."""
        ...

    def spoil(self, datastore: Datastore, point: RecoveryPoint) -> AbstractContextManager[RecoveryPoint]:
        """A known-bad version of a good point, for the canary; removed on exit. The original is not touched."""
        ...

    def discover(self, datastores: Mapping[str, Datastore]) -> Discovery:
        """What is there and not among the catalogued datastores (by id).

        A server, project or region that does not answer hides no other: it goes to `Discovery.unreadable`.
        """
        ...


class DatabaseRestore(Protocol):
    """Makes, watches and ends sandboxes. Every call returns at once; every call may be repeated.

    A sandbox is found by its derived name, so a retry re-attaches to what an earlier try started.
    """

    def preflight(self, datastore: Datastore, point: RecoveryPoint, item: PlanItem) -> Sequence[Check]:
        """Permissions, space, versions, keys, isolation: what would make the restore fail or be unsafe. Creates nothing."""
        ...

    def find(self, name: str, datastore: Datastore, drill_id: str | None = None) -> Sandbox | None:
        """The sandbox of that name, or None. Raises Transient when it cannot be known.

        `drill_id` is given when the drill itself looks. A cloud that cannot mark what it restores when it makes it sets the
        lease's mark at that look, and does not call the sandbox ready before.
        """
        ...

    def create(self, datastore: Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Sandbox:
        """Start the restore and mark what is made with the lease. Repeating it finds what is there."""
        ...

    def secure(self, name: str, datastore: Datastore, secret: str) -> Sequence[Check]:
        """Rotate passwords, disable logins, cut every way out, before the first connection. One check a measure.

        `secret` seeds the passwords (HMAC over sandbox name and role), so no password is stored anywhere. Raises Transient
        while the cloud is still at it: what was asked for is not asked again, so call it again until it answers.
        """
        ...

    def access(self, name: str, datastore: Datastore, secret: str) -> Access:
        """How to connect to a secured sandbox."""
        ...

    def discard(self, name: str, datastore: Datastore, lease: Lease) -> None:
        """Ask for its end. Refuses, with an error, what does not carry the lease's mark. Repeating it is harmless."""
        ...

    def inventory(self, datastores: Sequence[Datastore]) -> Sequence[Owned]:
        """Everything that carries our mark where these datastores' sandboxes are made."""
        ...


class CloudRoom(Protocol):
    """What `include.clouds.room` gives: the module of one cloud.

    `clients` comes from the plugin (hooks) or from `include.connections` (no Airflow); `settings` is the cloud's part of
    platform.yaml, validated by the model `SETTINGS` of the room's module ``settings``.
    """

    CONNECTION_TYPE: str

    def backup_source(self, clients: Any, settings: Any) -> BackupSource: ...

    def database_restore(self, clients: Any, settings: Any) -> DatabaseRestore: ...

    def elsewhere(self, datastore: Datastore, region: str, domain: str) -> Datastore:
        """The datastore as it stands when only its backups in another failure domain are left: restored in `region`.

        Raises Unsupported when it cannot be restored from there.
        """
        ...

    def places(self, datastore: Datastore, domain: str) -> Mapping[str, Sequence[str]]:
        """The folders that its backups lie in, by failure domain (`domain` is its own); empty when a cloud keeps them,
        which is asked over the network."""
        ...
