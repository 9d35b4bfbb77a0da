"""Azure's resource manager: routes from the SDKs, errors in ARM's envelope, and operations that take time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from include.lab.azure import contract
from include.lab.double import Answer, Call, ControlPlane
from include.lab.managed import ManagedPlane
from include.values import utcnow

CODES = {
    400: "BadRequest",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
_OPERATION = "/subscriptions/{subscription}/providers/{provider}/locations/{location}/azureAsyncOperation/{id}"


class Refused(Exception):
    """What a provider answers instead of a result."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code or CODES.get(status, "Error")


@dataclass(frozen=True)
class Request:
    """A request whose route is known."""

    variables: Mapping[str, str]
    body: dict[str, Any]
    call: Call


Serve = Callable[[Request], Answer]


class ArmPlane(ControlPlane):
    """The SDKs that are loaded and the calls that providers have joined. A real call that none has joined answers 501."""

    def __init__(self, *packages: str, pace: float) -> None:
        super().__init__()
        self._routes = [route for package in packages for route in contract.routes(package)]
        self._calls: dict[str, Serve] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        self.pace = pace
        """Seconds that an operation is in progress at least."""
        self.stalled: set[str] = set()
        """Names of resources whose operations never finish."""
        self.data: ManagedPlane | None = None

    def join(self, calls: Mapping[str, Serve]) -> None:
        """Add a provider's calls by the SDK's names. Raises KeyError for one that no loaded SDK makes."""
        known = {route.operation for route in self._routes}
        for name, serve in calls.items():
            if name not in known:
                raise KeyError(f"{name} is no call of the loaded SDKs")
            self._calls[name] = serve

    def operation(self, call: Call) -> str:
        if "/azureasyncoperation/" in call.path.lower():
            return "operation_status"
        found = contract.find(self._routes, call.method, call.path)
        return found[0].operation if found else f"{call.method} {call.path}"

    def refusal(self, status: int, message: str) -> Answer:
        return self._refused(Refused(status, message))

    def _refused(self, refused: Refused) -> Answer:
        headers = {"Retry-After": "1"} if refused.status == 429 else {}
        return Answer(refused.status, {"error": {"code": refused.code, "message": str(refused)}}, headers)

    def answer(self, call: Call) -> Answer:
        if "/azureasyncoperation/" in call.path.lower():
            return self._status(call.path.rsplit("/", 1)[1])
        found = contract.find(self._routes, call.method, call.path)
        try:
            if found is None:
                raise Refused(404, f"The resource type of {call.path} could not be found.", "InvalidResourceType")
            route, variables = found
            version = call.one("api-version")
            if version != route.api_version:
                raise Refused(
                    400, f"api-version {version!r}: this double speaks {route.api_version}", "InvalidApiVersionParameter"
                )
            if route.operation not in self._calls:
                raise Refused(501, f"{route.operation} is a real call that this double does not implement")
            return self._calls[route.operation](Request(variables, dict(call.json() or {}), call))
        except Refused as refused:
            return self._refused(refused)
        except contract.Invalid as invalid:
            return self._refused(Refused(400, str(invalid), "InvalidRequestContent"))

    # ---- operations ----------------------------------------------------------------------------------------------

    def begin(self, request: Request, place: tuple[str, str, str], work: Callable[[], object]) -> Answer:
        """Begin an operation: 202, and where to ask for it. `place`: (provider, location, name of the resource)."""
        provider, location, target = place
        identifier = str(uuid.uuid4())
        self._operations[identifier] = {"name": identifier, "status": "InProgress", "startTime": utcnow().isoformat()}
        threading.Thread(target=self._run, args=(identifier, target, work), daemon=True).start()
        known = {
            "subscription": request.variables["subscriptionId"],
            "provider": provider,
            "location": location,
            "id": identifier,
        }
        url = f"http://{request.call.headers['host']}{_OPERATION.format(**known)}?api-version={request.call.one('api-version')}"
        # Without x-ms-retry-after-ms the SDK waits thirty seconds; Retry-After of less than one second is not possible.
        return Answer(202, {}, {"Azure-AsyncOperation": url, "Location": url, "x-ms-retry-after-ms": "100"})

    def _run(self, identifier: str, target: str, work: Callable[[], object]) -> None:
        time.sleep(self.pace)
        while target in self.stalled:
            time.sleep(0.05)
        operation = self._operations[identifier]
        try:
            work()
        except Exception as error:  # whatever the data plane says is the operation's error
            operation.update(error={"code": "InternalServerError", "message": str(error)[:500]}, endTime=utcnow().isoformat())
            operation["status"] = "Failed"
        else:
            operation.update(endTime=utcnow().isoformat())
            operation["status"] = "Succeeded"

    def _status(self, identifier: str) -> Answer:
        if identifier not in self._operations:
            return self._refused(Refused(404, f"operation {identifier} is not known"))
        return Answer(200, dict(self._operations[identifier]), {"x-ms-retry-after-ms": "100"})
