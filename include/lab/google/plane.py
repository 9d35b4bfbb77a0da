"""Google's control plane: every real method has a route, every body is held against Google's schema, both ways."""

from __future__ import annotations

import email
import json
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from include.lab.double import Answer, Call, ControlPlane
from include.lab.google import discovery
from include.lab.google.discovery import Invalid, Route
from include.lab.managed import ManagedPlane

REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 409: "conflict", 429: "rateLimitExceeded", 500: "backendError"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    501: "UNIMPLEMENTED",
}


class Refused(Exception):
    """What a service answers instead of a result: a status, Google's reason word, and a message."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.reason = status, reason or REASONS.get(status, "unknown")


class Request:
    """A request that fits its method's schema."""

    def __init__(self, route: Route, call: Call, body: dict[str, Any]) -> None:
        self.variables, self.body = route.variables, body
        self._call = call

    def query(self, name: str, default: str = "") -> str:
        return self._call.one(name, default)


Serve = Callable[[Request], dict[str, Any]]
"""Does one method; raises Refused."""


class GooglePlane(ControlPlane):
    """The APIs that are loaded and the methods that services have joined. A real method that none has joined answers 501."""

    def __init__(self, *apis: tuple[str, str]) -> None:
        super().__init__()
        self._apis = [discovery.api(name, version) for name, version in apis]
        self._methods: dict[str, Serve] = {}
        self.data: ManagedPlane | None = None
        """The servers behind it; None: control plane only."""

    def join(self, methods: Mapping[str, Serve]) -> None:
        """Add a service's methods by Google's names. Raises KeyError for a name that is in no loaded document."""
        known = {method.id for api in self._apis for method in api.methods}
        for name, serve in methods.items():
            if name not in known:
                raise KeyError(f"{name} is no method of {', '.join(api.name for api in self._apis)}")
            self._methods[name] = serve

    def operation(self, call: Call) -> str:
        if call.path.startswith("/batch"):
            return "batch"
        route = discovery.find(self._apis, call.method, call.path)
        return route.method.id if route else f"{call.method} {call.path}"

    def refusal(self, status: int, message: str) -> Answer:
        return self._refused(Refused(status, message))

    def answer(self, call: Call) -> Answer:
        if call.path.startswith("/batch") and call.method == "POST":
            return self._batch(call)
        route = discovery.find(self._apis, call.method, call.path)
        if route is None:
            return self._refused(Refused(404, f"Method not found: {call.method} {call.path}"))
        api = discovery.api(*route.method.api.split("."))
        try:
            body = self._checked(route, call, api)
            if route.method.id not in self._methods:
                raise Refused(501, f"{route.method.id} is a real method that this double does not implement", "notImplemented")
            result = self._methods[route.method.id](Request(route, call, body))
        except Refused as refused:
            return self._refused(refused)
        if route.method.response:
            api.check(route.method.response, result)
        return Answer(200, result)

    def _checked(self, route: Route, call: Call, api: discovery.Api) -> dict[str, Any]:
        unknown = sorted(set(call.query) - route.method.parameters)
        try:
            if unknown:
                raise Invalid(f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot bind query parameter.')
            body = call.json() or {}
            if route.method.request:
                api.check(route.method.request, body)
        except ValueError as error:
            raise Refused(400, str(error)) from error
        return dict(body)

    def _refused(self, refused: Refused) -> Answer:
        error = {"message": str(refused), "domain": "global", "reason": refused.reason}
        envelope = {
            "code": refused.status,
            "message": str(refused),
            "errors": [error],
            "status": STATUSES.get(refused.status, ""),
        }
        return Answer(refused.status, {"error": envelope})

    def _batch(self, call: Call) -> Answer:
        """Many requests in one multipart body, each answered by itself, as Google's batch endpoint does."""
        head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + call.body).get_payload()
        boundary = "batch_double"
        pieces = []
        for part in (one for one in parts if isinstance(one, Message)) if isinstance(parts, list) else ():
            answered = self.answer(_inner(part))
            # A long header comes in two lines.
            identifier = " ".join(str(part["Content-ID"] or "").split()).strip("<>")
            pieces.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{identifier}>\r\n\r\n"
                f"HTTP/1.1 {answered.status} Answer\r\nContent-Type: application/json\r\n\r\n{json.dumps(answered.body)}\r\n"
            )
        body = "".join([*pieces, f"--{boundary}--\r\n"]).encode()
        return Answer(200, body, {"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _inner(part: Message) -> Call:
    """The request in one part of a batch."""
    from urllib.parse import parse_qs, urlsplit

    text = str(part.get_payload())
    head, _, body = text.partition("\n\n")
    method, target, _ = head.splitlines()[0].split(" ", 2)
    parts = urlsplit(target)
    return Call(method, parts.path, parse_qs(parts.query), {}, body.strip().encode())
