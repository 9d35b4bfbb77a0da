"""The verb `restore`: one base operator, and one operator a cloud that sets its cloud and connection type and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drillyard.rounds import settling
from drillyard.triggers import SandboxTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class RestoreOperator(BaseOperator):
    """Restore one planned datastore into a sandbox and make it harmless. Waits in the triggerer; returns the drill id.

    A retry, a second run and a scheduler restart re-attach to the sandbox by its derived name. Stopping the task by hand
    (`on_kill`) expires the lease, so that the reaper ends what was started.

    :param item: a plan item (`include.recovery.model.PlanItem`) as JSON types; templated, so it may be mapped.
    :param poll: seconds between two looks at the control plane, at first.
    :param beside: how many drills the run has; templated. See `drillyard.rounds.settling`.
    """

    cloud: str
    connection_type: str
    template_fields: Sequence[str] = ("item", "beside")
    ui_color = "#d9ead3"

    def __init__(self, *, item: dict[str, Any], poll: float = 0.5, beside: int | str = 1, **kwargs: Any) -> None:
        kwargs.setdefault("map_index_template", "{{ label }}")
        super().__init__(**kwargs)
        self.item, self.poll, self.beside = item, poll, beside

    def execute(self, context: Context) -> str:
        from drillyard.clients import desk
        from include.recovery import drill
        from include.recovery.conclude import hold
        from include.recovery.model import PlanItem, Status

        item = PlanItem.model_validate(self.item)
        _label(context, item.label)
        if item.cloud != self.cloud:
            raise AirflowFailException(f"{type(self).__name__} restores {self.cloud} datastores; {item.label} is on {item.cloud}")
        opened = desk(self.cloud)
        try:
            sandbox = drill.begin(opened, item)
        except drill.Held as held:
            hold(opened, item, str(held))
            raise AirflowSkipException(f"{item.label} is held: {held}") from None
        except drill.Halted as halted:
            raise AirflowFailException(f"{item.label}: {halted}") from None
        if sandbox.status is not Status.SUCCEEDED:
            self._wait(context)
        # A retry that finds its sandbox ready has nothing to wait for.
        return self.secure(context, {"status": "succeeded"})

    def _wait(self, context: Context, rest: float = 0.0) -> NoReturn:
        """Give the worker slot back until the sandbox is ready, or the drill is halted."""
        settle = settling(context["dag_run"], int(self.beside), context["ti"].try_number)
        self.defer(trigger=SandboxTrigger(item=self.item, poll=self.poll, rest=rest, settle=settle), method_name="secure")
        raise AssertionError("defer does not return")

    def secure(self, context: Context, event: dict[str, str]) -> str:
        """Called back when the sandbox is ready or the drill was halted. While the cloud is at it (a password takes minutes on
        some), the slot is given back again.
        """
        from drillyard.clients import desk
        from include.recovery import drill
        from include.recovery.contracts import Transient
        from include.recovery.model import PlanItem

        item = PlanItem.model_validate(self.item)
        _label(context, item.label)
        if event["status"] == "halted":
            raise AirflowFailException(f"{item.label}: {event['reason']}")
        try:
            drill.secure(desk(self.cloud), item)
        except drill.Halted as halted:
            raise AirflowFailException(f"{item.label}: {halted}") from None
        except Transient as unfinished:
            self.log.info("%s: %s", item.label, unfinished)
            self._wait(context, rest=4 * self.poll)
        return item.drill_id

    def on_kill(self) -> None:
        """A person stopped the task: end the lease now; the reaper discards what it names."""
        from drillyard.clients import desk
        from include.recovery import leases
        from include.recovery.model import PlanItem

        leases.expire_now(desk(self.cloud), PlanItem.model_validate(self.item))


def _label(context: Context, label: str) -> None:
    """What `map_index_template` shows for this mapped task."""
    context["label"] = label  # type: ignore[typeddict-unknown-key]


class SelfHostedRestoreOperator(RestoreOperator):
    """Restore a self-hosted PostgreSQL from its base backups and WAL, or from a dump, on the restore host."""

    cloud = "selfhosted"
    connection_type = "postgres"


class RdsRestoreOperator(RestoreOperator):
    """Restore an RDS for PostgreSQL instance from its automated backups, a snapshot or a copy, in the recovery account."""

    cloud = "aws"
    connection_type = "aws"


class CloudSqlRestoreOperator(RestoreOperator):
    """Restore a Cloud SQL for PostgreSQL instance from a backup run or to a point in time, in the sandbox project."""

    cloud = "google"
    connection_type = "google_cloud_platform"


class AzurePostgresRestoreOperator(RestoreOperator):
    """Restore an Azure Database for PostgreSQL (Flexible Server) to a point in time, in the sandbox resource group."""

    cloud = "azure"
    connection_type = "azure"


RESTORE_OPERATORS: dict[str, type[RestoreOperator]] = {
    operator.cloud: operator
    for operator in (RdsRestoreOperator, AzurePostgresRestoreOperator, CloudSqlRestoreOperator, SelfHostedRestoreOperator)
}
"""By cloud, for the task groups of `drill_restores`."""
