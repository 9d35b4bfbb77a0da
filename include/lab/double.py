"""What the doubles of control planes share: an HTTP server on loopback, an admin door, faults at the N-th call, and counting.

The door is ``POST /lab/COMMAND`` with a JSON object, answered with JSON. Every double has the commands of `Door`:

``fault``     ``{"kind", "at", "times", "match", "seconds"}``: see `Fault`. ``{}`` forgets all faults.
``outage``    ``{"on": true}``: every request is cut off without an answer, as when the control plane is down.
``calls``     ``{"reset": false}``: what was called, in order, by the vendor's own operation names.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from include.values import Frozen

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON; an empty one is None. Raises ValueError."""
        return json.loads(self.body) if self.body.strip() else None

    def one(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return (self.query.get(name) or [default])[-1]


@dataclass(frozen=True)
class Answer:
    """One response. `body` is sent as JSON, bytes as they are, None as nothing."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Fault(Frozen):
    """Something that goes wrong at calls `at` to ``at + times - 1`` of those that `match`, counted from now."""

    kind: Literal["throttle", "error", "lost", "drop", "hang"]
    """``throttle`` 429 and ``error`` 500 before anything is done; ``lost``: it is done and the answer never arrives;
    ``drop``: cut off before anything is done; ``hang``: answered `seconds` late."""
    at: int = 1
    times: int = 1
    match: str = ""
    """A part of the operation's name. Empty: every operation."""
    seconds: float = 0.0


class Door:
    """Faults and counts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[list[Any]] = []
        self._log: list[str] = []
        self.outage = False

    def meet(self, operation: str) -> Fault | None:
        """Count a call and give the fault that it meets, if any."""
        with self._lock:
            self._log.append(operation)
            met = None
            for entry in self._faults:
                fault, seen = entry
                if fault.match not in operation:
                    continue
                entry[1] = seen + 1
                if met is None and fault.at <= entry[1] < fault.at + fault.times:
                    met = fault
            return met

    def command(self, name: str, given: Mapping[str, Any]) -> Any:
        """One of the commands that every double has. Raises KeyError for another."""
        with self._lock:
            if name == "fault":
                self._faults = [*self._faults, [Fault.model_validate(given), 0]] if given else []
                return {"faults": len(self._faults)}
            if name == "outage":
                self.outage = bool(given.get("on"))
                return {"outage": self.outage}
            if name == "calls":
                told = {"total": len(self._log), "by_operation": dict(Counter(self._log)), "log": list(self._log)}
                if given.get("reset"):
                    self._log.clear()
                return told
        raise KeyError(name)


class ControlPlane(ABC):
    """One vendor's control plane. Subclasses answer; the server around them counts, fails and serves the door."""

    def __init__(self) -> None:
        self.door = Door()
        self.commands: dict[str, Callable[[Mapping[str, Any]], Any]] = {}

    @abstractmethod
    def operation(self, call: Call) -> str:
        """The vendor's name of what is called, for counting and faults."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Do it."""

    @abstractmethod
    def refusal(self, status: int, message: str) -> Answer:
        """An error in the vendor's shape."""

    def serve(self, call: Call) -> Answer | None:
        """An answer, or None: the connection is cut."""
        if call.path.startswith("/lab/"):
            return self._at_the_door(call)
        if self.door.outage:
            return None
        fault = self.door.meet(self.operation(call))
        kind = fault.kind if fault else ""
        if fault and kind == "hang":
            time.sleep(fault.seconds)
        if kind == "drop":
            return None
        if kind == "throttle":
            return self.refusal(429, "Quota exceeded: this is a planted fault of the lab")
        if kind == "error":
            return self.refusal(500, "Internal error: this is a planted fault of the lab")
        try:
            answered = self.answer(call)
        except Exception as error:  # an answer that breaks the vendor's own schema must be seen
            answered = self.refusal(500, f"the double itself failed: {type(error).__name__}: {error}")
        return None if kind == "lost" else answered

    def _at_the_door(self, call: Call) -> Answer:
        name, given = call.path.removeprefix("/lab/"), call.json() or {}
        try:
            done = self.commands[name](given) if name in self.commands else self.door.command(name, given)
        except Exception as error:  # whatever it is, who knocked shall read it
            return Answer(400, {"error": f"door command {name!r}: {type(error).__name__}: {error}"})
        return Answer(200, done)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, has it answered, writes the response."""

    protocol_version = "HTTP/1.1"
    # One packet an answer, at once: otherwise each costs the 40 ms of a delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    plane: ControlPlane

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        call = Call(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        answered = self.plane.serve(call)
        if answered is None:
            self.close_connection = True
            return
        raw = (
            answered.body
            if isinstance(answered.body, bytes)
            else b""
            if answered.body is None
            else json.dumps(answered.body).encode()
        )
        self.send_response(answered.status)
        for name, value in {"Content-Type": "application/json; charset=UTF-8", **answered.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815  http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the door tells what was called."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class DoubleServer:
    """A control plane on a loopback port. Use it in a ``with``, or `start` and `stop` it."""

    def __init__(self, plane: ControlPlane, port: int = 0) -> None:
        self.plane = plane
        handler = type("PlaneHandler", (Handler,), {"plane": plane})
        self._http = _Server((HOST, port), handler)
        self.port = int(self._http.server_address[1])
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> DoubleServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> DoubleServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def knock(url: str, command: str, given: Mapping[str, Any] | None = None) -> Any:
    """Use a double's door from anywhere. Raises OSError, or ValueError with what the door said."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{url}/lab/{command}", json.dumps(dict(given or {})).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as refused:
        raise ValueError(refused.read().decode()) from refused
