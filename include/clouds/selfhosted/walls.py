"""Whether a restored server really is behind its walls: asked of the kernel, not of the order."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from include.clouds.selfhosted.papers import State
from include.clouds.selfhosted.sandbox import Folder
from include.recovery.model import Check, Outcome


def checks(folder: Folder, state: State) -> tuple[Check, ...]:
    """``network-isolation``, ``file-isolation`` and ``private-socket``."""
    server = state.server.process() if state.server else None
    if server is None:
        detail = "the restored server is gone: discard the sandbox, and drill again"
        return (Check(name="network-isolation", layer="harmless", outcome=Outcome.UNKNOWN, detail=detail),)
    return network(server.pid, state), files(server.pid, state), socket(folder)


def network(pid: int, state: State) -> Check:
    """The interfaces that the server's own network namespace has, as the kernel lists them for its process."""
    if not state.network:
        detail = f"no namespace of its own: {state.isolation}. It listens on no address, and its ways out are cut in the data"
        return _check("network-isolation", Outcome.UNSUPPORTED, "the machine's own network", detail)
    try:
        same = os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116 the link's target
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        routes = Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:]
    except OSError as refused:
        return _check("network-isolation", Outcome.UNKNOWN, None, f"/proc/{pid} cannot be read: {refused}")
    interfaces = [line.partition(":")[0].strip() for line in lines]
    reaching = [name for name in interfaces if name not in _NO_WAY_OUT]
    measured = f"interfaces {', '.join(interfaces) or 'none'}; {len(routes)} routes"
    if same or reaching or routes:
        return _check("network-isolation", Outcome.FAILED, measured, "the server can reach a network: discard the sandbox")
    return _check("network-isolation", Outcome.PASSED, measured)


_NO_WAY_OUT = ("lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0")
"""Interfaces that the kernel itself puts into every new namespace, down and without a peer."""


def files(pid: int, state: State) -> Check:
    """Whether the server sees another root than we do: then no other server's socket or archive is in its reach."""
    if not state.files:
        return _check("file-isolation", Outcome.UNSUPPORTED, "the machine's own file system", state.isolation)
    try:
        theirs, ours = (os.stat(path) for path in (f"/proc/{pid}/root", "/"))  # noqa: PTH116 the link's target
    except OSError as refused:
        return _check("file-isolation", Outcome.UNKNOWN, None, f"/proc/{pid}/root cannot be read: {refused}")
    if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
        return _check("file-isolation", Outcome.FAILED, "the machine's own file system", "the server was to have its own root")
    return _check("file-isolation", Outcome.PASSED, "a root of its own")


def socket(folder: Folder) -> Check:
    """The only door is a Unix socket in a folder that nobody else may enter."""
    mode = stat.S_IMODE(folder.socket_dir.stat().st_mode)
    if mode & 0o077:
        return _check(
            "private-socket", Outcome.FAILED, f"mode {mode:o}", f"others can enter {folder.socket_dir}: discard the sandbox"
        )
    return _check("private-socket", Outcome.PASSED, f"mode {mode:o}")


def _check(name: str, outcome: Outcome, measured: str | None, detail: str = "") -> Check:
    return Check(name=name, layer="harmless", outcome=outcome, measured=measured, detail=detail)
