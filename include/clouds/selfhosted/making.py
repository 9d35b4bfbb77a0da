"""The work on one sandbox, in phases: copy, start, replay or load. Done by the process in `runner`."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from include.clouds.selfhosted import configuration, copying, isolation, loading, programs, replay
from include.clouds.selfhosted.files import Store, text_of
from include.clouds.selfhosted.papers import Job, Seen, State
from include.clouds.selfhosted.sandbox import Folder, end_server, replace, stop
from include.recovery.status import Status

_POSTMASTER_STATUS_LINE = 7
"""Of postmaster.pid, counted from 0: ``ready`` once the server accepts connections for reading and writing."""


class NotReady(Exception):
    """The server did not come up. The text holds what it said itself."""


class Work:
    """One run of the runner: the phases of a restore in order, each written down as it begins and ends."""

    def __init__(self, folder: Folder, job: Job) -> None:
        self.folder, self.job = folder, job
        self.user = programs.RunAs(job.run_as)
        self.bin = Path(job.bin_dir)
        self.state = State(status=Status.RUNNING)
        self.kept: dict[str, str] = {}
        self.control: dict[str, str] = {}
        self.walls = isolation.Walls()
        self.place = isolation.Place.of(folder)
        self.server: subprocess.Popen[bytes] | None = None

    def say(self, **changes: Any) -> None:
        """Change the state and write it."""
        self.state = dataclasses.replace(self.state, **changes)
        self.folder.write(self.state)

    def run(self) -> None:
        """From the order to a server that accepts connections. Raises what went wrong."""
        clear(self.folder)
        prepare(self.folder, self.user)
        began = time.monotonic()
        self.say(phase="copy")
        if self.job.kind == "base_backup":
            self.copy()
        self.say(phases={"copy": round(time.monotonic() - began, 3)})
        self.walls = isolation.probe(self.place, self.bin, self.user, self.job.isolation)
        self.say(phase="start", isolation=self.walls.words, network=self.walls.network, files=self.walls.files)
        began = time.monotonic()
        if self.job.kind == "dump":
            loading.new_cluster(self.folder, self.job, self.walls, self.user)
        self.configure()
        self.bring_up()
        phases = replay.recovery_seconds(replay.tail(self.folder.log)) or {"start": round(time.monotonic() - began, 3)}
        self.say(phases={**self.state.phases, **phases})
        if self.job.kind == "dump":
            began = time.monotonic()
            self.say(phase="load")
            note = loading.load(self.folder, self.job)
            self.say(phases={**self.state.phases, "load": round(time.monotonic() - began, 3)}, detail=note)
        self.say(status=Status.SUCCEEDED, phase="ready")

    def copy(self) -> None:
        """Copy the base backup, keep the settings that give answers their meaning, drop the rest of its configuration."""
        source = Store(self.job.location)
        if not self.job.tarred:
            texts = [text_of(source, name) for name in ("postgresql.conf", "postgresql.auto.conf") if source.has(name)]
            self.kept = configuration.meaning_of(*texts)
        if source.local is None and not self.job.tarred:
            source.fetch(self.folder.data)
            copying.settle_in(self.folder.data, self.user)
        else:
            with source.at_hand(self.folder.path) as path:
                copying.copy_set(path, self.folder.data, self.user, tarred=self.job.tarred)
        signal_file = self.folder.data / "recovery.signal"
        signal_file.touch()
        self.user.own(signal_file)
        self.control = control_data(self.bin, self.folder.data)

    def configure(self, *, to_latest: bool = False) -> None:
        """Write our own configuration beside the data."""
        text = configuration.postgresql_conf(self.folder, self.job, self.control, self.kept, to_latest=to_latest)
        replace(self.folder.etc / "postgresql.conf", text, 0o644)
        replace(self.folder.etc / "pg_hba.conf", configuration.bootstrap_hba(self.job.superuser), 0o644)
        replace(self.folder.etc / "pg_ident.conf", "", 0o644)

    def bring_up(self) -> None:
        """Start the server and hand it WAL until it is ready. Raises NotReady with the server's own words."""
        deadline = time.monotonic() + self.job.max_ready
        segment_size = int(self.control.get("Bytes per WAL segment", 1 << 24))
        feed = replay.Feed(self.folder, Store(self.job.wal), segment_size, self.user) if self.job.wal else None
        try:
            self.launch()
            if not self.wait(feed, deadline) and replay.target_not_reached(replay.tail(self.folder.log)):
                self.configure(to_latest=True)
                if feed:
                    feed.forget()
                self.launch()
                self.wait(feed, deadline)
            if self.server is None or self.server.poll() is not None:
                raise NotReady(self.failure(feed, "the server ended before it was ready"))
        except NotReady:
            self.put_down()
            raise
        finally:
            if feed:
                feed.close()

    def launch(self) -> None:
        """Start the server behind its walls."""
        needs = isolation.needed_folders(self.bin)
        (self.folder.data / "postmaster.pid").unlink(missing_ok=True)
        with self.folder.log.open("ab") as log:
            self.server = subprocess.Popen(
                configuration.command_line(self.folder, self.job),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=programs.environment(),
                start_new_session=True,
                preexec_fn=isolation.entering(self.walls, self.place, needs, self.user),  # noqa: PLW1509 no threads run here
            )
        process = psutil.Process(self.server.pid)
        self.say(server=Seen(pid=process.pid, created=process.create_time()))

    def wait(self, feed: replay.Feed | None, deadline: float) -> bool:
        """Until the server is ready (True) or has ended (False). Raises NotReady at the deadline."""
        server = self.server
        while server is not None and server.poll() is None:
            if is_ready(self.folder.data):
                return True
            if time.monotonic() > deadline:
                raise NotReady(self.failure(feed, f"the server was not ready within {self.job.max_ready:.0f} s (max_ready)"))
            if feed:
                feed.serve(0.05)
            else:
                time.sleep(0.05)
        return False

    def failure(self, feed: replay.Feed | None, what: str) -> str:
        """What went wrong, with the server's last words and what the archive could not give."""
        said = replay.reasons(replay.tail(self.folder.log))
        refused = "; ".join(list(feed.refused.values())[:3]) if feed else ""
        return f"{what}: {said}" + (f"; WAL: {refused}" if refused else "")

    def put_down(self) -> None:
        """End the server, if it runs."""
        if self.server is not None and self.server.poll() is None:
            stop(psutil.Process(self.server.pid))
            self.server.wait(10)


