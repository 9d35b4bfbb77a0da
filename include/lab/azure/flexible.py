"""Azure Database for PostgreSQL Flexible Server: servers, restores and databases, with real servers behind them.

State rules that the models do not tell, and where they come from: a server's name is unique in the whole cloud and stays
reserved after its deletion (Azure, "Resource naming", "Drop and restore servers"); PUT and PATCH answer 202 (SDK); a restore
always makes a new server, a geo-restore only in the paired region and only with geo-redundant backups (Azure, "Backup and
restore"); the administrator and its password come with the data (same page). A region that does not answer
(assumed, the harder case): its servers are in no list, whoever asks for one gets 503, and a geo-restore of one works.
That a server whose making failed is gone, and
that its name is then reserved as well, is assumed: it is the harder case.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from azure.mgmt.postgresqlflexibleservers import models

from include.lab.azure.arm import ArmPlane, Refused, Request, Serve
from include.lab.azure.contract import check
from include.lab.double import Answer
from include.lab.managed import ManagedPlane
from include.values import utcnow

PROVIDER = "Microsoft.DBforPostgreSQL"
GROUP = "azure_pg_admin"
PAIRS = {"westeurope": "northeurope", "northeurope": "westeurope"}
"""Azure's region pairs that the lab knows."""
PAGE = 200
_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]$")
_FIRST_STATE = {"PointInTimeRestore": "Provisioning", "GeoRestore": "Provisioning"}


