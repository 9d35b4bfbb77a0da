"""Faults at the door of the lab's AWS: which call, how often, what the client sees."""

from __future__ import annotations

from typing import Literal

from include.values import Frozen

Kind = Literal["throttle", "error", "lost", "expired", "denied", "refused"]
"""``lost``: the call takes effect and the connection breaks before its answer. ``refused``: it breaks before the call."""

CODES: dict[str, tuple[int, str, str]] = {
    "throttle": (400, "Throttling", "Rate exceeded"),
    "error": (500, "InternalFailure", "An internal error has occurred."),
    "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
    "denied": (403, "AccessDenied", "User is not authorized to perform this operation"),
}
"""HTTP status, code and message, as in Amazon's list of common errors (CommonErrors.html of each API reference)."""


class Call(Frozen):
    """One request that came to the door."""

    number: int
    service: str
    action: str
    region: str
    access_key: str
    body: str = ""


class Fault(Frozen):
    """What happens to calls that fit."""

    kind: Kind
    nth: int = 1
    """The first fitting call that is hit, counted from when the fault was planted."""
    count: int | None = 1
    """How many in a row; None: all from then on."""
    service: str | None = None
    action: str | None = None
    region: str | None = None
    account: str | None = None
    containing: str | None = None
    """Only requests with this text in their body."""

    def fits(self, call: Call, account: str) -> bool:
        wanted = ((self.service, call.service), (self.action, call.action), (self.region, call.region), (self.account, account))
        return all(want in (None, there) for want, there in wanted) and (self.containing or "") in call.body


class Faults:
    """The planted faults, each with the number of fitting calls so far."""

    def __init__(self) -> None:
        self._planted: list[tuple[Fault, list[int]]] = []

    def plant(self, fault: Fault) -> None:
        self._planted.append((fault, [0]))

    def clear(self) -> None:
        self._planted.clear()

    def hits(self) -> int:
        """How many calls were hit since the last `clear`."""
        return sum(max(0, min(seen[0] - f.nth + 1, f.count or seen[0])) for f, seen in self._planted)

    def take(self, call: Call, account: str) -> Kind | None:
        """The fault that this call gets; every fitting fault counts it."""
        hit: Kind | None = None
        for fault, seen in self._planted:
            if fault.fits(call, account):
                seen[0] += 1
                over = fault.count is not None and seen[0] >= fault.nth + fault.count
                if seen[0] >= fault.nth and not over and hit is None:
                    hit = fault.kind
        return hit


def answer(kind: str, service: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error in the service's own protocol."""
    import json

    status, code, message = CODES[kind]
    if service in ("kms", "tagging", "secretsmanager", "logs", "ecs", "monitoring"):
        name = {"Throttling": "ThrottlingException", "ExpiredToken": "ExpiredTokenException"}.get(code, code)
        name = "AccessDeniedException" if name == "AccessDenied" else name
        body = json.dumps({"__type": name, "message": message})
        return status, {"Content-Type": "application/x-amz-json-1.1"}, body.encode()
    if service in ("backup", "eks"):
        name = {"Throttling": "ThrottlingException", "ExpiredToken": "ExpiredTokenException"}.get(code, code)
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": name}
        return status, headers, json.dumps({"message": message}).encode()
    if service == "s3":
        if code == "Throttling":
            status, code = 503, "SlowDown"
        xml = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>lab</RequestId></Error>"
    elif service == "ec2":
        code = {
            "Throttling": "RequestLimitExceeded",
            "ExpiredToken": "RequestExpired",
            "AccessDenied": "UnauthorizedOperation",
        }.get(code, code)
        inner = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        xml = f"<Response>{inner}<RequestID>lab</RequestID></Response>"
    else:
        xml = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            "<RequestId>lab</RequestId></ErrorResponse>"
        )
    return status, {"Content-Type": "text/xml"}, xml.encode()
