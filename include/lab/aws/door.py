"""The door of the lab's AWS: a WSGI layer before moto that counts calls, plants faults, and settles what is over."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from include.lab.aws import faults
from include.lab.aws.extra import answer_extra
from include.lab.aws.faults import Call, Fault, Faults

if TYPE_CHECKING:
    from include.lab.aws.admin import Admin
    from include.lab.aws.rds import Rds

_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


class Door:
    """The WSGI application that clients talk to."""

    def __init__(self, inner: Callable[..., Any], rds: Rds) -> None:
        self.inner, self.rds = inner, rds
        self.faults = Faults()
        self.calls: list[Call] = []
        self.down = False
        """Whether the control plane is stopped: every connection breaks at once."""
        self.admin: Admin | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = read_body(environ)
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith("/lab/") and self.admin is not None:
            status, answer = self.admin.answer(environ["REQUEST_METHOD"], path, json.loads(body or b"null"))
            return reply(start_response, status, {"Content-Type": "application/json"}, json.dumps(answer, default=str).encode())
        call = self._describe(environ, body)
        with self.rds.lives.lock:
            if self.down:
                break_connection(environ)
            self.calls.append(call.model_copy(update={"body": ""}))
            fault = self.faults.take(call, account_of(call.access_key))
            if fault == "refused":
                break_connection(environ)
            if fault not in (None, "lost"):
                return reply(start_response, *faults.answer(str(fault), call.service))
            self.rds.lives.settle()
            extra = answer_extra(self.rds, call, path, body)
            try:
                status, headers, data = extra if extra is not None else self._inner(environ)
            except Exception:  # a gap of moto or of the overlay: said in the log, and to the client in its own protocol
                sys.stderr.write(f"{call.service} {call.action}: {traceback.format_exc()}\n")
                status, headers, data = faults.answer("error", call.service)
        if fault == "lost":
            break_connection(environ)
        return reply(start_response, status, headers, data)

    def plant(self, fault: Fault) -> None:
        with self.rds.lives.lock:
            self.faults.plant(fault)

    def _inner(self, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """moto's whole answer, so that it can still be withheld."""
        caught: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], Any]:
            caught[:] = [status, headers]
            return lambda data: None

        chunks = self.inner(environ, keep)
        try:
            data = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = caught
        return int(status.split()[0]), dict(headers), data

    def _describe(self, environ: dict[str, Any], body: bytes) -> Call:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, region, service = scope.groups() if scope else ("", "", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        text = body.decode("utf-8", "replace")
        if target:
            action = target.rpartition(".")[2]
        elif "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
            action = parse_qs(text).get("Action", [""])[0]
        else:
            action = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"
        return Call(number=len(self.calls) + 1, service=service, action=action, region=region, access_key=key, body=text)


def account_of(access_key: str) -> str:
    """The account that moto answers for, by access key."""
    from moto.iam.models import get_account_id_from

    return str(get_account_id_from(access_key)) if access_key else ""


def read_body(environ: dict[str, Any]) -> bytes:
    """The request's body, put back for whoever reads it next."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return b""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def reply(start_response: Callable[..., Any], status: int, headers: dict[str, str], data: bytes) -> list[bytes]:
    """Send a whole answer."""
    kept = [(name, value) for name, value in headers.items() if name.lower() not in ("content-length", "transfer-encoding")]
    given = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
    # The answer to a HEAD request has a length and no body.
    kept.append(("Content-Length", given if given is not None and not data else str(len(data))))
    start_response(f"{status} {'OK' if status < 400 else 'Error'}", kept)
    return [data]


def break_connection(environ: dict[str, Any]) -> None:
    """Reset the client's connection without an answer. Raises ConnectionResetError, which ends the request."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("the lab broke this connection on purpose")
