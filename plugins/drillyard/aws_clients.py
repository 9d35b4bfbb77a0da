"""AWS clients from the amazon provider's hook: whatever an Airflow connection can say (keys, roles, SAML, web identity,
a secrets backend) works for drills too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.clouds.aws.clients import Account, AwsClients


def clients(_: Any = None) -> AwsClients:
    """What `include.clouds.aws` is handed inside Airflow, whatever the cloud's settings."""
    from drillyard.clients import connection
    from include.clouds.aws.clients import AwsClients

    return AwsClients(open_account, connection)


def open_account(conn_id: str) -> Account:
    """A session of the hook. Raises LookupError for an unknown connection, ValueError for one of another type, and in a
    lab PermissionError before the hook could ask a real STS for a role."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from drillyard.clients import connection
    from include.clouds.aws.clients import Account, config, endpoint_from_environment, fence_account

    # The hook asks STS for a role at no endpoint but the service's own, whatever the connection's global one says.
    fence_account(connection(conn_id), role_at_global_endpoint=False)
    hook = AwsBaseHook(aws_conn_id=conn_id, client_type="sts", config=config())

    def endpoint(service: str) -> str | None:
        return hook.conn_config.get_service_endpoint_url(service) or endpoint_from_environment(service)

    return Account(conn_id, hook.get_session(), endpoint)
