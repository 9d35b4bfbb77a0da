"""Compute Engine: instances, and instance groups with their autoscalers. Ids are ``zones/Z/NAME`` or ``regions/R/NAME``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.clouds.google.clients import Clients
from include.clouds.google.power import Project, judge, last, path, where
from include.clouds.managed import Refusal
from include.clouds.power import each, known, place, scaled, stays
from include.suspension.model import Answer, Batch, Family, Outcome, Power, Resource, Wake

_STATES = {
    "PENDING": Power.STARTING,
    "PROVISIONING": Power.STARTING,
    "STAGING": Power.STARTING,
    "RUNNING": Power.ON,
    "PENDING_STOP": Power.STOPPING,
    "STOPPING": Power.STOPPING,
    "SUSPENDING": Power.STOPPING,
    "SUSPENDED": Power.OFF,
    "STOPPED": Power.OFF,
    "TERMINATED": Power.OFF,
    "REPAIRING": Power.BUSY,
    "DEPROVISIONING": Power.LEAVING,
}
"""Compute Engine, *VM instance lifecycle*."""


class Instances:
    """``compute-instance``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        return [_instance(batch, one) for one in Project(self._clients, batch).aggregated("instances")]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)
        api = project.google.api("compute").instances()
        return project.all({one.id: api.stop(**where(project, one.id), instance=last(one.id)) for one in resources})[0]

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)
        api = project.google.api("compute").instances()
        moved = [one for one in wakes if one.instance_type not in (None, one.resource.instance_type) or one.zones]
        changed = each(moved, lambda wake: _become(project, wake), judge)
        refused = {name: answer for name, answer in changed.items() if answer.outcome is not Outcome.ACCEPTED}
        ids = [one.resource.id for one in wakes if one.resource.id not in refused]
        answers, operations = project.all({one: api.start(**where(project, one), instance=last(one)) for one in ids})
        return answers | project.failures(operations) | refused


def _become(project: Project, wake: Wake) -> None:
    """Give a stopped instance another machine type. It cannot move to another zone."""
    mine = wake.resource
    if wake.zones and mine.zone not in wake.zones:
        raise Refusal(f"a Compute Engine instance stays in its zone {mine.zone}")
    if wake.instance_type not in (None, mine.instance_type):
        body = {"machineType": f"zones/{mine.zone}/machineTypes/{wake.instance_type}"}
        api = project.google.api("compute").instances()
        project.google.call(api.setMachineType(**where(project, mine.id), instance=last(mine.id), body=body))


def _instance(batch: Batch, row: dict[str, Any]) -> Resource:
    made = {one["key"]: one.get("value", "") for one in row.get("metadata", {}).get("items", ())}
    disks = row.get("disks", ())
    power = known(_STATES, row["status"], row["name"])
    return Resource(
        id=path(row["selfLink"]),
        name=row["name"],
        **place(batch),
        kind="compute-instance",
        family=Family.MACHINE,
        power=power,
        word=row["status"],
        tags=dict(row.get("labels", {})),
        instance_type=last(row["machineType"]) if row.get("machineType") else None,
        count=0 if power is Power.OFF else 1,
        storage_gb=sum((Decimal(one.get("diskSizeGb", 0)) for one in disks), Decimal(0)),
        zone=last(row["zone"]),
        launched_at=row.get("lastStartTimestamp"),
        managed_by=made.get("created-by"),
        refuses="a local SSD, which is lost with a stop" if any(one.get("type") == "SCRATCH" for one in disks) else None,
        billed_as=row["selfLink"].partition("compute/v1/")[2],
    )


class ManagedGroups:
    """``managed-instance-group``: its autoscaler is turned off first, and then it is resized to nothing."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        project = Project(self._clients, batch)
        modes = {one["selfLink"]: one["autoscalingPolicy"].get("mode", "ON") for one in project.aggregated("autoscalers")}
        return [_group(batch, one, modes) for one in project.aggregated("instanceGroupManagers")]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)

        def rest(group: Resource) -> None:
            _scale_by_itself(project, group, group.size, "OFF")
            _resize(project, group, 0)

        return each(resources, rest, judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        project = Project(self._clients, batch)

        def wake_up(wake: Wake) -> None:
            stays(wake)
            # An autoscaler that is on refuses a resize: it may be on from a wake-up whose end was lost.
            _scale_by_itself(project, wake.resource, wake.size, "OFF")
            _resize(project, wake.resource, int(wake.size["target"]))
            _scale_by_itself(project, wake.resource, wake.size, wake.size["mode"])

        return each(wakes, wake_up, judge)


def _regional(group: Resource, kind: str) -> str:
    return f"region{kind[0].upper()}{kind[1:]}" if group.id.startswith("regions/") else kind


def _scale_by_itself(project: Project, group: Resource, size: Mapping[str, Any], mode: str | None) -> None:
    if size["autoscaler"] is None:
        return
    api = getattr(project.google.api("compute"), _regional(group, "autoscalers"))()
    body = {"autoscalingPolicy": {"mode": mode}}
    project.google.call(api.patch(**where(project, group.id), autoscaler=size["autoscaler"], body=body))


def _resize(project: Project, group: Resource, count: int) -> None:
    api = getattr(project.google.api("compute"), _regional(group, "instanceGroupManagers"))()
    project.google.call(api.resize(**where(project, group.id), instanceGroupManager=last(group.id), size=count))


def _group(batch: Batch, row: dict[str, Any], modes: Mapping[str, str]) -> Resource:
    target, doing = int(row["targetSize"]), row.get("currentActions", {})
    link = row.get("status", {}).get("autoscaler")
    there = sum(int(number) for action, number in doing.items() if action not in ("creating", "creatingWithoutRetries"))
    return Resource(
        id=path(row["selfLink"]),
        name=row["name"],
        **place(batch),
        kind="managed-instance-group",
        family=Family.GROUP,
        power=scaled(Power.ON, target, int(doing.get("none", 0)) if target else there),
        word=f"{doing.get('none', 0)} of {target} run",
        tags=dict(row.get("allInstancesConfig", {}).get("properties", {}).get("labels", {})),
        size={"target": target, "autoscaler": last(link) if link else None, "mode": modes.get(link) if link else None},
        count=there,
        zone=last(row["zone"]) if "zone" in row else None,
        # The names that GKE gives to the groups of its node pools.
        managed_by="a GKE node pool" if row["name"].startswith("gke-") else None,
        billed_tag=("goog-gce-instance-group", row["name"]),
    )
