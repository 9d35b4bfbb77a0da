"""The verb `suspend`: one base operator, and one operator a cloud that sets its cloud and connection type and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from drillyard.triggers import PauseTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.suspension.run import Swept


FIRST_LOOK = 2.5
"""Seconds until the first look at what was begun."""


def until_next_look(waited: float, most: float, attempt: int = 1) -> float:
    """Seconds until the next look, after so many in all: as many again, but no more than `most`.

    A later try looks later: beside a run of many tasks Airflow's scheduler may take the pause's end for the task's, and fail
    the try (`drillyard.rounds`).
    """
    return min(most, max(FIRST_LOOK * 4.0 ** (attempt - 1), waited))


class SuspendOperator(BaseOperator):
    """Sweep one account and region: put to sleep and wake what is due, and wait in the triggerer until it is done.

    A retry, a second run and a scheduler restart go on from what the ledger says and the cloud shows. What is not done within
    `patience` is left to the next run. Returns what was done, in counts.

    :param batch: a batch (`include.suspension.model.Batch`) as JSON types; templated, so it may be mapped.
    :param environment: sweep this one only; empty: all that have something there.
    :param poll: most seconds between two looks. The first is sooner, then each when the time waited has doubled: a machine
        stops in seconds and a database starts in minutes, and what wakes after it shall not wait for the next look.
    :param patience: seconds until the rest is left to the next run.
    """

    cloud: str
    connection_type: str
    template_fields: Sequence[str] = ("batch", "environment")
    ui_color = "#e6e0f0"

    def __init__(
        self, *, batch: dict[str, Any], environment: str = "", poll: float = 20, patience: float = 720, **kwargs: Any
    ) -> None:
        kwargs.setdefault("map_index_template", "{{ label }}")
        super().__init__(**kwargs)
        self.batch, self.environment, self.poll, self.patience = batch, environment, poll, patience

    def execute(self, context: Context) -> dict[str, Any]:
        return self._sweep(context, waited=0.0)

    def again(self, context: Context, event: dict[str, float]) -> dict[str, Any]:
        """Called back after a pause."""
        return self._sweep(context, waited=event["waited"])

    def _sweep(self, context: Context, waited: float) -> dict[str, Any]:
        from drillyard.clients import sleep_desk
        from include.suspension.model import Batch
        from include.suspension.run import sweep
        from include.values import utcnow

        batch = Batch.model_validate(self.batch)
        context["label"] = batch.label  # type: ignore[typeddict-unknown-key]
        if batch.cloud != self.cloud:
            raise ValueError(f"{type(self).__name__} sweeps {self.cloud}; {batch.label} is another cloud's")
        swept = sweep(sleep_desk(self.cloud), batch, utcnow(), self.environment or None)
        self._say(swept)
        if swept.pending and waited < self.patience:
            pause = until_next_look(waited, self.poll, context["ti"].try_number)
            self.defer(trigger=PauseTrigger(seconds=pause, waited=waited + pause), method_name="again")
        return swept.model_dump(mode="json", include={"counts", "stopped", "started", "pending", "failed", "unreadable"})

    def _say(self, swept: Swept) -> None:
        for name, count in swept.counts.items():
            self.log.info("%s: %s x %s", swept.batch.label, count, name)
        for key, why in (swept.failed | swept.unreadable).items():
            self.log.error("%s: %s", key, why)


class AwsSuspendOperator(SuspendOperator):
    """Suspend EC2 instances, Auto Scaling groups, RDS instances, ECS services and EKS node groups."""

    cloud = "aws"
    connection_type = "aws"


class GoogleSuspendOperator(SuspendOperator):
    """Suspend Compute Engine instances, managed instance groups, Cloud SQL instances and GKE node pools."""

    cloud = "google"
    connection_type = "google_cloud_platform"


class AzureSuspendOperator(SuspendOperator):
    """Suspend virtual machines (deallocated), scale sets, PostgreSQL Flexible Servers and AKS clusters."""

    cloud = "azure"
    connection_type = "azure"


SUSPEND_OPERATORS: dict[str, type[SuspendOperator]] = {
    operator.cloud: operator for operator in (AwsSuspendOperator, AzureSuspendOperator, GoogleSuspendOperator)
}
"""By cloud, for the mapped tasks of `suspend_environments`."""
