"""Sandboxes on Cloud SQL, in a project and a network of their own.

A point in time is a clone; a backup run is restored into a new instance. A clone cannot be marked when it is made: the first
look that finds it running sets the lease's mark, takes its deletion protection and its backups away, and until then it is
not called ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from include.catalog import model
from include.clouds.google import preflight
from include.clouds.google.clients import Google
from include.clouds.google.instances import STATES, Instances, address, cloned, harmless_settings, judge, mark_of
from include.clouds.google.settings import Sandboxes
from include.clouds.google.source import own
from include.clouds.managed import check_mark, entrance, foreign, judged, let_in, secured, started
from include.recovery.contracts import Transient
from include.recovery.harmless import ADMIN
from include.recovery.model import Access, Check, Lease, Owned, PlanItem, RecoveryPoint, Sandbox, Status

_VENDOR_ROLES = (
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlreplica",
    "cloudsqlimportexport",
    "cloudsqllogical",
    "cloudsqlobservability",
)
_VENDOR_DATABASES = ("cloudsqladmin",)


class CloudSqlRestore:
    """Sandbox instances."""

    def __init__(self, google: Google, settings: Sandboxes) -> None:
        self._google, self._settings = google, settings
        self._instances, self._api = Instances(google, settings), google.sql.instances()

    def preflight(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem) -> Sequence[Check]:
        """The sandbox is apart from production, and the point reaches the target."""
        return preflight.checks(self._google, self._settings, own(datastore), point, item.target)

    def find(self, name: str, datastore: model.Datastore, drill_id: str | None = None) -> Sandbox | None:
        """The sandbox of that name, or None. When its drill looks, a running clone without a mark gets it now."""
        del datastore
        instance = self._instances.live(name)
        if instance is None:
            return None
        marked, history = mark_of(instance), self._instances.history(instance["name"])
        if marked is None and not cloned(history):
            return foreign(name)
        status, detail, phases = judge(instance["state"], history)
        if status is Status.SUCCEEDED and marked is None:
            status, detail = Status.RUNNING, "restored, and not marked with its lease yet"
            if drill_id is not None:
                self._instances.mark(instance["name"], drill_id)
        return Sandbox(name=name, status=status, detail=detail, phases=phases, lease_id=marked)

    def create(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Sandbox:
        """Start a clone or a restore. Repeating it finds what is there; a name that is still reserved gives way to the next."""

        def start(name: str) -> object:
            return self._google.call(self._order(datastore, point, item, lease, name))

        return started(lease, lambda: self.find(lease.sandbox, datastore, lease.lease_id), start)

    def _order(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease, name: str) -> Any:
        mine, ours = own(datastore), self._settings
        carried = point.facts["rolls"] and point.restorable_until > point.taken_at
        if item.target.point_id is None and carried:
            to = item.target.time or max(point.restorable_until, datetime.fromisoformat(point.facts["ended_at"]))
            clone = {
                "destinationInstanceName": name,
                "destinationProject": ours.project,
                "destinationNetwork": ours.network,
                "pointInTime": to.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
            return self._api.clone(project=mine.project, instance=mine.instance, body={"cloneContext": clone})
        body = {
            "restoreBackupContext": {"backupRunId": point.id, "instanceId": mine.instance, "project": mine.project},
            "restoreInstanceSettings": {
                "region": ours.region_for(mine.region),
                "settings": {
                    **harmless_settings(lease.lease_id),
                    **({"tier": ours.tier} if ours.tier else {}),
                    "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": ours.network},
                },
            },
        }
        return self._api.restoreBackup(project=ours.project, instance=name, body=body)

    def secure(self, name: str, datastore: model.Datastore, secret: str) -> Sequence[Check]:
        """An administrator of ours by Google's API, and the rest by SQL. Repeating it gives the same passwords."""
        instance = self._instances.ready(name)
        access = self._entrance(name, instance, datastore, secret)
        users, named = self._google.sql.users(), {"project": self._settings.project, "instance": instance["name"]}
        there = {one["name"] for one in self._google.call(users.list(**named)).get("items", ())}
        body = {"name": ADMIN, "password": access.admin_password}
        asked = users.update(**named, name=ADMIN, body=body) if ADMIN in there else users.insert(**named, body=body)
        self._instances.finish(self._google.call(asked))
        public, settings = address(instance, "PRIMARY"), instance["settings"]
        network, wanted = str(settings["ipConfiguration"].get("privateNetwork")), self._settings.network
        kept = "on" if settings.get("deletionProtectionEnabled") else "off"
        return [
            fits("no-public-address", public or "none", "none", "the sandbox has a public address: discard it"),
            fits("private-network", network, wanted, "the sandbox is in another network: discard it"),
            fits("deletion-protection", kept, "off", "the sandbox is protected against deletion: it would outlive its lease"),
            *secured(access, _VENDOR_ROLES, _VENDOR_DATABASES),
        ]

    def access(self, name: str, datastore: model.Datastore, secret: str) -> Access:
        return let_in(self._entrance(name, self._instances.ready(name), datastore, secret))

    def discard(self, name: str, datastore: model.Datastore, lease: Lease) -> None:
        """Delete it and wait until it is gone. Raises PermissionError for what does not carry the lease's mark, Transient
        when it is not gone within `patience`."""
        del datastore
        instance = self._instances.live(name)
        if instance is None:
            return
        history = self._instances.history(instance["name"])
        young = datetime.fromisoformat(instance["createTime"]) >= lease.opened_at
        if mark_of(instance) is not None or not (young and cloned(history) and name == lease.sandbox):
            # Only a clone that nobody could mark yet is known by its name, its making and its time alone.
            check_mark(instance["name"], mark_of(instance), lease)
        self._instances.settle(instance["name"])
        if instance["settings"].get("deletionProtectionEnabled"):
            self._instances.finish(self._instances.mark(instance["name"], lease.lease_id))
        self._instances.delete(instance["name"])

    def inventory(self, datastores: Sequence[model.Datastore]) -> Sequence[Owned]:
        """Every marked instance of the sandboxes' project, and clones with a name of ours that nobody marked."""
        del datastores
        found = []
        for one in self._instances.every():
            lease_id = mark_of(one)
            if lease_id is not None or self._is_forgotten(one):
                made = datetime.fromisoformat(one["createTime"])
                place = {"name": one["name"], "cloud": "google", "region": one["region"], "kind": "instance"}
                found.append(Owned(**place, lease_id=lease_id or "", created_at=made))
        return found

    def _is_forgotten(self, instance: dict[str, Any]) -> bool:
        """A finished clone with a name of ours and without a mark."""
        if not str(instance["name"]).startswith("dy-") or STATES[instance["state"]] is Status.RUNNING:
            return False
        return cloned(self._instances.history(instance["name"]))

    def _entrance(self, name: str, instance: dict[str, Any], datastore: model.Datastore, secret: str) -> Access:
        host = address(instance, "PRIVATE")
        if host is None:
            raise Transient(f"{name} has no private address yet")
        return entrance(name, host, self._settings.port, datastore.database, secret)


def fits(name: str, measured: str, wanted: str, detail: str) -> Check:
    """A check that the sandbox is as it must be."""
    return judged(name, "harmless", measured == wanted, measured=measured, threshold=wanted, detail=detail)
