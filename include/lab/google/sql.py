"""Cloud SQL for PostgreSQL: instances, clones, restores, users and databases, with real servers behind them.

State rules that the schemas do not tell, and where they come from: an instance's name stays reserved for a week after its
deletion (Cloud SQL, "Delete instances"); one operation at a time an instance (error ``operationInProgress``); deletion
protection refuses ``delete`` (Cloud SQL, "Prevent deletion"); a clone at a point in time needs point-in-time recovery
(Cloud SQL, "Perform point-in-time recovery"); ``activationPolicy`` NEVER stops it, its state stays RUNNABLE
("Start, stop, and restart instances"); a restore's ``restoreInstanceSettings`` only makes new instances (schema).
A list leaves out the instances of a region that does not answer and warns of it
(``InstancesListResponse.warnings``, REGION_UNREACHABLE), and a project's backup runs are listed with ``-`` all the same
(Cloud SQL, "Restore an instance", restoring to another region during an outage).
That a clone carries its source's labels and protection with it is assumed: it is the harder case.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from include.lab.google.operations import Operations, stamp
from include.lab.google.plane import Refused, Request, Serve
from include.lab.managed import ManagedPlane
from include.values import utcnow

Key = tuple[str, str]
"""(project, instance)"""
GROUP = "cloudsqlsuperuser"
_DEFAULTS = {"activationPolicy": "ALWAYS", "tier": "db-custom-1-3840", "edition": "ENTERPRISE", "availabilityType": "ZONAL"}


def page(rows: list[dict[str, Any]], request: Request, least: int, most: int, size: str = "maxResults") -> dict[str, Any]:
    """One page of a listing, with ``nextPageToken`` when there is another."""
    limit = min(int(request.query(size) or least), most)
    start = int(request.query("pageToken") or 0)
    told: dict[str, Any] = {"items": rows[start : start + limit]}
    if start + limit < len(rows):
        told["nextPageToken"] = str(start + limit)
    return told


class CloudSql:
    """The instances of all projects. `plane` None: control plane only, for benchmarks."""

    def __init__(self, plane: ManagedPlane | None, operations: Operations) -> None:
        self.plane, self.operations = plane, operations
        self.lock = threading.RLock()
        self.instances: dict[Key, dict[str, Any]] = {}
        self.runs: dict[Key, list[dict[str, Any]]] = {}
        """Backup runs of each instance, oldest first."""
        self.reserved: set[Key] = set()
        self.lost: set[str] = set()
        """Regions that do not answer."""

    def methods(self) -> dict[str, Serve]:
        return {
            "sql.instances.insert": self.insert,
            "sql.instances.get": lambda request: self.shown(self.found(request)),
            "sql.instances.list": self.list,
            "sql.instances.patch": self.patch,
            "sql.instances.delete": self.delete,
            "sql.instances.clone": self.clone,
            "sql.instances.restoreBackup": self.restore_backup,
            "sql.operations.get": lambda r: self.operations.get(r.variables["project"], r.variables["operation"]),
            "sql.operations.list": self.list_operations,
        }

    # ---- instances -----------------------------------------------------------------------------------------------

    def key(self, request: Request) -> Key:
        return request.variables["project"], request.variables["instance"]

    def found(self, request: Request) -> Key:
        """The key of a request's instance. Raises Refused 404."""
        with self.lock:
            if self.key(request) not in self.instances:
                raise Refused(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")
            self.reach(self.instances[self.key(request)]["region"])
        return self.key(request)

    def reach(self, region: str) -> None:
        """Raises Refused 503 for a region that is lost."""
        if region in self.lost:
            raise Refused(503, f"The region {region} cannot be reached.")

    def shown(self, key: Key) -> dict[str, Any]:
        with self.lock:
            return copy.deepcopy(self.instances[key])

    def server(self, key: Key) -> str:
        """The data plane's name for an instance."""
        return "-".join(key)

    def new(self, key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
        """Note a new instance. Raises Refused 409 when its name is taken or still reserved, 400 without any network."""
        settings = {**_DEFAULTS, **copy.deepcopy(body.get("settings", {}))}
        network = settings.setdefault("ipConfiguration", {"ipv4Enabled": True})
        if not network.get("ipv4Enabled") and not network.get("privateNetwork"):
            raise Refused(400, "Invalid request: At least one of Public IP or Private IP or PSC connectivity must be enabled.")
        region = body.get("region", "europe-west1")
        if "-" not in region:
            raise Refused(400, f"Invalid request: Invalid value for region: {region}.")
        self.reach(region)
        with self.lock:
            if key in self.instances or key in self.reserved:
                raise Refused(
                    409, "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the "
                    "deleted instance until one week from the deletion date.", "instanceAlreadyExists",
                )  # fmt: skip
            self.instances[key] = {
                "kind": "sql#instance",
                "name": key[1],
                "project": key[0],
                "region": region,
                "databaseVersion": body.get("databaseVersion", "POSTGRES_18"),
                "connectionName": f"{key[0]}:{region}:{key[1]}",
                "instanceType": "CLOUD_SQL_INSTANCE",
                "backendType": "SECOND_GEN",
                "createTime": stamp(),
                "state": "PENDING_CREATE",
                "settings": settings,
                **{name: body[name] for name in ("diskEncryptionConfiguration",) if name in body},
            }
            return self.instances[key]

    def ready(self, key: Key) -> None:
        """An instance's server runs: give it its addresses."""
        with self.lock:
            instance = self.instances[key]
            instance["state"] = "RUNNABLE"
            network = instance["settings"]["ipConfiguration"]
            host = self.plane.host(self.server(key)) if self.plane else "127.0.0.1"
            kinds = [("PRIVATE", network.get("privateNetwork")), ("PRIMARY", network.get("ipv4Enabled"))]
            instance["ipAddresses"] = [{"type": kind, "ipAddress": host} for kind, wanted in kinds if wanted]

    def begin(self, key: Key, kind: str, work: Callable[[], None], target: Key | None = None) -> dict[str, Any]:
        """An operation that ends with a runnable instance, or with a FAILED one when its work fails."""

        def run() -> None:
            try:
                work()
            except Exception:
                with self.lock:
                    self.instances[target or key]["state"] = "FAILED"
                raise
            self.ready(target or key)

        return self.operations.start(*(target or key), kind, run)

    def archived(self, key: Key) -> bool:
        """Whether an instance keeps its log for point-in-time recovery."""
        backups = self.instances[key]["settings"].get("backupConfiguration", {})
        return bool(backups.get("enabled") and backups.get("pointInTimeRecoveryEnabled"))

    def insert(self, request: Request) -> dict[str, Any]:
        key = (request.variables["project"], request.body.get("name", ""))
        self.new(key, request.body)

        def work() -> None:
            if self.plane:
                master = {"master": "platform", "password": request.body.get("rootPassword", "unset")}
                self.plane.make(self.server(key), {}, **master, database=None, archive=self.archived(key))

        return self.begin(key, "CREATE", work)

    def list(self, request: Request) -> dict[str, Any]:
        with self.lock:
            rows = [one for (project, _), one in sorted(self.instances.items()) if project == request.variables["project"]]
        for term in request.query("filter").split():
            rows = [row for row in rows if _matches(row, term)]
        rows = [row for row in rows if row["region"] not in self.lost]
        told = {"kind": "sql#instancesList", **page(copy.deepcopy(rows), request, 500, 1000)}
        silent = {"code": "REGION_UNREACHABLE", "message": "The region cannot be reached."}
        return {**told, **({"warnings": [{**silent, "region": one} for one in sorted(self.lost)]} if self.lost else {})}

    def patch(self, request: Request) -> dict[str, Any]:
        key = self.found(request)
        policy = request.body.get("settings", {}).get("activationPolicy")
        if policy == "NEVER" and self.instances[key]["instanceType"] == "READ_REPLICA_INSTANCE":
            raise Refused(400, "Invalid request: a read replica cannot be stopped.", "invalid")

        def work() -> None:
            self._power(key, policy)
            with self.lock:
                _merge(self.instances[key], {name: value for name, value in request.body.items() if name == "settings"})

        return self.operations.start(*key, "UPDATE", work)

    def _power(self, key: Key, policy: str | None) -> None:
        """Stop or start the server behind an instance (Cloud SQL, "Start, stop, and restart instances")."""
        server = self.server(key)
        if policy is None or self.plane is None or server not in self.plane.servers:
            return
        if policy == "NEVER" and self.plane.running(server):
            self.plane.stop(server)
        elif policy == "ALWAYS" and not self.plane.running(server):
            self.plane.start(server)

    def delete(self, request: Request) -> dict[str, Any]:
        key = self.found(request)
        if self.instances[key]["settings"].get("deletionProtectionEnabled"):
            raise Refused(400, "The instance is protected. Please disable the deletion protection and try again.")

        def work() -> None:
            if self.plane:
                self.plane.remove(self.server(key))
            with self.lock:
                self.instances.pop(key, None)
                self.reserved.add(key)

        return self.operations.start(*key, "DELETE", work)

    # ---- restores ------------------------------------------------------------------------------------------------

    def clone(self, request: Request) -> dict[str, Any]:
        source, context = self.found(request), request.body.get("cloneContext", {})
        target = (context.get("destinationProject", source[0]), context.get("destinationInstanceName", ""))
        wanted = context.get("pointInTime")
        to = datetime.fromisoformat(wanted) if wanted else None
        body = self.shown(source)
        if to is not None:
            self._check_time(source, to)
        if target[0] != source[0]:
            if not context.get("destinationNetwork"):
                raise Refused(400, "Invalid request: destinationNetwork is required for cross-project cloning.")
            body["settings"]["ipConfiguration"] = {"ipv4Enabled": False, "privateNetwork": context["destinationNetwork"]}
        self.new(target, body)
        return self.begin(source, "CLONE", lambda: self._roll(source, target, to), target)

    def _check_time(self, source: Key, to: datetime) -> None:
        latest = self.latest(source)
        if not self.archived(source) or latest is None:
            raise Refused(400, "Invalid request: point-in-time recovery is not enabled for this instance.")
        if not any(datetime.fromisoformat(run["endTime"]) <= to for run in self.runs.get(source, [])) or to > utcnow():
            raise Refused(400, f"Invalid request: {to.isoformat()} is not within the recovery window.")

    def latest(self, key: Key) -> datetime | None:
        """Everything before this instant can be recovered."""
        server = self.plane.servers.get(self.server(key)) if self.plane else None
        return server.restorable_until if server else utcnow() if self.archived(key) else None

    def _roll(self, source: Key, target: Key, to: datetime | None) -> None:
        if self.plane is None:
            return
        runs = [run for run in self.runs.get(source, []) if to is None or datetime.fromisoformat(run["endTime"]) <= to]
        base = self.bytes_of(source, runs[-1]["id"])
        self.plane.roll(self.server(target), base, self.server(source), to, {}, archive=False)

    def bytes_of(self, key: Key, run: str) -> Any:
        """Where the bytes of a backup run lie."""
        assert self.plane is not None
        return self.plane.folder / "snapshots" / f"{self.server(key)}-{run}"

    def restore_backup(self, request: Request) -> dict[str, Any]:
        key, context = self.key(request), request.body.get("restoreBackupContext", {})
        source = (context.get("project", key[0]), context.get("instanceId", ""))
        if context.get("backupRunId") not in {run["id"] for run in self.runs.get(source, [])}:
            raise Refused(404, "The backup run does not exist.", "backupRunDoesNotExist")
        if next(run for run in self.runs[source] if run["id"] == context["backupRunId"])["location"] in self.lost:
            raise Refused(503, "The backup cannot be reached.")
        if key in self.instances:
            raise Refused(
                501, "restoring over an existing instance is not done here: drills only make new ones", "notImplemented"
            )
        overrides = request.body.get("restoreInstanceSettings", {})
        self.new(key, {**self.shown(source), **overrides})

        def work() -> None:
            if self.plane:
                self.plane.restore(self.server(key), self.bytes_of(source, context["backupRunId"]), {}, archive=False)

        return self.begin(key, "RESTORE_VOLUME", work)

    def lose(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"region", "on"}``: a region burns with its instances, or is back. Backups that lie elsewhere stay."""
        region, on = str(given["region"]), bool(given.get("on", True))
        with self.lock:
            (self.lost.add if on else self.lost.discard)(region)
            there = [self.server(key) for key, one in self.instances.items() if one["region"] == region]
        if self.plane:
            for server in there:
                (self.plane.stop if on else self.plane.start)(server)
        return {"lost": sorted(self.lost)}

    def list_operations(self, request: Request) -> dict[str, Any]:
        rows = self.operations.history(request.variables["project"], request.query("instance"))
        return {"kind": "sql#operationsList", **page(rows, request, 100, 100)}


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """PATCH as Google does it: objects are merged, lists and values replaced."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)


def _matches(row: dict[str, Any], term: str) -> bool:
    """One ``field:value`` of a filter; the field may be nested, ``*`` stands for any value."""
    path, _, wanted = term.partition(":")
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value is not None and wanted in ("*", str(value))
