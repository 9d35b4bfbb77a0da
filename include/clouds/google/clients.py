"""The Cloud SQL Admin API: a client from a connection, pages, batches, and what its errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.clouds.managed import NotThere, Refusal, Taken, allowed
from include.connections import ConnectionInfo
from include.recovery.contracts import Transient

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""Google's advice for accounts whose rights are limited by roles: docs/google.md."""
ENDPOINT = "https://sqladmin.googleapis.com"
APIS = {
    "sqladmin": ("v1", ENDPOINT, ""),
    "compute": ("v1", "https://compute.googleapis.com", "/compute/v1"),
    "container": ("v1", "https://container.googleapis.com", ""),
    "monitoring": ("v3", "https://monitoring.googleapis.com", ""),
}
"""Version, host, and the path below it, which the client's own base has and another endpoint lacks."""
BATCH = 100
"""Requests in one batch, the most that Google takes."""
_AGAIN = (408, 429, 500, 502, 503, 504)
_AGAIN_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "operationInProgress")

Clients = Callable[[str], "ConnectionInfo | Google"]


class Google:
    """Cloud SQL Admin v1, with credentials. `endpoint`: another host than Google's own (the lab)."""

    def __init__(self, credentials: Any, endpoint: str = ENDPOINT) -> None:
        self.endpoint = allowed(endpoint).rstrip("/")
        self._credentials, self._local = credentials, threading.local()
        self._apis: dict[str, Any] = {}
        self.sql: Any = self.api("sqladmin")

    def host(self, name: str) -> str:
        """Where an API is: on Google's host for it, or with all others at the endpoint of the lab."""
        return APIS[name][1] if self.endpoint == ENDPOINT else self.endpoint

    def api(self, name: str) -> Any:
        """One of `APIS`, built when it is first asked for."""
        from google.api_core.client_options import ClientOptions
        from googleapiclient.discovery import build  # type: ignore[import-untyped]

        if name not in self._apis:
            version, _, path = APIS[name]
            options = ClientOptions(api_endpoint=self.host(name) + path)
            self._apis[name] = build(
                name, version, http=self._http(), client_options=options, static_discovery=True, cache_discovery=False
            )
        return self._apis[name]

    def _http(self) -> Any:
        """The HTTP client of this thread: Google's library shares none between two."""
        from google_auth_httplib2 import AuthorizedHttp  # type: ignore[import-untyped]

        if not hasattr(self._local, "http"):
            self._local.http = AuthorizedHttp(self._credentials, http=fenced_http())
        return self._local.http

    def call(self, request: Any) -> dict[str, Any]:
        """Send one request. Raises Transient when the outcome is unknown, NotThere, Taken, PermissionError or ValueError."""
        from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

        try:
            return dict(request.execute(http=self._http(), num_retries=0))
        except HttpError as error:
            raise meaning(error) from error
        except PermissionError:
            raise
        except Exception as error:
            raise _unanswered(error) from error

    def pages(self, collection: Any, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Every item of a listing, a page at a time."""
        request = collection.list(**arguments)
        while request is not None:
            told = self.call(request)
            yield from told.get("items", ())
            request = collection.list_next(request, told)

    def batch(self, requests: Mapping[str, Any], api: str = "sqladmin") -> dict[str, dict[str, Any] | Exception]:
        """Send many requests, a hundred to a call. Gives each one's answer or its error, by the names given."""
        from googleapiclient.http import BatchHttpRequest  # type: ignore[import-untyped]

        answers: dict[str, dict[str, Any] | Exception] = {}

        def note(name: str, answer: Any, error: Any) -> None:
            answers[name] = meaning(error) if error is not None else answer

        names = list(requests)
        for start in range(0, len(names), BATCH):
            # The client's own batches go to Google's host whatever the endpoint is.
            many = BatchHttpRequest(callback=note, batch_uri=f"{self.host(api)}/batch{APIS[api][2]}")
            for name in names[start : start + BATCH]:
                many.add(requests[name], request_id=name)
            try:
                many.execute(http=self._http())
            except PermissionError:
                raise
            except Exception as error:
                raise _unanswered(error) from error
        return answers


def meaning(error: Any) -> Exception:
    """What an HttpError is for us."""
    import json

    status = int(error.resp.status)
    try:
        told = json.loads(error.content)["error"]
        reason, said = str(told["errors"][0]["reason"]), str(told["message"])
    except (ValueError, KeyError, IndexError, TypeError):
        reason, said = "", str(error)
    text = f"Google answered {status} {reason}: {said}"
    if status in _AGAIN or reason in _AGAIN_REASONS:
        return Transient(text)
    if status == 404:
        return NotThere(text)
    if reason == "instanceAlreadyExists":
        return Taken(text)
    if status in (401, 403):
        return PermissionError(f"{text}: give the connection's account the role of docs/google.md")
    return Refusal(text)


def _unanswered(error: Exception) -> Transient:
    return Transient(f"Google did not answer: {type(error).__name__}: {error}")


def fenced_http() -> Any:
    """An HTTP client that asks `allowed` before every request, redirects included, and does not repeat by itself."""
    import httplib2  # type: ignore[import-untyped]

    class Fenced(httplib2.Http):  # type: ignore[misc]
        def request(self, uri: str, *arguments: Any, **named: Any) -> Any:
            return super().request(allowed(uri), *arguments, **named)

    made = Fenced(timeout=60)
    made.redirect_codes = made.redirect_codes - {308}
    made.follow_redirects = False
    return made


def from_connection(info: ConnectionInfo) -> Google:
    """A client from a connection of type google_cloud_platform, without Airflow.

    Extra: ``endpoint`` (the lab's URL), ``is_anonymous``, ``impersonation_chain`` (an account or a list). Without them:
    Application Default Credentials, which workload identity federation fills. A key in the connection is refused.
    """
    extra = info.extra
    if extra.get("is_anonymous"):
        from google.auth.credentials import AnonymousCredentials

        return Google(AnonymousCredentials(), str(extra.get("endpoint", ENDPOINT)))  # type: ignore[no-untyped-call]
    allowed(str(extra.get("endpoint", ENDPOINT)))
    refuse_key(info)
    import google.auth
    from google.auth import impersonated_credentials

    credentials, _ = google.auth.default(scopes=list(SCOPES))
    chain = extra.get("impersonation_chain") or []
    for account in [chain] if isinstance(chain, str) else chain:
        credentials = impersonated_credentials.Credentials(credentials, account, list(SCOPES))  # type: ignore[no-untyped-call]
    return Google(credentials, str(extra.get("endpoint", ENDPOINT)))


def refuse_key(info: ConnectionInfo) -> None:
    """Raise PermissionError when a connection holds a service account's key."""
    if {"keyfile_dict", "key_path"} & set(info.extra):
        raise PermissionError(
            f"connection {info.conn_id} holds a long-lived key: use workload identity federation (docs/google.md)"
        )


def opened(clients: Clients, connection: str) -> Google:
    """The client of one connection, from whichever kind of `clients` was handed in."""
    given = clients(connection)
    return given if isinstance(given, Google) else from_connection(given)
