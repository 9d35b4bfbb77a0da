"""Flexible Server's backups, and what the door does with them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.mgmt.postgresqlflexibleservers import models

from include.lab.azure.arm import Refused, Request, Serve
from include.lab.azure.contract import check
from include.lab.azure.flexible import PROVIDER, FlexibleServers, page, path_of, written
from include.lab.double import Answer
from include.lab.managed import damage
from include.values import utcnow


class Backups:
    """Backups of the servers of one `FlexibleServers`."""

    def __init__(self, servers: FlexibleServers) -> None:
        self._servers = servers
        self._last = 0

    def calls(self) -> dict[str, Serve]:
        return {
            "backups_automatic_and_on_demand_list_by_server": self.list,
            "backups_automatic_and_on_demand_get": self.get,
            "backups_automatic_and_on_demand_create": self.create,
            "backups_automatic_and_on_demand_delete": self.delete,
        }

    def list(self, request: Request) -> Answer:
        rows = [dict(one) for one in reversed(self._servers.backups.get(self._servers.found(request), []))]
        return page(rows, models.BackupAutomaticAndOnDemand, request)

    def _one(self, request: Request) -> dict[str, Any]:
        wanted = request.variables["backupName"]
        for one in self._servers.backups.get(self._servers.found(request), []):
            if one["name"] == wanted:
                return one
        raise Refused(404, f"backup {wanted} was not found")

    def get(self, request: Request) -> Answer:
        told = dict(self._one(request))
        check(models.BackupAutomaticAndOnDemand, told, "read")
        return Answer(200, told)

    def create(self, request: Request) -> Answer:
        name = self._servers.found(request)
        place = (PROVIDER, self._servers.servers[name]["location"], name)
        backup = request.variables["backupName"]
        return self._servers.arm.begin(request, place, lambda: self.take(name, backup, "Customer On-Demand"))

    def delete(self, request: Request) -> Answer:
        name, one = self._servers.found(request), self._one(request)

        def work() -> None:
            self._servers.backups[name].remove(one)
            if self._servers.plane:
                shutil.rmtree(self._servers.bytes_of(name, one["name"]), ignore_errors=True)

        return self._servers.arm.begin(request, (PROVIDER, self._servers.servers[name]["location"], name), work)

    def take(self, name: str, backup: str, kind: str) -> dict[str, Any]:
        """Copy the bytes of a server, and list them as a backup."""
        if self._servers.plane:
            self._servers.plane.snapshot(name, self._servers.bytes_of(name, backup))
        made = {
            "id": f"{self._servers.servers[name]['id']}/backups/{backup}",
            "name": backup,
            "type": f"{PROVIDER}/flexibleServers/backups",
            "properties": {
                "backupType": kind,
                "completedTime": written(utcnow()),
                "source": "Automatic" if kind == "Full" else "Manual",
            },
        }
        with self._servers.lock:
            self._servers.backups.setdefault(name, []).append(made)
            told = self._servers.servers[name]["properties"]["backup"]
            told["earliestRestoreDate"] = self._servers.backups[name][0]["properties"]["completedTime"]
        return made

    # ---- the door ------------------------------------------------------------------------------------------------

    def back_up(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server"}``: an automatic full backup, done when this returns."""
        self._last = max(self._last + 1, int(utcnow().timestamp() * 1000))
        return self.take(str(given["server"]), f"backup_{self._last}", "Full")

    def backdate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "seconds"}``: its backups are as old as that, and none came after."""
        name, by = str(given["server"]), timedelta(seconds=float(given["seconds"]))
        for one in self._servers.backups.get(name, []):
            completed = datetime.fromisoformat(one["properties"]["completedTime"])
            one["properties"]["completedTime"] = written(completed - by)
        return {"backups": len(self._servers.backups.get(name, []))}

    def geo(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server", "on"}``: as if it had been made with geo-redundant backups, or without: no call changes it later."""
        wanted = "Enabled" if given.get("on") else "Disabled"
        with self._servers.lock:
            self._servers.servers[str(given["server"])]["properties"]["backup"]["geoRedundantBackup"] = wanted
        return {"geoRedundantBackup": wanted}

    def damage(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"server"}``: nothing can be restored from its newest backup, and nothing says so."""
        name = str(given["server"])
        newest = self._servers.backups[name][-1]["name"]
        damage(self._servers.bytes_of(name, newest))
        return {"damaged": newest}

    def seed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"subscription", "group", "servers", "backups"}``: that many servers, control plane only."""
        for number in range(int(given["servers"])):
            name = f"seeded-{number:05}"
            variables = {"subscriptionId": str(given["subscription"]), "resourceGroupName": str(given["group"])}
            properties = {"version": "18", "administratorLogin": "platform"}
            self._servers._note(name, Request(variables, {}, None), properties, "westeurope")  # type: ignore[arg-type]
            self._servers.servers[name]["properties"]["state"] = "Ready"
            assert self._servers.servers[name]["id"] == path_of(str(given["subscription"]), str(given["group"]), name)
            for count in range(int(given.get("backups", 1))):
                self.take(name, f"backup_{count}", "Full")
        return {"servers": len(self._servers.servers)}
