"""Where the lab's messages end: a real SMTP server, and an HTTP server for Apprise targets and heartbeats, in one process.

``python -m include.lab.sink FOLDER``: each mail becomes ``000001.eml``, each request ``000002.json``, in the order received.
It writes its ports to ``ports.json`` when it listens. ``drillyard lab mail`` shows what came.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.postgres import HOST
from include.lab.processes import Process
from include.values import Frozen

PATIENCE = 60.0


class Sink(Frozen):
    """One that runs, or ran."""

    folder: Path
    process: Process
    smtp_port: int
    http_port: int

    def mails(self) -> list[EmailMessage]:
        """What was received by SMTP, oldest first."""
        texts = [file.read_bytes() for file in sorted(self.folder.glob("[0-9]*.eml"))]
        return [message_from_bytes(text, policy=policy.default) for text in texts]

    def requests(self) -> list[dict[str, Any]]:
        """What was received by HTTP, oldest first: ``method``, ``path`` and ``body`` (text)."""
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("[0-9]*.json"))]

    def empty(self) -> None:
        """Forget what was received."""
        for file in (*self.folder.glob("[0-9]*.eml"), *self.folder.glob("[0-9]*.json")):
            file.unlink()

    def stop(self) -> None:
        processes.end(self.process)


class Received:
    """The folder that messages go into. A message is whole before it has its name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        there = [int(file.stem) for file in folder.glob("[0-9]*.*") if file.stem.isdigit()]
        self._folder, self._numbers, self._lock = folder, itertools.count(max(there, default=0) + 1), threading.Lock()

    def keep(self, data: bytes, suffix: str) -> None:
        with self._lock:
            file = self._folder / f"{next(self._numbers):06d}{suffix}"
        draft = file.with_name(f".{file.name}")
        draft.write_bytes(data)
        draft.rename(file)


class Mailbox:
    """aiosmtpd's handler."""

    def __init__(self, received: Received) -> None:
        self._received = received

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail. One to an address that begins with ``refused`` is refused, for tests of failing deliveries."""
        del server, session
        if any(address.startswith("refused") for address in envelope.rcpt_tos):
            return "550 5.1.1 no such mailbox here"
        self._received.keep(bytes(envelope.content), ".eml")
        return "250 2.0.0 taken"


def handler(received: Received) -> type[BaseHTTPRequestHandler]:
    """Takes any request; a path that ends in ``/broken`` is answered 500, for tests of failing deliveries."""

    class Taking(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.rstrip("/").endswith("/broken"):
                told = {"method": self.command, "path": self.path, "body": body.decode(errors="replace")}
                received.keep(json.dumps(told).encode(), ".json")
            self.send_response(500 if self.path.rstrip("/").endswith("/broken") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = _take  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            print(format % args, flush=True)

    return Taking


def main(folder: Path) -> None:
    """Listen until SIGTERM."""
    import asyncio

    from aiosmtpd.controller import UnthreadedController

    received = Received(folder)
    web = ThreadingHTTPServer((HOST, 0), handler(received))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    mail: Any = UnthreadedController(Mailbox(received), hostname=HOST, port=0, loop=loop)
    mail.begin()
    smtp_port = mail.server.sockets[0].getsockname()[1]
    draft = folder / ".ports.draft"
    draft.write_text(json.dumps({"smtp": smtp_port, "http": web.server_address[1]}))
    draft.rename(folder / "ports.json")
    loop.run_forever()
    mail.end()
    web.shutdown()


def launch(folder: Path) -> Sink:
    """Start a sink as a process of its own that outlives this command. Raises RuntimeError with the end of its log."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = folder / "ports.json"
    ports.unlink(missing_ok=True)
    started = processes.start_module("include.lab.sink", folder, folder / "sink.log")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and started.poll() is None:
        process = processes.identify(started.pid)
        if ports.exists() and process is not None:
            told = json.loads(ports.read_text())
            return Sink(folder=folder, process=process, smtp_port=told["smtp"], http_port=told["http"])
        time.sleep(0.05)
    started.kill()
    tail = (folder / "sink.log").read_text(errors="replace").splitlines()[-5:]
    raise RuntimeError("the lab's mail sink did not start:\n" + "\n".join(tail))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
