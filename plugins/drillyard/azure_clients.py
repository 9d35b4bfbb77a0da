"""Azure's client from Airflow's Azure connection: a managed or a workload identity, never a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.clouds.azure.clients import Azure
    from include.clouds.azure.settings import Sandboxes


def clients(settings: Sandboxes | None) -> Callable[[str], Azure]:
    """What `include.clouds.azure` is handed inside Airflow. A platform that restores nothing on Azure has no settings for it:
    what is put to sleep names its own subscription."""
    return azure(settings.subscription if settings else "")


def azure(subscription: str) -> Callable[[str], Azure]:
    """Gives clients by connection id (type azure) for one subscription; hand what it returns to the room as `clients`.

    The provider's own hook passes credentials in a form that today's management clients do not take, so only its choice of an
    identity is used. Raises LookupError for an unknown connection, PermissionError for a secret that lies in the connection.
    """

    def client(conn_id: str) -> Azure:
        from airflow.providers.microsoft.azure.utils import get_sync_default_azure_credential

        from drillyard.clients import connection
        from include.clouds.azure.clients import ENDPOINT, Azure, from_connection, refuse_secret
        from include.clouds.managed import allowed

        info = connection(conn_id)
        if "endpoint" in info.extra:
            return from_connection(info, subscription)
        allowed(ENDPOINT)
        refuse_secret(info)
        credential = get_sync_default_azure_credential(
            managed_identity_client_id=info.extra.get("managed_identity_client_id"),
            workload_identity_tenant_id=info.extra.get("workload_identity_tenant_id"),
        )
        return Azure(credential, subscription)

    return client
