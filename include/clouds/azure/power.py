"""Azure's switch: its kinds, and what Azure's errors are as answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from include.clouds.azure.clients import Azure, Clients, translated
from include.clouds.power import Item, Kind, Switch, each, judged
from include.suspension.model import Answer, Batch

_BUSY = ("OperationNotAllowed", "ServerIsBusy", "AnotherOperationInProgress", "answered 409")
_CAPACITY = ("AllocationFailed", "SkuNotAvailable", "OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest")
"""Azure, *Troubleshoot allocation failures*; *SKU not available errors*."""


def judge(error: Exception) -> Answer:
    """What one of Azure's errors means for the resource that was asked for."""
    return judged(error, _BUSY, _CAPACITY)


def switch(clients: Clients) -> Switch:
    """Every kind that Azure has."""
    from include.clouds.azure.power_machines import ScaleSets, VirtualMachines
    from include.clouds.azure.power_managed import Clusters, FlexibleServers

    kinds: dict[str, Kind] = {
        "virtual-machine": VirtualMachines(clients),
        "scale-set": ScaleSets(clients),
        "flexible-server": FlexibleServers(clients),
        "aks-cluster": Clusters(clients),
    }
    return Switch(kinds)


class Subscription:
    """One batch's subscription, opened."""

    def __init__(self, clients: Clients, batch: Batch) -> None:
        from include.clouds.azure.clients import of_subscription

        self.azure: Azure = of_subscription(clients, batch.connection, batch.account)
        self.region = batch.region

    def here(self, list_all: Callable[..., Any], **given: Any) -> list[dict[str, Any]]:
        """Everything of a listing that lies in the batch's region, as JSON, a page at a time."""
        with translated():
            rows = [one.as_dict() for one in list_all(**given)]
        return [one for one in rows if str(one["location"]).replace(" ", "").lower() == self.region]

    def begin(self, items: Sequence[Item], ask: Callable[[Item], object]) -> dict[str, Answer]:
        """One call for each, not waited for: Azure has no other."""

        def translating(item: Item) -> None:
            with translated():
                ask(item)

        return each(items, translating, judge)


def place_of(identifier: str) -> tuple[str, str]:
    """Resource group and name of a resource id."""
    parts = identifier.split("/")
    return parts[4], parts[-1]
