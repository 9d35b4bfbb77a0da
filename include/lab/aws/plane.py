"""The data plane of the lab's RDS: one real PostgreSQL server an instance, its archive, and its snapshots as base backups.

Every method blocks until its work is done; the overlay calls them from threads while the control plane says ``creating``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from include.lab import accounts, archive_wal, binaries, home, interpreter, postgres, processes
from include.lab.aws import fetch_wal, roles
from include.lab.postgres import Cluster
from include.lab.state import write_private
from include.values import utcnow

SETTINGS = {
    "max_connections": "25",
    "shared_buffers": "'16MB'",
    "fsync": "off",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "min_wal_size": "'16MB'",
    "max_wal_size": "'128MB'",
    "autovacuum_naptime": "'5min'",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
NO_ARCHIVE = {"archive_mode": "off", "archive_command": "''"}


def free_port() -> int:
    """A port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((postgres.HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """The PostgreSQL server of one instance."""

    cluster: Cluster
    archive: Path
    """Where its WAL goes while backups are on, or went."""
    restorable_until: datetime | None = None
    """Everything committed before this instant lies in the archive."""
    lock: threading.RLock = field(default_factory=threading.RLock)


class Plane:
    """All servers of the lab's AWS, by key (``REGION-IDENTIFIER``), below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.user = folder, accounts.server_user()
        home.prepare(folder, self.user)
        self.stop_all()
        self.bin_dir = binaries.usable_bin(folder, self.user)
        self.python = interpreter.usable_python(folder, self.user)
        for name in ("instances", "archives", "snapshots"):
            # The control plane forgets everything when it ends, so nobody could ask for these again.
            shutil.rmtree(folder / name, ignore_errors=True)
            accounts.folder(folder / name, self.user)
        accounts.folder(folder / "bin", None)
        for module in (archive_wal, fetch_wal):
            shutil.copyfile(str(module.__file__), folder / "bin" / Path(str(module.__file__)).name)
        self.servers: dict[str, Server] = {}
        self._template_lock, self._port_lock, self._ports = threading.Lock(), threading.Lock(), set[int]()
        self.password = self._superuser_password()

    # ---- what creates an instance -------------------------------------------------------------------------------

    def make(
        self, key: str, settings: Mapping[str, str], *, master: str, password: str, database: str | None, archive: bool
    ) -> None:
        """An empty server with its master user and its first database, like RDS makes it."""
        server = self._server(key)
        self._copy(self._template(), server.cluster.data)
        self._configure(server, settings, archive=archive)
        postgres.start(server.cluster)
        roles.make_master(server.cluster, master, password, database)
        self.upload(key)

    def restore(self, key: str, base: Path, settings: Mapping[str, str], *, archive: bool) -> None:
        """A server from a snapshot."""
        server = self._server(key)
        self._copy(base, server.cluster.data)
        self._configure(server, settings, archive=archive)
        postgres.start(server.cluster)
        self.upload(key)

    def roll(self, key: str, base: Path, source: str, to: datetime | None, settings: Mapping[str, str], *, archive: bool) -> None:
        """A server from a base backup rolled forward through the source's archive, to an instant or to its end."""
        server = self._server(key)
        wal = self.folder / "archives" / source
        self._copy(base, server.cluster.data)
        command = f'{self.python} "{self.folder / "bin" / "fetch_wal.py"}" "{wal}" %f "%p"'
        recovery = {"restore_command": f"'{command}'", "recovery_target_action": "promote", "hot_standby": "off", **NO_ARCHIVE}
        if to is not None:
            recovery["recovery_target_time"] = f"'{to.isoformat()}'"
        postgres.configure(server.cluster, {**settings, **recovery})
        signal = server.cluster.data / "recovery.signal"
        signal.touch()
        accounts.give(signal, self.user)
        postgres.start(server.cluster)
        self._until_promoted(server.cluster)
        postgres.configure(server.cluster, {"restore_command": "''", "recovery_target_time": "''", "hot_standby": "on"})
        if archive:
            postgres.stop(server.cluster)
            self._configure(server, settings, archive=True)
            postgres.start(server.cluster)
        self.upload(key)

    def replicate(self, key: str, source: str, settings: Mapping[str, str]) -> None:
        """A streaming replica of another server."""
        server, primary = self._server(key), self.servers[source].cluster
        accounts.folder(server.cluster.data.parent, self.user, 0o700)
        postgres.run(primary, "pg_basebackup", "-D", server.cluster.data, "-X", "stream", "-c", "fast", "-R", "--no-sync")
        self._configure(server, {**settings, "hot_standby": "on"}, archive=False)
        postgres.start(server.cluster)

    # ---- what happens to one -------------------------------------------------------------------------------------

    def snapshot(self, key: str, target: Path) -> None:
        """A base backup of a server: the bytes of a snapshot."""
        with self.servers[key].lock:
            postgres.base_backup(self.servers[key].cluster, target)

    def copy_snapshot(self, base: Path, target: Path) -> None:
        """A second copy that lives on when the first is deleted (files never change, so they are linked)."""
        shutil.copytree(base, target, copy_function=os.link)

    def promote(self, key: str) -> None:
        postgres.run(self.servers[key].cluster, "pg_ctl", "promote", "-w", "-D", self.servers[key].cluster.data)

    def set_password(self, key: str, role: str, password: str) -> None:
        """Really change it: the old password is refused from now on."""
        roles.set_password(self.servers[key].cluster, role, password)

    def stop(self, key: str) -> None:
        """Connections are refused from now on."""
        with self.servers[key].lock:
            postgres.stop(self.servers[key].cluster, mode="immediate")

    def start(self, key: str) -> None:
        with self.servers[key].lock:
            postgres.start(self.servers[key].cluster)

    def remove(self, key: str, *, archive: bool = True) -> None:
        """Stop the server and delete its files; its archive as well unless automated backups are retained."""
        server = self.servers.pop(key, None)
        if server is None:
            return
        with server.lock:
            postgres.stop(server.cluster, mode="immediate")
            shutil.rmtree(server.cluster.data.parent, ignore_errors=True)
            if archive:
                shutil.rmtree(server.archive, ignore_errors=True)

    def upload(self, key: str, patience: float = 10.0) -> None:
        """What RDS does every five minutes: a heartbeat is committed, and the log up to it goes to the archive.

        Afterwards the instance can be restored to any instant before this call. Nothing happens while it is stopped.
        """
        server = self.servers.get(key)
        if server is None or not server.archive.exists():
            return
        with server.lock:
            if postgres.running(server.cluster) is None:
                return
            asked = utcnow()
            name = roles.heartbeat(server.cluster)
            deadline = time.monotonic() + patience
            while not (server.archive / f"{name}.gz").exists():
                if time.monotonic() > deadline or key not in self.servers:
                    return
                time.sleep(0.02)
            server.restorable_until = asked

    def running(self, key: str) -> bool:
        server = self.servers.get(key)
        return server is not None and postgres.running(server.cluster) is not None

    def stop_all(self) -> None:
        """Stop every server, those of an earlier process of this lab included."""
        found = [processes.postmaster(data) for data in self.folder.glob("instances/*/data")]
        left = [process for process in found if process is not None]
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGQUIT)
        for process in left:
            processes.wait_gone(process, 5)

    # ---- how -----------------------------------------------------------------------------------------------------

    def _until_promoted(self, cluster: Cluster, patience: float = 120.0) -> None:
        """Wait for the end of recovery. Raises CommandFailed with the log's end when the server gives up."""
        import psycopg2

        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg2.OperationalError):
                if postgres.scalar(cluster, "postgres", "SELECT pg_is_in_recovery()") is False:
                    return
            if postgres.running(cluster) is None:
                break
            time.sleep(0.05)
        tail = cluster.log.read_text(errors="replace").splitlines()[-6:] if cluster.log.exists() else []
        raise postgres.CommandFailed("\n".join([f"{cluster.name} did not reach its recovery target", *tail]))

    def _server(self, key: str) -> Server:
        """A new place for a server. Raises FileExistsError when its folder is there."""
        folder = self.folder / "instances" / key
        if key in self.servers or folder.exists():
            raise FileExistsError(f"the data plane already has a server {key}")
        cluster = Cluster(
            name=key,
            data=folder / "data",
            log=folder / "server.log",
            port=self._port(),
            bin_dir=self.bin_dir,
            user=self.user,
            password=self.password,
        )
        self.servers[key] = Server(cluster=cluster, archive=self.folder / "archives" / key)
        return self.servers[key]

    def _superuser_password(self) -> str:
        """Of the servers' superuser, which is in the template's bytes. No client ever learns it."""
        file = self.folder / "superuser"
        if not file.exists() or not (self.folder / "template" / "built").exists():
            shutil.rmtree(self.folder / "template", ignore_errors=True)
            write_private(file, secrets.token_hex(24))
        return file.read_text()

    def _port(self) -> int:
        """A port that is free now and was not given to another server that is about to start."""
        with self._port_lock:
            port = free_port()
            while port in self._ports:
                port = free_port()
            self._ports.add(port)
            return port

    def _template(self) -> Path:
        """An empty cluster with the roles that every RDS instance has, made once."""
        data = self.folder / "template" / "data"
        with self._template_lock:
            if not (data.parent / "built").exists():
                shutil.rmtree(data.parent, ignore_errors=True)
                cluster = Cluster(
                    name="template",
                    data=data,
                    log=data.parent / "server.log",
                    port=self._port(),
                    bin_dir=self.bin_dir,
                    user=self.user,
                    password=self.password,
                )
                postgres.initdb(cluster, SETTINGS)
                postgres.start(cluster)
                roles.make_rds_roles(cluster)
                postgres.stop(cluster)
                (data.parent / "built").touch()
        return data

    def _copy(self, base: Path, data: Path) -> None:
        accounts.folder(data.parent, self.user, 0o700)
        shutil.copytree(base, data, symlinks=True)
        for folder, _, files in os.walk(data):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                accounts.give(path, self.user)
        data.chmod(0o700)

    def _configure(self, server: Server, settings: Mapping[str, str], *, archive: bool) -> None:
        """The parameter group's settings, and archiving into the instance's own archive when backups are on."""
        if not archive:
            postgres.configure(server.cluster, {**settings, **NO_ARCHIVE})
            return
        accounts.folder(server.archive, self.user)
        command = f'{self.python} "{self.folder / "bin" / "archive_wal.py"}" "%p" %f "{server.archive}"'
        postgres.configure(server.cluster, {**settings, "archive_mode": "on", "archive_command": f"'{command}'"})