def clear(folder: Folder, patience: float = 10.0) -> None:
    """Take away what an interrupted run left: its server and its files. The mark and the order stay. Raises OSError."""
    end_server(folder)
    deadline = time.monotonic() + patience
    rest = (folder.ahead, folder.log.parent, folder.root, folder.path / "tablespaces", folder.socket_dir)
    parts = (folder.data, folder.etc, folder.feed, *rest)
    while left := [path for path in parts if path.exists()]:
        for path in left:
            shutil.rmtree(path, ignore_errors=time.monotonic() < deadline)


def prepare(folder: Folder, user: programs.RunAs) -> None:
    """Make the folders around the data directory, each with the least rights that work."""
    for path in (folder.etc, folder.log.parent, folder.root):
        path.mkdir()
        path.chmod(0o755)
    for path in (folder.feed, folder.socket_dir):
        path.mkdir(mode=0o700)
        user.own(path)


def is_ready(data: Path) -> bool:
    """Whether the server says, in postmaster.pid, that it accepts connections."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > _POSTMASTER_STATUS_LINE and lines[_POSTMASTER_STATUS_LINE].strip() == "ready"


def control_data(folder: Path, data: Path) -> dict[str, str]:
    """What pg_controldata says, by its own words. Raises ProgramFailed."""
    lines = programs.run(folder, "pg_controldata", "-D", data).stdout.splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def make(folder: Folder) -> int:
    """Make the sandbox of one folder, whose lock is held. Gives 0, or 1 when it failed: the state says why."""
    work = Work(folder, folder.job())
    try:
        work.run()
    except Exception as failed:
        work.put_down()
        work.say(status=Status.FAILED, phase="failed", detail=f"{work.state.phase}: {failed}")
        return 1
    return 0
