"""The verb `verify`: one base operator, and one operator a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class VerifyOperator(BaseOperator):
    """Verify every backup of one account and region in one batched sweep; returns ``{datastore id: verdict}``.

    Writes one verification record a datastore, and the canary's. Succeeds when it could write them: the verdict task judges.

    :param batch: ``{"cloud": …, "region": …, "full": bool}``; templated, so it may be mapped.
    """

    cloud: str
    connection_type: str
    template_fields: Sequence[str] = ("batch",)
    ui_color = "#d0e0f0"

    def __init__(self, *, batch: dict[str, Any], **kwargs: Any) -> None:
        kwargs.setdefault("map_index_template", "{{ label }}")
        super().__init__(**kwargs)
        self.batch = batch

    def execute(self, context: Context) -> dict[str, str]:
        from drillyard.clients import desk
        from include.recovery import nightly

        context["label"] = f"{self.batch['cloud']} {self.batch['region']}"  # type: ignore[typeddict-unknown-key]
        records = nightly.verify_region(desk(self.cloud), self.batch["region"], full=self.batch.get("full"))
        return nightly.outcome(records)


class SelfHostedVerifyOperator(VerifyOperator):
    """Verify base backups, WAL archives and dumps of self-hosted PostgreSQL."""

    cloud = "selfhosted"
    connection_type = "postgres"


class RdsVerifyOperator(VerifyOperator):
    """Verify RDS for PostgreSQL: automated backups, snapshots, copies and vaults."""

    cloud = "aws"
    connection_type = "aws"


class CloudSqlVerifyOperator(VerifyOperator):
    """Verify Cloud SQL for PostgreSQL: backup runs, transaction logs, protection."""

    cloud = "google"
    connection_type = "google_cloud_platform"


class AzurePostgresVerifyOperator(VerifyOperator):
    """Verify Azure Database for PostgreSQL (Flexible Server): backups, restore window, geo-redundancy."""

    cloud = "azure"
    connection_type = "azure"


VERIFY_OPERATORS: dict[str, type[VerifyOperator]] = {
    operator.cloud: operator
    for operator in (RdsVerifyOperator, AzurePostgresVerifyOperator, CloudSqlVerifyOperator, SelfHostedVerifyOperator)
}
"""By cloud, for the task groups of `verify_backups`."""
