"""EC2 instances and Auto Scaling groups: stopped, started, and scaled to nothing and back."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.power import Called, judge, tags
from include.clouds.managed import Refusal
from include.clouds.power import each, known, place, scaled, stays, together
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

MANY = 500
"""Instances in one call."""
_PAGE = 1000
_ID = re.compile(r"\bi-[0-9a-f]{8,17}\b")
_STATES = {
    "pending": Power.STARTING,
    "running": Power.ON,
    "stopping": Power.STOPPING,
    "stopped": Power.OFF,
    "shutting-down": Power.LEAVING,
}
"""API_InstanceState. ``terminated`` is not there any more."""
_GROUP_TAG, _NODES_TAG, _ECS_TAG = "aws:autoscaling:groupName", "eks:nodegroup-name", "AmazonECSManaged"
_MAKERS = (_GROUP_TAG, "karpenter.sh/nodepool", _NODES_TAG)
"""Tags that name who runs an instance, and would replace one that is stopped."""
RESTS = "ScheduledActions"
"""The process that would set a sleeping group's size by the clock. Scaling policies stay within its size of nothing."""


class Ec2Instances:
    """``ec2-instance``."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        ec2 = Called(self._clients, batch, "ec2")
        rows = [one for held in ec2.pages("describe_instances", "Reservations", _PAGE) for one in held["Instances"]]
        return [_instance(batch, one) for one in rows if one["State"]["Name"] != "terminated"]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        ec2 = Called(self._clients, batch, "ec2")
        ids = [one.id for one in resources]
        return together(ids, lambda many: ec2("stop_instances", InstanceIds=list(many)), judge, _named, MANY)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        ec2 = Called(self._clients, batch, "ec2")
        changed = [one for one in wakes if one.instance_type not in (None, one.resource.instance_type) or one.zones]
        answers = each(changed, lambda wake: _become(ec2, wake), judge)
        refused = {name: answer for name, answer in answers.items() if answer.outcome != "accepted"}
        alike: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
        for wake in wakes:
            if wake.resource.id not in refused:
                alike[wake.instance_type or wake.resource.instance_type, wake.resource.zone].append(wake.resource.id)
        started: dict[str, Answer] = {}
        for ids in alike.values():
            started |= together(ids, lambda many: ec2("start_instances", InstanceIds=list(many)), judge, _named, MANY)
        return started | refused


def _become(ec2: Called, wake: Wake) -> None:
    """Give a stopped instance another type. It cannot move to another zone."""
    mine = wake.resource
    if wake.zones and mine.zone not in wake.zones:
        raise Refusal(f"an EC2 instance stays in its zone {mine.zone}")
    if wake.instance_type not in (None, mine.instance_type):
        ec2("modify_instance_attribute", InstanceId=mine.id, InstanceType={"Value": wake.instance_type})


def _named(said: str) -> set[str]:
    """The instances that an error names."""
    return set(_ID.findall(said))


def _instance(batch: Batch, row: dict[str, Any]) -> Resource:
    mine, word = tags(row.get("Tags", ())), str(row["State"]["Name"])
    power = known(_STATES, word, row["InstanceId"])
    refuses = "a Spot instance: a one-time request cannot be stopped" if row.get("InstanceLifecycle") == "spot" else None
    if row.get("RootDeviceType") == "instance-store":
        refuses = "its root volume is an instance store, which is lost with a stop"
    return Resource(
        id=row["InstanceId"],
        name=mine.get("Name", row["InstanceId"]),
        **place(batch),
        kind="ec2-instance",
        family=Family.MACHINE,
        power=power,
        word=word,
        tags=mine,
        instance_type=row.get("InstanceType"),
        count=0 if power is Power.OFF else 1,
        zone=row.get("Placement", {}).get("AvailabilityZone"),
        launched_at=row.get("LaunchTime"),
        managed_by=next((mine[tag] for tag in _MAKERS if tag in mine), None),
        refuses=refuses,
        billed_as=row["InstanceId"],
    )


class ScalingGroups:
    """``auto-scaling-group``: scaled to 0, 0, 0 in one call, so that no policy can raise it."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        scaling = Called(self._clients, batch, "autoscaling")
        return [_group(batch, one) for one in scaling.pages("describe_auto_scaling_groups", "AutoScalingGroups", 100)]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        scaling = Called(self._clients, batch, "autoscaling")

        def rest(group: Resource) -> None:
            if RESTS not in group.size["suspended"]:
                scaling("suspend_processes", AutoScalingGroupName=group.id, ScalingProcesses=[RESTS])
            scaling("update_auto_scaling_group", AutoScalingGroupName=group.id, MinSize=0, MaxSize=0, DesiredCapacity=0)

        return each(resources, rest, judge)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        scaling = Called(self._clients, batch, "autoscaling")

        def wake_up(wake: Wake) -> None:
            stays(wake)
            group, size = wake.resource.id, wake.size
            sizes = {"MinSize": size["min"], "MaxSize": size["max"], "DesiredCapacity": size["desired"]}
            scaling("update_auto_scaling_group", AutoScalingGroupName=group, **sizes)
            if RESTS not in size["suspended"]:
                scaling("resume_processes", AutoScalingGroupName=group, ScalingProcesses=[RESTS])

        return each(wakes, wake_up, judge)


def _group(batch: Batch, row: dict[str, Any]) -> Resource:
    name, mine = row["AutoScalingGroupName"], tags(row.get("Tags", ()))
    there = [one for one in row.get("Instances", ()) if not one["LifecycleState"].startswith("Terminat")]
    serving = [one for one in there if one["LifecycleState"] == "InService"]
    suspended = sorted(one["ProcessName"] for one in row.get("SuspendedProcesses", ()))
    stuck = [one for one in ("Launch", "Terminate") if one in suspended]
    desired = int(row["DesiredCapacity"])
    here = len(serving) if desired else len(row.get("Instances", ()))
    return Resource(
        id=name,
        name=mine.get("Name", name),
        **place(batch),
        kind="auto-scaling-group",
        family=Family.GROUP,
        # A status is there only while it is being deleted.
        power=scaled(Power.LEAVING if row.get("Status") else Power.ON, desired, here),
        word=row.get("Status") or f"{len(serving)} of {desired} in service",
        tags=mine,
        size={"min": int(row["MinSize"]), "max": int(row["MaxSize"]), "desired": desired, "suspended": suspended},
        instance_type=next((one.get("InstanceType") for one in there), None),
        count=len(there),
        managed_by=mine.get(_NODES_TAG, "an ECS capacity provider" if _ECS_TAG in mine else None),
        refuses=f"its process {' and '.join(stuck)} is suspended: its size would not be followed" if stuck else None,
        billed_tag=(_GROUP_TAG, name),
    )
