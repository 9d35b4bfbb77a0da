"""Google's clients from Airflow's Google connection: its credentials, with whatever federation and impersonation it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.clouds.google.clients import Google


def clients(_: Any = None) -> Callable[[str], Google]:
    """What `include.clouds.google` is handed inside Airflow, whatever the cloud's settings."""
    return google


def google(conn_id: str) -> Google:
    """The Cloud SQL client of a connection of type google_cloud_platform; hand this to the room as `clients`.

    Extra ``endpoint`` names another host (the lab's). Raises LookupError for an unknown connection, PermissionError for a key
    that lies in the connection.
    """
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    from drillyard.clients import connection
    from include.clouds.google.clients import ENDPOINT, Google, from_connection, refuse_key
    from include.clouds.managed import allowed

    info = connection(conn_id)
    if info.extra.get("is_anonymous"):
        return from_connection(info)
    endpoint = allowed(str(info.extra.get("endpoint", ENDPOINT)))
    refuse_key(info)
    hook = GoogleBaseHook(gcp_conn_id=conn_id, impersonation_chain=info.extra.get("impersonation_chain"))
    return Google(hook.get_credentials(), endpoint)
