"""Linux namespaces through libc: a process without a network, or with folders hidden from it. For an ordinary user too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

NEWNS, NEWUSER, NEWNET, NEWIPC = 0x00020000, 0x10000000, 0x40000000, 0x08000000
MS_REC, MS_PRIVATE, MS_BIND, MS_REMOUNT, MS_RDONLY, MS_NOSUID, MS_NODEV = 0x4000, 1 << 18, 0x1000, 0x20, 0x1, 0x2, 0x4
_PR_SET_NO_NEW_PRIVS = 38


class Kernel:
    """The calls that build walls. Made before a fork, used after it: nothing is imported then."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def unshare(self, flags: int, *, as_user: bool) -> None:
        """Leave the namespaces of `flags`. `as_user`: through a user namespace of one's own. Raises OSError."""
        uid, gid = os.geteuid(), os.getegid()
        self._call("unshare", self._libc.unshare(flags | NEWUSER if as_user else flags))
        if as_user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")

    def mount(self, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
        """Mount, as mount(2). Raises OSError naming the target."""
        words = (source.encode(), target.encode(), kind.encode() if kind else None)
        self._call(f"mount {target}", self._libc.mount(*words, flags, data.encode()))

    def give_up_rights(self) -> None:
        """Never get more rights than now, whatever is executed."""
        self._call("no_new_privs", self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))

    def _call(self, what: str, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")


def deny(*, network: bool, folders: Iterable[Path] = ()) -> None:
    """Take the network from this process and its children, and show them empty, read-only folders in the place of these.

    Call it before any thread starts. Raises OSError where the kernel does not allow it: then nothing, or not all, is denied.
    """
    kernel, hidden = Kernel(), [path for path in folders if path.is_dir()]
    flags = (NEWNET if network else 0) | (NEWNS if hidden else 0)
    if not flags:
        return
    kernel.unshare(flags, as_user=os.geteuid() != 0)
    if hidden:
        kernel.mount("none", "/", None, MS_REC | MS_PRIVATE)
    for path in hidden:
        kernel.mount("tmpfs", str(path), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k,mode=0555")
