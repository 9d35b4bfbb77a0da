"""Google's switch: its kinds, and what Google's errors are as answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from include.clouds.google.clients import Clients, Google, opened
from include.clouds.managed import Refusal
from include.clouds.power import ACCEPTED, Kind, Switch, judged
from include.recovery.contracts import Transient
from include.suspension.model import Answer, Batch

_BUSY = ("operationInProgress", "resourceNotReady", "resourceInUseByAnotherResource", "failedPrecondition", "FAILED_PRECONDITION")
_CAPACITY = ("RESOURCE_POOL_EXHAUSTED", "GCE_STOCKOUT")
"""With and without details. Source: Compute Engine, *Troubleshooting resource availability errors*."""


def judge(error: Exception) -> Answer:
    """What one of Google's errors means for the resource that was asked for."""
    return judged(error, _BUSY, _CAPACITY)


def switch(clients: Clients) -> Switch:
    """Every kind that Google Cloud has."""
    from include.clouds.google.power_clusters import NodePools
    from include.clouds.google.power_machines import Instances, ManagedGroups
    from include.clouds.google.power_sql import SqlInstances

    kinds: dict[str, Kind] = {
        "compute-instance": Instances(clients),
        "managed-instance-group": ManagedGroups(clients),
        "cloud-sql": SqlInstances(clients),
        "gke-node-pool": NodePools(clients),
    }
    return Switch(kinds)


class Project:
    """One batch's project, opened."""

    def __init__(self, clients: Clients, batch: Batch) -> None:
        self.google: Google = opened(clients, batch.connection)
        self.name, self.region = batch.account, batch.region

    def aggregated(self, kind: str) -> Iterator[dict[str, Any]]:
        """Everything of a kind in the project, in any zone, that lies in the batch's region."""
        collection = getattr(self.google.api("compute"), kind)()
        request = collection.aggregatedList(project=self.name, maxResults=500)
        while request is not None:
            told = self.google.call(request)
            for scope, held in told.get("items", {}).items():
                if region_of(scope) == self.region:
                    yield from held.get(kind, ())
            request = collection.aggregatedList_next(request, told)

    def all(self, requests: Mapping[str, Any]) -> tuple[dict[str, Answer], dict[str, dict[str, Any]]]:
        """Many requests of Compute Engine, a hundred to an HTTP call: the answer to each, and Google's own where accepted."""
        try:
            told = self.google.batch(requests, "compute")
        except (Transient, PermissionError) as error:
            return dict.fromkeys(requests, judge(error)), {}
        answers = {name: judge(one) if isinstance(one, Exception) else ACCEPTED for name, one in told.items()}
        return answers, {name: one for name, one in told.items() if isinstance(one, dict)}

    def failures(self, operations: Mapping[str, dict[str, Any]]) -> dict[str, Answer]:
        """One look at operations that have begun, by what they are about: those that failed already. A stock-out is told here
        and nowhere else; one that comes later shows as a resource that is off again."""
        api = self.google.api("compute").zoneOperations()
        asked = {
            name: api.get(project=self.name, zone=last(one["zone"]), operation=one["name"]) for name, one in operations.items()
        }
        _, told = self.all(asked)
        found = {}
        for name, operation in told.items():
            for error in operation.get("error", {}).get("errors", ())[:1]:
                found[name] = judge(Refusal(f"{error['code']}: {error.get('message', '')}"))
        return found


def where(project: Project, identifier: str) -> dict[str, str]:
    """The arguments of a call about ``zones/Z/NAME`` or ``regions/R/NAME``, without its own name."""
    scope, place, _ = identifier.split("/")
    return {"project": project.name, scope.removesuffix("s"): place}


def region_of(scope: str) -> str:
    """The region of ``zones/europe-west1-b`` or ``regions/europe-west1``."""
    kind, _, name = scope.rpartition("/")
    return name.rpartition("-")[0] if kind.endswith("zones") else name


def last(link: str) -> str:
    """The name at the end of a link."""
    return link.rpartition("/")[2]


def path(link: str) -> str:
    """``zones/Z/NAME`` of a link to ``…/zones/Z/KIND/NAME``."""
    scope, place, _, name = link.split("/")[-4:]
    return f"{scope}/{place}/{name}"
