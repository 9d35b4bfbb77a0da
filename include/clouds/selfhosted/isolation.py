"""Walls around a restored server, made by the kernel: no network, and a file system that holds only what it needs.

The network namespace has no interface that is up, so nothing inside (dblink, foreign servers, subscriptions, a trigger)
can reach a network, whatever its configuration says. The network does not cover Unix sockets of other servers on this
machine, nor their archives: so the server also gets a root of its own with PostgreSQL, the system's libraries and its
sandbox in it. Both need Linux; an ordinary user needs unprivileged user namespaces. What cannot be had is said, not hidden.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.clouds.selfhosted.programs import RunAs, environment, last_words
from include.namespaces import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    NEWIPC,
    NEWNET,
    NEWNS,
    Kernel,
)
from include.settings import PROJECT

if TYPE_CHECKING:
    from include.clouds.selfhosted.sandbox import Folder

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
_DEVICES = ("null", "zero", "random", "urandom")


@dataclass(frozen=True)
class Walls:
    """What separates a server from the machine. Plain, so that trying the walls loads next to nothing."""

    network: bool = False
    """A network namespace of its own."""
    files: bool = False
    """A root of its own."""
    why: str = ""
    """Why it is less than both; empty when it is both."""

    @property
    def words(self) -> str:
        if self.network and self.files:
            return "own network namespace without interfaces, own file system root"
        return ("own network namespace without interfaces" if self.network else "configuration only") + f" ({self.why})"


class Place:
    """Where a server's walls go, as paths alone."""

    def __init__(self, path: Path, socket_dir: Path) -> None:
        self.path, self.socket_dir = path, socket_dir
        self.root, self.data = path / "root", path / "data"

    @classmethod
    def of(cls, folder: Folder) -> Place:
        """Of a sandbox."""
        return cls(folder.path, folder.socket_dir)


def ask(bin_dir: Path, place: Path, run_as: str | None, asked: str) -> Walls:
    """`probe` in a process of its own, from a caller that may have threads. Raises OSError when it gives no answer."""
    done = subprocess.run(
        [sys.executable, "-m", "include.clouds.selfhosted.isolation", str(bin_dir), str(place), run_as or "", asked],
        cwd=PROJECT,
        env={**environment(), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise OSError(f"the walls of a sandbox could not be tried: {last_words(done.stderr)}")
    return Walls(**json.loads(done.stdout))


def needed_folders(bin_dir: Path) -> list[Path]:
    """The folders that the server needs outside the system's: its installation, and the libraries it and its extensions
    load (libpq among them, which `psql` loads too).

    The dynamic loader itself lists the libraries, as it does for `ldd`.
    """
    found = [bin_dir.resolve().parent, bin_dir.parent]
    for program in ("postgres", "psql"):
        trace = subprocess.run(
            [str(bin_dir / program)],
            env={**environment(), "LD_TRACE_LOADED_OBJECTS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in trace.stdout.splitlines():
            library = line.partition("=>")[2].split("(")[0].strip()
            if library.startswith("/"):
                found += [Path(library).parent, Path(library).resolve().parent]
    outside: list[Path] = []
    for folder in sorted(set(found)):
        if not any(folder.is_relative_to(known) for known in (*map(Path, _SYSTEM), *outside)):
            outside.append(folder)
    return outside


def probe(place: Place, bin_dir: Path, user: RunAs, asked: str) -> Walls:
    """The strongest walls that this machine gives, found by starting `postgres -V` behind them. Takes some 10 ms."""
    if asked == "configuration":
        return Walls(why="isolation is set to configuration")
    reasons = []
    needs = needed_folders(bin_dir)
    for walls in (Walls(network=True, files=True), Walls(network=True)):
        try:
            done = subprocess.run(
                [str(bin_dir / "postgres"), "-V"],
                preexec_fn=entering(walls, place, needs, user),
                env=environment(),
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as refused:
            reasons.append(f"{'own root' if walls.files else 'network namespace'} refused: {refused}")
            continue
        if done.returncode == 0:
            return replace(walls, why="; ".join(reasons))
        reasons.append(f"{'own root' if walls.files else 'network namespace'}: {done.stderr.strip()[:200]}")
    return Walls(why="; ".join(reasons) or "the kernel refuses namespaces")


@contextmanager
def trial(place: Path) -> Iterator[Path]:
    """A folder to try walls in, before there is a sandbox. Removed on exit."""
    with TemporaryDirectory(prefix=".trial-", dir=place if os.access(place, os.W_OK) else None) as scratch:
        for name in ("root", "run"):
            Path(scratch, name).mkdir()
        Path(scratch).chmod(0o711)
        yield Path(scratch)


def entering(walls: Walls, place: Place, needs: list[Path], user: RunAs) -> Callable[[], None]:
    """What a child does between fork and exec: build the walls, become `user`, and give up ever getting more rights."""
    kernel = Kernel()

    def enter() -> None:
        if walls.network or walls.files:
            flags = (NEWNET | NEWIPC if walls.network else 0) | (NEWNS if walls.files else 0)
            kernel.unshare(flags, as_user=not user.changes)
        if walls.files:
            build_root(kernel.mount, place, needs)
            os.chroot(place.root)
        if user.changes:
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
        os.umask(0o077)
        os.chdir(place.data if place.data.is_dir() else "/")
        kernel.give_up_rights()

    return enter


def build_root(mount: Callable[..., None], place: Place, needs: list[Path]) -> None:
    """Mount a root of its own below the sandbox: system and PostgreSQL to read, the sandbox to write, nothing else.

    Every path is where it was, so that both sides of the wall speak of the same files.
    """
    os.umask(0o022)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = str(place.root)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m")
    for name in _SYSTEM:
        source = Path(name)
        if source.is_symlink():
            Path(root + name).symlink_to(source.readlink())
        elif source.is_dir():
            bind(mount, source, root, read_only=True)
    for source in needs:
        bind(mount, source, root, read_only=True)
    bind(mount, place.path, root, read_only=False)
    if not place.socket_dir.is_relative_to(place.path):
        bind(mount, place.socket_dir, root, read_only=False)
    for name in _DEVICES:
        device = Path(f"{root}/dev/{name}")
        device.parent.mkdir(exist_ok=True)
        device.touch()
        mount(f"/dev/{name}", str(device), None, MS_BIND)
    for name in ("/dev/shm", "/tmp"):  # noqa: S108 inside the new root
        scratch = Path(root + name)
        scratch.mkdir(exist_ok=True, parents=True)
        if not any(scratch.iterdir()):
            mount("tmpfs", str(scratch), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def bind(mount: Callable[..., None], source: Path, root: str, *, read_only: bool) -> None:
    """Show one folder at the same path below the new root."""
    place = root + str(source)
    Path(place).mkdir(parents=True, exist_ok=True)
    mount(str(source), place, None, MS_BIND | (MS_REC if read_only else 0))
    if read_only:
        try:
            mount("none", place, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID)
        except OSError:
            # In a user namespace some flags are locked. The server's user could not write there anyway.
            return


def main(bin_dir: str, place: str, run_as: str, asked: str) -> None:
    """Try the walls and print them as JSON."""
    with trial(Path(place)) as scratch:
        found = probe(Place(scratch, scratch / "run"), Path(bin_dir), RunAs(run_as or None), asked)
        sys.stdout.write(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
