"""Virtual machines and scale sets: states that take time, and no capacity when it is planted. No servers behind.

State rules that the models do not tell, and where they come from: ``PowerState/starting, running, deallocating, deallocated``
(Azure, "States and billing of virtual machines"); a list tells them with ``statusOnly`` alone (``VirtualMachines - List All``);
``AllocationFailed`` where there is no room ("Troubleshoot allocation failures"). Here it is the answer to the call; Azure may
also tell it later, in the operation. A size is changed while deallocated ("Change the size of a virtual machine").
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any

from azure.mgmt.compute import models

from include.lab.azure.arm import ArmPlane, Refused, Request, Serve
from include.lab.azure.contract import check
from include.lab.azure.flexible import page
from include.lab.double import Answer

PROVIDER = "Microsoft.Compute"


def path_of(request: Request, kind: str, variable: str) -> str:
    """The resource id of what a request is about."""
    known = request.variables
    group = f"/subscriptions/{known['subscriptionId']}/resourceGroups/{known['resourceGroupName']}"
    return f"{group}/providers/{PROVIDER}/{kind}/{known[variable]}"


class Machines:
    """Every machine and scale set, by lower-case id."""

    def __init__(self, arm: ArmPlane) -> None:
        self.arm = arm
        self.lock = threading.RLock()
        self.machines: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, dict[str, Any]] = {}
        self.words: dict[str, str] = {}
        """Power of each machine."""
        self.short: set[str] = set()
        """Locations without capacity."""

    def calls(self) -> dict[str, Serve]:
        machine, group = "virtual_machines", "virtual_machine_scale_sets"
        return {
            f"{machine}_create_or_update": self.put_machine,
            f"{machine}_delete": lambda request: self.delete(request, self.machines, "virtualMachines", "vmName"),
            f"{machine}_list_all": self.list_machines,
            f"{machine}_update": self.resize_machine,
            f"{machine}_deallocate": lambda request: self.turn(request, "deallocating", "deallocated"),
            f"{machine}_start": lambda request: self.turn(request, "starting", "running"),
            f"{group}_create_or_update": self.put_set,
            f"{group}_delete": lambda request: self.delete(request, self.sets, "virtualMachineScaleSets", "vmScaleSetName"),
            f"{group}_list_all": self.list_sets,
            f"{group}_update": self.resize_set,
        }

    def found(self, request: Request, held: Mapping[str, dict[str, Any]], kind: str, variable: str) -> dict[str, Any]:
        """Raises Refused 404."""
        name = path_of(request, kind, variable).lower()
        with self.lock:
            if name not in held:
                raise Refused(404, f"The Resource '{PROVIDER}/{kind}/{request.variables[variable]}' was not found.")
            return held[name]

    def delete(self, request: Request, held: dict[str, dict[str, Any]], kind: str, variable: str) -> Answer:
        row = self.found(request, held, kind, variable)
        with self.lock:
            held.pop(row["id"].lower())
        return self._begin(request, row, lambda: None)

    def _begin(self, request: Request, row: Mapping[str, Any], work: Callable[[], None]) -> Answer:
        return self.arm.begin(request, (PROVIDER, row["location"], row["name"]), work)

    def _room(self, location: str) -> None:
        if location in self.short:
            raise Refused(409, f"Allocation failed. We do not have sufficient capacity in {location}.", "AllocationFailed")

    # ---- virtual machines ----------------------------------------------------------------------------------------

    def put_machine(self, request: Request) -> Answer:
        check(models.VirtualMachine, request.body, "create")
        row = self._row(request, "virtualMachines", "vmName")
        with self.lock:
            self.machines[row["id"].lower()] = row
            self.words[row["id"].lower()] = "running"
        return Answer(201, row)

    def _row(self, request: Request, kind: str, variable: str) -> dict[str, Any]:
        row = copy.deepcopy(request.body)
        name = request.variables[variable]
        row |= {"id": path_of(request, kind, variable), "name": name, "type": f"{PROVIDER}/{kind}"}
        row.setdefault("properties", {})["provisioningState"] = "Succeeded"
        return row

    def list_machines(self, request: Request) -> Answer:
        status_only = request.call.one("statusOnly").lower() == "true"
        with self.lock:
            rows = [self._shown(one, status_only) for one in _of(self.machines, request)]
        return page(rows, models.VirtualMachine, request)

    def _shown(self, row: dict[str, Any], status_only: bool) -> dict[str, Any]:
        """The whole machine without its power; or its power without tags and size."""
        if not status_only:
            return copy.deepcopy(row)
        code = f"PowerState/{self.words[row['id'].lower()]}"
        kept = {name: row[name] for name in ("id", "name", "type", "location")}
        return {**kept, "properties": {"instanceView": {"statuses": [{"code": "ProvisioningState/succeeded"}, {"code": code}]}}}

    def turn(self, request: Request, word: str, final: str) -> Answer:
        row = self.found(request, self.machines, "virtualMachines", "vmName")
        name = row["id"].lower()
        with self.lock:
            now = self.words[name]
            if now not in (word, final):
                if now in ("starting", "deallocating"):
                    raise Refused(409, f"{row['name']} is {now}: the request conflicts with it.", "OperationNotAllowed")
                if final == "running":
                    self._room(row["location"])
                self.words[name] = word

        def work() -> None:
            with self.lock:
                self.words[name] = final

        return self._begin(request, row, work)

    def resize_machine(self, request: Request) -> Answer:
        check(models.VirtualMachineUpdate, request.body, "update")
        row = self.found(request, self.machines, "virtualMachines", "vmName")
        size = request.body.get("properties", {}).get("hardwareProfile", {}).get("vmSize")
        if size and self.words[row["id"].lower()] != "deallocated":
            raise Refused(409, "deallocate the machine to change its size", "OperationNotAllowed")
        row["properties"]["hardwareProfile"] = {"vmSize": size}
        return Answer(200, copy.deepcopy(row))

    # ---- scale sets ----------------------------------------------------------------------------------------------

    def put_set(self, request: Request) -> Answer:
        check(models.VirtualMachineScaleSet, request.body, "create")
        row = self._row(request, "virtualMachineScaleSets", "vmScaleSetName")
        with self.lock:
            self.sets[row["id"].lower()] = row
        return Answer(201, row)

    def list_sets(self, request: Request) -> Answer:
        with self.lock:
            return page(copy.deepcopy(_of(self.sets, request)), models.VirtualMachineScaleSet, request)

    def resize_set(self, request: Request) -> Answer:
        check(models.VirtualMachineScaleSetUpdate, request.body, "update")
        row = self.found(request, self.sets, "virtualMachineScaleSets", "vmScaleSetName")
        with self.lock:
            if row["properties"]["provisioningState"] != "Succeeded":
                raise Refused(409, f"{row['name']} is being updated.", "OperationNotAllowed")
            if int(request.body["sku"]["capacity"]) > row["sku"]["capacity"]:
                self._room(row["location"])
            row["properties"]["provisioningState"] = "Updating"
            row["sku"]["capacity"] = int(request.body["sku"]["capacity"])

        def work() -> None:
            row["properties"]["provisioningState"] = "Succeeded"

        begun = self._begin(request, row, work)
        # The SDK takes 200 with the scale set for an answer, and where to ask in a header.
        return Answer(200, copy.deepcopy(row), begun.headers)

    # ---- the door ------------------------------------------------------------------------------------------------

    def no_capacity(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"location", "on"}``: nothing can be started there, or again."""
        change = self.short.add if given.get("on", True) else self.short.discard
        change(str(given["location"]))
        return {"short": sorted(self.short)}

    def seed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"subscription", "location", "count", "tags"}``: so many running machines."""
        group = f"/subscriptions/{given['subscription']}/resourceGroups/seeded/providers/{PROVIDER}/virtualMachines"
        with self.lock:
            for number in range(int(given["count"])):
                name = f"seeded-{number:05d}"
                self.words[f"{group}/{name}".lower()] = "running"
                self.machines[f"{group}/{name}".lower()] = {
                    "id": f"{group}/{name}", "name": name, "type": f"{PROVIDER}/virtualMachines",
                    "location": str(given["location"]), "tags": dict(given.get("tags", {})),
                    "properties": {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}, "provisioningState": "Succeeded"},
                }  # fmt: skip
        return {"machines": len(self.machines)}


def _of(held: Mapping[str, dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    prefix = f"/subscriptions/{request.variables['subscriptionId']}/".lower()
    return [one for name, one in sorted(held.items()) if name.startswith(prefix)]
