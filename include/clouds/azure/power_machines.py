"""Virtual machines, deallocated so that nobody pays for them, and scale sets, scaled to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.clouds.azure.clients import Clients
from include.clouds.azure.power import Subscription, place_of
from include.clouds.managed import Refusal
from include.clouds.power import known, place, scaled, stays
from include.suspension.model import Answer, Batch, Family, Power, Resource, Wake

_STATES = {
    "starting": Power.STARTING,
    "running": Power.ON,
    "stopping": Power.STOPPING,
    "stopped": Power.OFF,
    "deallocating": Power.STOPPING,
    "deallocated": Power.OFF,
    "unknown": Power.BUSY,
}
"""``PowerState/…``. Source: Azure, *States and billing of virtual machines*."""
SETTLING = {
    "Succeeded": Power.ON,
    "Creating": Power.BUSY,
    "Updating": Power.BUSY,
    "Migrating": Power.BUSY,
    "Deleting": Power.LEAVING,
    "Failed": Power.BROKEN,
    "Canceled": Power.BROKEN,
}
"""``provisioningState``."""


class VirtualMachines:
    """``virtual-machine``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        mine = Subscription(self._clients, batch)
        machines = mine.azure.compute.virtual_machines
        # A listing tells either what a machine is or what it does.
        states = {one["id"].lower(): _state(one) for one in mine.here(machines.list_all, status_only="true")}
        return [_machine(batch, one, states.get(one["id"].lower(), "unknown")) for one in mine.here(machines.list_all)]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)
        machines = mine.azure.compute.virtual_machines
        return mine.begin(resources, lambda one: machines.begin_deallocate(*place_of(one.id), polling=False))

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)
        machines = mine.azure.compute.virtual_machines

        def wake_up(wake: Wake) -> None:
            one = wake.resource
            if wake.zones and one.zone not in wake.zones:
                raise Refusal(f"a virtual machine stays in its zone {one.zone}")
            if wake.instance_type not in (None, one.instance_type):
                body = {"properties": {"hardwareProfile": {"vmSize": wake.instance_type}}}
                machines.begin_update(*place_of(one.id), body, polling=False)
            machines.begin_start(*place_of(one.id), polling=False)

        return mine.begin(wakes, wake_up)


def _state(row: dict[str, Any]) -> str:
    codes = [one["code"] for one in row.get("properties", {}).get("instanceView", {}).get("statuses", ())]
    return next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "unknown")


def _machine(batch: Batch, row: dict[str, Any], word: str) -> Resource:
    properties = row["properties"]
    power = known(_STATES, word, row["name"])
    if properties["provisioningState"] == "Deleting":
        power = Power.LEAVING
    ephemeral = properties.get("storageProfile", {}).get("osDisk", {}).get("diffDiskSettings", {}).get("option")
    return Resource(
        id=row["id"],
        name=row["name"],
        **place(batch),
        kind="virtual-machine",
        family=Family.MACHINE,
        power=power,
        word=word,
        tags=dict(row.get("tags", {})),
        instance_type=properties.get("hardwareProfile", {}).get("vmSize"),
        count=0 if power is Power.OFF else 1,
        zone=next(iter(row.get("zones", ())), None),
        launched_at=properties.get("timeCreated"),
        managed_by=properties.get("virtualMachineScaleSet", {}).get("id"),
        refuses="an ephemeral disk, which cannot be deallocated" if ephemeral == "Local" else None,
        billed_as=row["id"].lower(),
    )


class ScaleSets:
    """``scale-set``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        mine = Subscription(self._clients, batch)
        return [_set(batch, one) for one in mine.here(mine.azure.compute.virtual_machine_scale_sets.list_all)]

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)
        return mine.begin(resources, lambda one: _resize(mine, one, 0))

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        mine = Subscription(self._clients, batch)

        def wake_up(wake: Wake) -> None:
            stays(wake)
            _resize(mine, wake.resource, int(wake.size["capacity"]))

        return mine.begin(wakes, wake_up)


def _resize(mine: Subscription, group: Resource, capacity: int) -> None:
    body = {"sku": {"name": group.instance_type, "capacity": capacity}}
    mine.azure.compute.virtual_machine_scale_sets.begin_update(*place_of(group.id), body, polling=False)


def _set(batch: Batch, row: dict[str, Any]) -> Resource:
    capacity, word = int(row["sku"]["capacity"]), row["properties"]["provisioningState"]
    tags = dict(row.get("tags", {}))
    return Resource(
        id=row["id"],
        name=row["name"],
        **place(batch),
        kind="scale-set",
        family=Family.GROUP,
        power=scaled(known(SETTLING, word, row["name"]), capacity, capacity),
        word=f"{word}, {capacity}",
        tags=tags,
        size={"capacity": capacity},
        instance_type=row["sku"]["name"],
        count=capacity,
        # The tag that AKS gives to the scale sets of its pools.
        managed_by="an AKS cluster" if "aks-managed-poolName" in tags else None,
        billed_as=row["id"].lower(),
    )