def path_of(subscription: str, group: str, name: str) -> str:
    """A server's resource id."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{PROVIDER}/flexibleServers/{name}"


def page(rows: list[dict[str, Any]], model: Any, request: Request) -> Answer:
    """One page of a listing, each item held against its model, with ``nextLink`` when there is another."""
    start = int(request.call.one("$skiptoken") or 0)
    chosen = rows[start : start + PAGE]
    for row in chosen:
        check(model, row, "read")
    told: dict[str, Any] = {"value": chosen}
    if start + PAGE < len(rows):
        asked = {name: values[-1] for name, values in request.call.query.items()} | {"$skiptoken": str(start + PAGE)}
        told["nextLink"] = f"http://{request.call.headers['host']}{request.call.path}?{urlencode(asked)}"
    return Answer(200, told)


class FlexibleServers:
    """Every server of every subscription, by name: names are global."""

    def __init__(self, arm: ArmPlane, plane: ManagedPlane | None) -> None:
        self.arm, self.plane = arm, plane
        self.lock = threading.RLock()
        self.servers: dict[str, dict[str, Any]] = {}
        self.backups: dict[str, list[dict[str, Any]]] = {}
        """Of each server, oldest first; they outlive it here."""
        self.reserved: set[str] = set()
        self.lost: set[str] = set()
        """Regions that do not answer."""

    def calls(self) -> dict[str, Serve]:
        return {
            "servers_get": lambda request: self.shown(self.found(request)),
            "servers_create_or_update": self.put,
            "servers_update": self.patch,
            "servers_delete": self.delete,
            "servers_stop": lambda request: self.turn(request, "Ready", "Stopping", "Stopped"),
            "servers_start": lambda request: self.turn(request, "Stopped", "Starting", "Ready"),
            "servers_list_by_resource_group": self.list,
            "servers_list_by_subscription": self.list,
            "databases_list_by_server": self.list_databases,
            "databases_get": self.get_database,
            "databases_create": self.create_database,
            "name_availability_check_globally": self.check_name,
        }

    def found(self, request: Request) -> str:
        """The name of a request's server. Raises Refused 404."""
        name = request.variables["serverName"].lower()
        wanted = path_of(request.variables["subscriptionId"], request.variables["resourceGroupName"], name)
        with self.lock:
            if name not in self.servers or self.servers[name]["id"].lower() != wanted.lower():
                raise Refused(404, f"The Resource '{PROVIDER}/flexibleServers/{name}' was not found.")
            self.reach(self.servers[name]["location"])
        return name

    def reach(self, region: str) -> None:
        """Raises Refused 503 for a region that is lost."""
        if region in self.lost:
            raise Refused(503, f"The service in {region} is unavailable.")

    def lose(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"region", "on"}``: a region burns with its servers, or is back. The copies in its pair stay."""
        region, on = str(given["region"]), bool(given.get("on", True))
        with self.lock:
            (self.lost.add if on else self.lost.discard)(region)
            there = [name for name, one in self.servers.items() if one["location"] == region]
        if self.plane:
            for name in there:
                (self.plane.stop if on else self.plane.start)(name)
        return {"lost": sorted(self.lost)}

    def shown(self, name: str) -> Answer:
        with self.lock:
            told = copy.deepcopy(self.servers[name])
        check(models.Server, told, "read")
        return Answer(200, told)

    def list(self, request: Request) -> Answer:
        subscription, group = request.variables["subscriptionId"], request.variables.get("resourceGroupName")
        prefix = f"/subscriptions/{subscription}/" + (f"resourceGroups/{group}/" if group else "")
        with self.lock:
            mine = [one for _, one in sorted(self.servers.items()) if one["id"].lower().startswith(prefix.lower())]
            rows = [copy.deepcopy(one) for one in mine if one["location"] not in self.lost]
        return page(rows, models.Server, request)

    def taken(self, name: str) -> bool:
        with self.lock:
            return name in self.servers or name in self.reserved

    def check_name(self, request: Request) -> Answer:
        check(models.CheckNameAvailabilityRequest, request.body, "create")
        name = str(request.body.get("name", ""))
        told: dict[str, Any] = {"nameAvailable": not self.taken(name), "name": name, "type": f"{PROVIDER}/flexibleServers"}
        if self.taken(name):
            told |= {"reason": "AlreadyExists", "message": "Specified server name is already used."}
        check(models.NameAvailabilityModel, told, "read")
        return Answer(200, told)

    # ---- making servers ------------------------------------------------------------------------------------------

    def put(self, request: Request) -> Answer:
        check(models.Server, request.body, "create")
        name, properties = request.variables["serverName"].lower(), request.body.get("properties", {})
        if not _NAME.match(name):
            raise Refused(400, f"'{name}' is no server name: 3 to 63 of a-z, 0-9 and dashes", "InvalidServerName")
        mode = properties.get("createMode", "Default")
        work = self._restore(name, request, mode) if mode in _FIRST_STATE else self._create(name, request)
        location = self.servers[name]["location"]
        return self.arm.begin(request, (PROVIDER, location, name), lambda: self._make(name, work))

    def _note(self, name: str, request: Request, properties: Mapping[str, Any], location: str) -> None:
        """A new server. Raises Refused 409 when its name is taken anywhere."""
        self.reach(location)
        with self.lock:
            if self.taken(name):
                raise Refused(409, f"Specified server name '{name}' is already used.", "ServerNameAlreadyExists")
            given = request.body.get("properties", {})
            network = dict(given.get("network", {}))
            network["publicNetworkAccess"] = (
                "Disabled" if "delegatedSubnetResourceId" in network else network.get("publicNetworkAccess", "Enabled")
            )
            backup = {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled", **given.get("backup", {})}
            self.servers[name] = {
                "id": path_of(request.variables["subscriptionId"], request.variables["resourceGroupName"], name),
                "name": name,
                "type": f"{PROVIDER}/flexibleServers",
                "location": location,
                "tags": dict(request.body.get("tags", {})),
                "sku": request.body.get("sku", {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}),
                "properties": {
                    **{
                        k: v for k, v in properties.items() if k in ("version", "administratorLogin", "storage", "dataEncryption")
                    },
                    **{k: v for k, v in given.items() if k in ("sourceServerResourceId",)},
                    "state": "Provisioning",
                    "backup": {**backup, "earliestRestoreDate": written(utcnow())},
                    "network": network,
                    "highAvailability": {"mode": "ZoneRedundant", "state": "NotEnabled"},
                },
            }

    def _create(self, name: str, request: Request) -> Callable[[], None]:
        properties = request.body.get("properties", {})
        if not properties.get("administratorLogin") or not properties.get("administratorLoginPassword"):
            raise Refused(400, "administratorLogin and administratorLoginPassword are required", "InvalidParameterValue")
        self._note(name, request, {"version": "18", **properties}, str(request.body.get("location", "westeurope")))
        login, password = properties["administratorLogin"], properties["administratorLoginPassword"]

        def work() -> None:
            if self.plane:
                self.plane.make(name, {}, master=login, password=password, database=None, archive=True)

        return work

    def _restore(self, name: str, request: Request, mode: str) -> Callable[[], None]:
        given = request.body.get("properties", {})
        source = str(given.get("sourceServerResourceId", "")).rsplit("/", 1)[-1].lower()
        if source not in self.servers:
            raise Refused(400, f"source server {source!r} does not exist", "SourceServerNotFound")
        original, done = self.servers[source], self.backups.get(source, [])
        location = str(request.body.get("location", original["location"]))
        wanted = given.get("pointInTimeUTC")
        to = datetime.fromisoformat(wanted) if wanted else None
        if mode == "GeoRestore":
            if original["properties"]["backup"]["geoRedundantBackup"] != "Enabled":
                raise Refused(400, "the source has no geo-redundant backup", "GeoBackupNotEnabled")
            if location != PAIRS.get(original["location"]):
                raise Refused(400, f"{location} is not the paired region of {original['location']}", "InvalidGeoRestoreLocation")
        elif location != original["location"] or to is None:
            raise Refused(400, "a point-in-time restore needs pointInTimeUTC and the source's location", "InvalidParameterValue")
        usable = [one for one in done if to is None or datetime.fromisoformat(one["properties"]["completedTime"]) <= to]
        if not usable or (to is not None and to > utcnow()):
            raise Refused(400, f"{wanted} is not within the source's restore window", "InvalidPointInTime")
        self._note(name, request, original["properties"], location)

        def work() -> None:
            if self.plane:
                self.plane.roll(name, self.bytes_of(source, usable[-1]["name"]), source, to, {}, archive=False)

        return work

    def bytes_of(self, server: str, backup: str) -> Any:
        """Where the bytes of a backup lie."""
        assert self.plane is not None
        return self.plane.folder / "snapshots" / f"{server}-{backup}"

    def _make(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            self._forget(name)
            raise
        with self.lock:
            properties = self.servers[name]["properties"]
            properties["state"] = "Ready"
            # The double gives an address in place of a name: nothing here resolves names.
            properties["fullyQualifiedDomainName"] = self.plane.host(name) if self.plane else "127.0.0.1"

    def _forget(self, name: str) -> None:
        if self.plane:
            self.plane.remove(name)
        with self.lock:
            self.servers.pop(name, None)
            self.reserved.add(name)

    # ---- what happens to one -------------------------------------------------------------------------------------

    def patch(self, request: Request) -> Answer:
        check(models.ServerForPatch, request.body, "update")
        name, given = self._idle(request), request.body.get("properties", {})

        def work() -> None:
            password = given.get("administratorLoginPassword")
            login = self.servers[name]["properties"].get("administratorLogin")
            if password and self.plane:
                self.plane.set_password(name, login, password)
                self.plane.adopt(name, login)
            with self.lock:
                self.servers[name]["tags"].update(request.body.get("tags", {}))
                for part in ("backup", "network"):
                    self.servers[name]["properties"][part].update(given.get(part, {}))
                self.servers[name]["properties"]["state"] = "Ready"

        self.servers[name]["properties"]["state"] = "Updating"
        return self.arm.begin(request, (PROVIDER, self.servers[name]["location"], name), work)

    def turn(self, request: Request, of: str, word: str, final: str) -> Answer:
        """Stop and start (Azure, "Stop/Start an Azure Database for PostgreSQL flexible server"); of another state: 409."""
        name = self.found(request)
        with self.lock:
            properties = self.servers[name]["properties"]
            if properties["state"] != of:
                raise Refused(409, f"Server {name} is {properties['state']}, not {of}.", "ServerIsBusy")
            properties["state"] = word

        def work() -> None:
            if self.plane and name in self.plane.servers:
                (self.plane.stop if final == "Stopped" else self.plane.start)(name)
            with self.lock:
                properties["state"] = final

        return self.arm.begin(request, (PROVIDER, self.servers[name]["location"], name), work)

    def _idle(self, request: Request) -> str:
        """The server of a request. Raises Refused 409 while something is under way."""
        name = self.found(request)
        state = self.servers[name]["properties"]["state"]
        if state not in ("Ready", "Stopped"):
            raise Refused(409, f"Server {name} is busy processing another operation ({state}).", "ServerIsBusy")
        return name

    def delete(self, request: Request) -> Answer:
        try:
            name = self._idle(request)
        except Refused as refused:
            if refused.status == 404:
                return Answer(204)
            raise
        self.servers[name]["properties"]["state"] = "Dropping"
        return self.arm.begin(request, (PROVIDER, self.servers[name]["location"], name), lambda: self._forget(name))

    def list_databases(self, request: Request) -> Answer:
        name = self.found(request)
        names = self.plane.databases(name) if self.plane else []
        return page([{"name": one, "type": f"{PROVIDER}/flexibleServers/databases"} for one in names], models.Database, request)

    def get_database(self, request: Request) -> Answer:
        name, wanted = self.found(request), request.variables["databaseName"]
        if self.plane is None or wanted not in self.plane.databases(name):
            raise Refused(404, f"database {wanted} was not found on {name}")
        told = {"name": wanted, "type": f"{PROVIDER}/flexibleServers/databases"}
        check(models.Database, told, "read")
        return Answer(200, told)

    def create_database(self, request: Request) -> Answer:
        check(models.Database, request.body, "create")
        name, database = self._idle(request), request.variables["databaseName"]

        def work() -> None:
            if self.plane:
                self.plane.sql(name, "postgres", f'CREATE DATABASE "{database}"')

        return self.arm.begin(request, (PROVIDER, self.servers[name]["location"], name), work)


def written(at: datetime) -> str:
    """An instant as Azure writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
