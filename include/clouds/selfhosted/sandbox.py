"""A small control plane on disk: one folder for each sandbox, with the lease's mark, the order and the state in it.

It has no daemon. A runner of its own session does the work and holds a lock for as long as it lives, so nobody has to
guess from a process id whether it does; what looks at a sandbox keeps it going (see `restore.SelfHostedRestore.find`).
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from include.clouds.selfhosted.papers import Job, Mark, State

if TYPE_CHECKING:
    from include.recovery.model import Lease

MARK = "lease.json"
PREFIX = "dy-"


class Folder:
    """The folder of one sandbox."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.etc = path / "etc"
        self.feed = path / "feed"
        self.ahead = path / "ahead"
        self.log = path / "log" / "server.log"
        self.root = path / "root"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def socket_dir(self) -> Path:
        """Where the server's Unix socket is. The kernel takes 107 characters, so a deep folder gets a short one in /tmp."""
        near = self.path / "run"
        if len(str(near / ".s.PGSQL.5432.lock")) <= 100:
            return near
        return Path("/tmp") / f"{PREFIX}{self.name[-10:]}-{self.path.stat().st_ino:x}"  # noqa: S108 made 0700 before use

    def mark(self) -> Mark | None:
        """The lease's mark, or None: then the folder is not ours."""
        try:
            return Mark.parse((self.path / MARK).read_bytes())
        except (OSError, ValueError):
            return None

    def job(self) -> Job:
        return Job.parse((self.path / "job.json").read_bytes())

    def state(self) -> State:
        try:
            return State.parse((self.path / "state.json").read_bytes())
        except FileNotFoundError:
            return State()

    def write(self, state: State) -> None:
        replace(self.path / "state.json", state.text())

    def attempts(self) -> int:
        """How often a runner has begun: each leaves a byte as soon as it has the lock."""
        try:
            return (self.path / "attempts").stat().st_size
        except FileNotFoundError:
            return 0

    def is_worked_on(self) -> bool:
        """Whether a runner lives: it holds the lock until it ends, however it ends."""
        try:
            with (self.path / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def make(root: Path, job: Job, lease: Lease) -> Folder:
    """Make the folder of a sandbox, with its mark, in one step. When it is there already, give that one.

    Two callers at once make one folder: a rename onto a folder with content fails.
    """
    folder = Folder(root / job.name)
    if folder.path.exists():
        return folder
    if not root.exists():
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
    draft = root / f".{job.name}.{secrets.token_hex(4)}"
    draft.mkdir(mode=0o700)
    draft.chmod(0o711)
    mark = Mark(
        lease_id=lease.lease_id,
        service=lease.service,
        datastore=lease.datastore,
        region=lease.region,
        requested_by=lease.requested_by,
        created_at=datetime.now(UTC),
        expires_at=lease.expires_at,
    )
    replace(draft / MARK, mark.text())
    replace(draft / "job.json", job.text())
    try:
        draft.rename(folder.path)
    except OSError:
        shutil.rmtree(draft)
        if folder.mark() is None:
            raise
    return folder


def marked(root: Path) -> Iterator[Folder]:
    """Every folder below the root that carries a mark, drafts of interrupted calls included."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.name.lstrip(".").startswith(PREFIX) and path.is_dir() and not path.is_symlink():
            folder = Folder(path)
            if folder.mark() is not None:
                yield folder


def servers(root: Path) -> dict[Path, psutil.Process]:
    """The server processes whose data directory lies below the root, by sandbox folder."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError, IndexError):
            words = process.cmdline()
            if words and Path(words[0]).name == "postgres" and "-D" in words:
                data = Path(words[words.index("-D") + 1])
                if data.is_relative_to(root) and data != root:
                    found[root / data.relative_to(root).parts[0]] = process
    return found


def gone(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait for processes to end; give those that did not. One that nobody has waited for (a zombie) has ended."""
    deadline = time.monotonic() + patience
    while left := [one for one in processes if one.is_running() and _status(one) != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.02)
    return []


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def stop(process: psutil.Process, patience: float = 5.0) -> None:
    """End a server at once: its copy is thrown away, so nothing has to be saved. First all it started is noted, then
    it is asked (SIGQUIT, immediate shutdown), then what is left is killed."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGQUIT)
        gone(family[:1], patience)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        gone(family, patience)


def end_runner(folder: Folder, patience: float = 10.0) -> None:
    """Stop the runner, if one lives: whoever has signed the lock, until nobody holds it. Raises OSError when that takes
    longer than `patience` seconds."""
    deadline = time.monotonic() + patience
    while folder.is_worked_on():
        if time.monotonic() > deadline:
            raise OSError(f"the runner of {folder.path} holds its lock for {patience:.0f} s after it was killed: end it by hand")
        with contextlib.suppress(psutil.Error, ValueError, OSError):
            runner = psutil.Process(int((folder.path / "lock").read_text()))
            if str(folder.path) in runner.cmdline():
                runner.kill()
        time.sleep(0.01)


def end_server(folder: Folder) -> None:
    """Stop the server, whether the state knows it or only its data directory tells."""
    if server := servers(folder.path.parent).get(folder.path):
        stop(server)
    if (seen := folder.state().server) and (server := seen.process()):
        stop(server)


def remove(folder: Folder, patience: float = 10.0) -> None:
    """Delete the folder. The mark goes last: a deletion that was cut off is still ours to finish.

    Raises OSError when something in it cannot be deleted.
    """
    short = folder.socket_dir
    if not short.is_relative_to(folder.path):
        shutil.rmtree(short, ignore_errors=True)
    deadline = time.monotonic() + patience
    while True:
        try:
            for entry in folder.path.iterdir():
                if entry.name == MARK:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            break
        except OSError:
            # A process on its way out may still have made a file.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    (folder.path / MARK).unlink(missing_ok=True)
    folder.path.rmdir()
