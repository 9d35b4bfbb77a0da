"""Azure's PostgreSQL management client from a connection, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include.clouds.managed import NotThere, Refusal, Taken, allowed
from include.connections import ConnectionInfo
from include.recovery.contracts import Transient

if TYPE_CHECKING:
    from include.clouds.azure.settings import Sandboxes

ENDPOINT = "https://management.azure.com"
_AGAIN = (408, 429, 500, 502, 503, 504)
_AGAIN_CODES = ("ServerIsBusy", "AnotherOperationInProgress", "OperationNotAllowedOnServerBusy")

Clients = Callable[[str], "ConnectionInfo | Azure"]


class Azure:
    """The management API of one subscription. `endpoint`: another host than Azure's own (the lab)."""

    def __init__(self, credential: Any, subscription: str, endpoint: str = ENDPOINT) -> None:
        from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

        self._credential, self.subscription, self._endpoint = credential, subscription, allowed(endpoint).rstrip("/")
        self.postgres: Any = self._client(PostgreSQLManagementClient)

    def _client(self, kind: Any) -> Any:
        """A management client behind the fence."""
        lab = {"authentication_policy": _unsigned()} if self._credential is None else {}
        return kind(
            self._credential if self._credential is not None else _NoCredential(),
            self.subscription,
            base_url=self._endpoint,
            # Looking again is the drill's decision, so the client does not repeat a request by itself.
            retry_total=0,
            per_retry_policies=[_fence()],
            **lab,
        )

    @cached_property
    def compute(self) -> Any:
        """Virtual machines and scale sets."""
        from azure.mgmt.compute import ComputeManagementClient

        return self._client(ComputeManagementClient)

    @cached_property
    def clusters(self) -> Any:
        """AKS."""
        from azure.mgmt.containerservice import ContainerServiceClient

        return self._client(ContainerServiceClient)

    @cached_property
    def metrics(self) -> Any:
        """Azure Monitor."""
        from azure.mgmt.monitor import MonitorManagementClient

        return self._client(MonitorManagementClient)

    def of(self, subscription: str) -> Azure:
        """The same identity in another subscription."""
        return self if subscription == self.subscription else Azure(self._credential, subscription, self._endpoint)


class _NoCredential:
    """What the lab's double is shown: nothing."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        raise PermissionError("the lab needs no token, and none is asked for outside of it")


def _unsigned() -> Any:
    """In place of the policy that sends a bearer token, which refuses plain HTTP."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    return SansIOHTTPPolicy()


def _fence() -> Any:
    """Asks `allowed` before every request, polls and redirects included."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Fence(SansIOHTTPPolicy):  # type: ignore[type-arg]
        def on_request(self, request: Any) -> None:
            allowed(request.http_request.url)

    return Fence()


@contextmanager
def translated() -> Iterator[None]:
    """Azure's errors as ours: Transient when the outcome is unknown, NotThere, Taken, PermissionError or ValueError."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError as error:
        raise PermissionError(f"Azure does not know the connection's identity: {error.message}") from error
    except HttpResponseError as error:
        raise meaning(error) from error
    except AzureError as error:
        raise Transient(f"Azure did not answer: {type(error).__name__}: {error}") from error


def meaning(error: Any) -> Exception:
    """What an HttpResponseError is for us."""
    status, code = int(error.status_code or 0), str(error.error.code if error.error else "")
    text = f"Azure answered {status} {code}: {error.error.message if error.error else error.message}"
    if status in _AGAIN or status == 0 or code in _AGAIN_CODES:
        return Transient(text)
    if status == 404:
        return NotThere(text)
    if code == "ServerNameAlreadyExists":
        return Taken(text)
    if status in (401, 403):
        return PermissionError(f"{text}: give the connection's identity the role of docs/azure.md")
    return Refusal(text)


def word(value: Any) -> str:
    """A word of Azure's as it is written on the wire: the SDK makes enums of those that it knows."""
    return str(getattr(value, "value", value))


def from_connection(info: ConnectionInfo, subscription: str) -> Azure:
    """A client from a connection of type azure, without Airflow.

    Extra: ``endpoint`` (the lab's URL, shown no token), ``managed_identity_client_id``,
    ``workload_identity_tenant_id``. Otherwise `DefaultAzureCredential`: workload identity, managed identity, and so on.
    A client secret in the connection is refused.
    """
    extra = info.extra
    if "endpoint" in extra:
        return Azure(None, subscription, str(extra["endpoint"]))
    allowed(ENDPOINT)
    refuse_secret(info)
    from azure.identity import DefaultAzureCredential

    named = {name: extra[name] for name in ("managed_identity_client_id", "workload_identity_tenant_id") if extra.get(name)}
    return Azure(DefaultAzureCredential(**named), subscription)


def refuse_secret(info: ConnectionInfo) -> None:
    """Raise PermissionError when a connection holds an application's secret."""
    if info.password or "clientSecret" in info.extra:
        raise PermissionError(f"connection {info.conn_id} holds a long-lived secret: use a managed identity (docs/azure.md)")


def opened(clients: Clients, settings: Sandboxes) -> Azure:
    """The client of the settings' connection, from whichever kind of `clients` was handed in."""
    given = clients(settings.connection)
    return given if isinstance(given, Azure) else from_connection(given, settings.subscription)


def of_subscription(clients: Clients, connection: str, subscription: str) -> Azure:
    """The client of a connection in one subscription."""
    given = clients(connection)
    return given.of(subscription) if isinstance(given, Azure) else from_connection(given, subscription)
