"""Compute Engine: instances, managed instance groups and their autoscalers, and operations that take time. No servers behind.

State rules that the schemas do not tell, and where they come from: PROVISIONING, STAGING, RUNNING, STOPPING, TERMINATED
(Compute Engine, "VM instance lifecycle"); an instance of a group is repaired when it is stopped ("About repairing VMs"); no
resize while the autoscaler is ON ("Autoscaling groups of instances", limitations); ``ZONE_RESOURCE_POOL_EXHAUSTED`` is the
error of the operation, and the instance is TERMINATED again ("Troubleshooting resource availability errors"); only a stopped
instance changes its machine type (``instances.setMachineType``).
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from include.lab.google.operations import stamp
from include.lab.google.plane import Refused, Request, Serve

ROOT = "https://www.googleapis.com/compute/v1"
Key = tuple[str, str, str]
"""(project, ``zones/Z`` or ``regions/R``, name)"""
_PAGE = 500


def scope_of(request: Request) -> str:
    """Where a request's thing is."""
    zone, region = request.variables.get("zone"), request.variables.get("region")
    return f"zones/{zone}" if zone else f"regions/{region}"


class Compute:
    """All projects. `pace`: seconds of a transition."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.lock = threading.RLock()
        self.things: dict[str, dict[Key, dict[str, Any]]] = {"instances": {}, "instanceGroupManagers": {}, "autoscalers": {}}
        self.operations: dict[tuple[str, str], dict[str, Any]] = {}
        self.exhausted: set[str] = set()
        """Zones without capacity."""

    def methods(self) -> dict[str, Serve]:
        found: dict[str, Serve] = {
            "compute.instances.stop": lambda request: self.power(request, "RUNNING", "STOPPING", "TERMINATED"),
            "compute.instances.start": lambda request: self.power(request, "TERMINATED", "STAGING", "RUNNING"),
            "compute.instances.setMachineType": self.set_type,
            "compute.zoneOperations.get": self.operation,
            "compute.regionOperations.get": self.operation,
        }
        for kind in self.things:
            found[f"compute.{kind}.aggregatedList"] = partial(self.aggregated, kind)
            found[f"compute.{kind}.insert"] = partial(self.insert, kind)
            found[f"compute.{kind}.delete"] = partial(self.delete, kind)
        for group, autoscaler in (
            ("instanceGroupManagers", "autoscalers"), ("regionInstanceGroupManagers", "regionAutoscalers"),
        ):  # fmt: skip
            found[f"compute.{group}.resize"] = self.resize
            found[f"compute.{autoscaler}.patch"] = self.patch_autoscaler
        found["compute.regionInstanceGroupManagers.insert"] = partial(self.insert, "instanceGroupManagers")
        return found

    # ---- reading -------------------------------------------------------------------------------------------------

    def aggregated(self, kind: str, request: Request) -> dict[str, Any]:
        """Everything of a project by scope, a page at a time. The lab knows no filter, and refuses one."""
        if request.query("filter"):
            raise Refused(501, "the lab's aggregatedList knows no filter", "notImplemented")
        with self.lock:
            rows = [(key, one) for key, one in sorted(self.things[kind].items()) if key[0] == request.variables["project"]]
        start, size = int(request.query("pageToken") or 0), min(int(request.query("maxResults") or _PAGE), _PAGE)
        items: dict[str, Any] = {}
        for (_, scope, _), one in rows[start : start + size]:
            items.setdefault(scope, {kind: []})[kind].append(copy.deepcopy(one))
        told: dict[str, Any] = {"items": items}
        if start + size < len(rows):
            told["nextPageToken"] = str(start + size)
        return told

    def found(self, kind: str, request: Request, variable: str) -> dict[str, Any]:
        """A request's thing. Raises Refused 404."""
        key = (request.variables["project"], scope_of(request), request.variables[variable])
        with self.lock:
            if key not in self.things[kind]:
                path = f"projects/{key[0]}/{key[1]}/{kind}/{key[2]}"
                raise Refused(404, f"The resource '{path}' was not found", "notFound")
            return self.things[kind][key]

    def operation(self, request: Request) -> dict[str, Any]:
        """compute.zoneOperations.get."""
        with self.lock:
            found = self.operations.get((request.variables["project"], request.variables["operation"]))
            if found is None:
                raise Refused(404, f"operation {request.variables['operation']} was not found")
            return dict(found)

    # ---- changing ------------------------------------------------------------------------------------------------

    def begin(self, request: Request, kind: str, work: Callable[[], None], error: str = "") -> dict[str, Any]:
        """An operation that does its work when it is over; one with an error is over at once."""
        name = f"operation-{uuid.uuid4()}"
        told: dict[str, Any] = {"kind": "compute#operation", "name": name, "operationType": kind, "insertTime": stamp()}
        told["status"] = "RUNNING"
        for word in ("zone", "region"):
            if word in request.variables:
                told[word] = f"{ROOT}/projects/{request.variables['project']}/{word}s/{request.variables[word]}"
        if error:
            message = f"The zone '{request.variables.get('zone')}' does not have enough resources available."
            told |= {"status": "DONE", "error": {"errors": [{"code": error, "message": message}]}}
        with self.lock:
            self.operations[request.variables["project"], name] = told
            answer = {**told, "status": "RUNNING"}
            answer.pop("error", None)

        def run() -> None:
            time.sleep(self.pace)
            with self.lock:
                work()
                told["status"] = "DONE"

        if not error:
            threading.Thread(target=run, daemon=True).start()
        return answer

    def insert(self, kind: str, request: Request) -> dict[str, Any]:
        project, scope, name = request.variables["project"], scope_of(request), str(request.body["name"])
        path = f"{ROOT}/projects/{project}/{scope}/{kind}/{name}"
        row = {**copy.deepcopy(request.body), "selfLink": path, "creationTimestamp": stamp(), "id": str(uuid.uuid4().int >> 70)}
        if scope.startswith("zones/"):
            row["zone"] = f"{ROOT}/projects/{project}/{scope}"
        if kind == "instances":
            row |= {"status": "RUNNING", "lastStartTimestamp": stamp()}
        if kind == "instanceGroupManagers":
            row |= {"currentActions": {"none": row["targetSize"]}, "status": {"isStable": True}}
            row["instanceGroup"] = path.replace("instanceGroupManagers", "instanceGroups")
        with self.lock:
            self.things[kind][project, scope, name] = row
            if kind == "autoscalers":
                manager = self.things["instanceGroupManagers"][project, scope, str(row["target"]).rpartition("/")[2]]
                manager["status"] = {"isStable": True, "autoscaler": path}
        return self.begin(request, "insert", lambda: None)

    def delete(self, kind: str, request: Request) -> dict[str, Any]:
        variable = {"instances": "instance", "instanceGroupManagers": "instanceGroupManager", "autoscalers": "autoscaler"}[kind]
        self.found(kind, request, variable)
        with self.lock:
            self.things[kind].pop((request.variables["project"], scope_of(request), request.variables[variable]))
        return self.begin(request, "delete", lambda: None)

    def power(self, request: Request, of: str, word: str, final: str) -> dict[str, Any]:
        """start and stop: nothing happens to one that is there already, and one on its way the other way is refused."""
        instance = self.found("instances", request, "instance")
        kind = "start" if final == "RUNNING" else "stop"
        with self.lock:
            status = instance["status"]
            if status in (word, final):
                return self.begin(request, kind, lambda: None)
            if status != of:
                raise Refused(400, f"The instance is {status} and cannot be {kind}ed now.", "resourceNotReady")
            if kind == "start" and request.variables["zone"] in self.exhausted:
                return self.begin(request, kind, lambda: None, error="ZONE_RESOURCE_POOL_EXHAUSTED")
            instance["status"] = word

        def work() -> None:
            instance["status"] = final

        return self.begin(request, kind, work)

    def set_type(self, request: Request) -> dict[str, Any]:
        instance = self.found("instances", request, "instance")
        if instance["status"] != "TERMINATED":
            raise Refused(400, "The instance must be stopped to change its machine type.", "resourceNotReady")
        instance["machineType"] = request.body["machineType"]
        return self.begin(request, "setMachineType", lambda: None)

    def resize(self, request: Request) -> dict[str, Any]:
        manager = self.found("instanceGroupManagers", request, "instanceGroupManager")
        autoscaler = self._autoscaler(manager)
        if autoscaler and autoscaler.get("autoscalingPolicy", {}).get("mode", "ON") == "ON":
            raise Refused(400, "The managed instance group is autoscaled: it cannot be resized by hand.", "invalid")
        return self._resize(request, manager, int(request.query("size")))

    def _resize(self, request: Request, manager: dict[str, Any], size: int) -> dict[str, Any]:
        with self.lock:
            now = int(manager["currentActions"].get("none", 0))
            manager["targetSize"] = size
            word = "creating" if size > now else "deleting"
            manager["currentActions"] = {"none": min(size, now), word: abs(size - now)}
            manager["status"]["isStable"] = False

        def work() -> None:
            manager["currentActions"] = {"none": manager["targetSize"]}
            manager["status"]["isStable"] = True

        return self.begin(request, "resize", work)

    def _autoscaler(self, manager: Mapping[str, Any]) -> dict[str, Any] | None:
        link = manager["status"].get("autoscaler")
        return next((one for one in self.things["autoscalers"].values() if one["selfLink"] == link), None)

    def patch_autoscaler(self, request: Request) -> dict[str, Any]:
        key = (request.variables["project"], scope_of(request), request.query("autoscaler"))
        with self.lock:
            if key not in self.things["autoscalers"]:
                raise Refused(404, f"The resource 'autoscalers/{key[2]}' was not found")
            self.things["autoscalers"][key].setdefault("autoscalingPolicy", {}).update(request.body.get("autoscalingPolicy", {}))
        return self.begin(request, "patch", lambda: None)

    # ---- the door ------------------------------------------------------------------------------------------------

    def exhaust(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"zone", "on"}``: nothing can be started there, or again."""
        change = self.exhausted.add if given.get("on", True) else self.exhausted.discard
        change(str(given["zone"]))
        return {"exhausted": sorted(self.exhausted)}

    def started(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "at"}``: since when every instance of a project runs."""
        with self.lock:
            mine = [one for (project, _, _), one in self.things["instances"].items() if project == given["project"]]
            for instance in mine:
                instance["lastStartTimestamp"] = str(given["at"])
        return {"instances": len(mine)}

    def seed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``{"project", "zone", "count", "labels"}``: so many running instances."""
        project, zone = str(given["project"]), str(given["zone"])
        with self.lock:
            for number in range(int(given["count"])):
                name = f"seeded-{number:05d}"
                self.things["instances"][project, f"zones/{zone}", name] = {
                    "name": name, "id": str(10**15 + number), "status": "RUNNING", "labels": dict(given.get("labels", {})),
                    "machineType": f"{ROOT}/projects/{project}/zones/{zone}/machineTypes/e2-medium",
                    "zone": f"{ROOT}/projects/{project}/zones/{zone}",
                    "selfLink": f"{ROOT}/projects/{project}/zones/{zone}/instances/{name}",
                }  # fmt: skip
        return {"instances": len(self.things["instances"])}
