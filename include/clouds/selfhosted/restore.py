"""Sandboxes on the restore host: `include.recovery.contracts.DatabaseRestore` over folders and processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

from include.catalog import model
from include.clouds.selfhosted import preflight, sandbox
from include.clouds.selfhosted.configuration import ADMIN, READER
from include.clouds.selfhosted.papers import Job, Mark, State
from include.clouds.selfhosted.programs import bin_dir, environment
from include.clouds.selfhosted.sandbox import Folder
from include.clouds.selfhosted.settings import Datastore, RestoreHost
from include.recovery.contracts import Transient
from include.recovery.model import Access, Check, Lease, Owned, PlanItem, RecoveryPoint, Sandbox, Status
from include.recovery.naming import sandbox_name, sandbox_password
from include.settings import PROJECT
from include.values import parse_duration, utcnow

_ATTEMPTS = 3
"""How often the work on one sandbox is started before it is called failed."""
_UNFINISHED = (Status.PENDING, Status.RUNNING)


class SelfHostedRestore:
    """The restore host. Every call returns at once: a runner in a session of its own does the work."""

    def __init__(self, settings: RestoreHost) -> None:
        self._settings = settings
        self._root = Path(settings.sandbox_root).absolute()

    def preflight(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem) -> Sequence[Check]:
        """What would make the restore fail or be unsafe: versions, space, reading rights, private folder, walls, target."""
        return preflight.checks(own(datastore), point, item.target, self._settings, self._root)

    def find(self, name: str, datastore: model.Datastore, drill_id: str | None = None) -> Sandbox | None:
        """The sandbox of that name, or None.

        There is no daemon, so looking keeps the work going: when its runner was killed before it was done, and the lease
        still holds, it is started again, at most three times in all. Raises Transient when the folder cannot be read.
        """
        del datastore
        folder = Folder(self._root / name)
        try:
            folder.path.stat()
            return self._look(folder)
        except FileNotFoundError:
            return None
        except OSError as broken:
            raise Transient(f"sandbox folder {folder.path} cannot be read now: {broken}") from broken

    def create(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Sandbox:
        """Make the marked folder and start its runner. Repeating it finds what is there; two at once make one sandbox.

        Raises PermissionError when a folder of that name is there without this lease's mark, LookupError for a version
        without binaries, Transient when the disk does not answer.
        """
        job = order(own(datastore), point, item, self._settings, lease.sandbox)
        if lease.sandbox != sandbox_name(item.drill_id):
            raise ValueError(f"the lease is for {lease.sandbox}, drill {item.drill_id} needs {sandbox_name(item.drill_id)}")
        try:
            folder = sandbox.make(self._root, job, lease)
            self._own_mark(folder, lease)
            return self._look(folder)
        except (PermissionError, ValueError):
            raise
        except OSError as broken:
            raise Transient(f"{self._root} does not take a sandbox now: {broken}") from broken

    def secure(self, name: str, datastore: model.Datastore, secret: str) -> Sequence[Check]:
        """Rotate passwords, disable logins and cut every way out, before anything else connects. May be repeated."""
        from include.clouds.selfhosted import harmless

        return harmless.secure(Folder(self._root / name), own(datastore), secret)

    def access(self, name: str, datastore: model.Datastore, secret: str) -> Access:
        """How to connect: a Unix socket in a private folder. Raises PermissionError before the sandbox is secured."""
        folder = Folder(self._root / name)
        if not folder.state().secured:
            raise PermissionError(f"sandbox {name} is not secured: call secure first")
        return Access(
            host=str(folder.socket_dir),
            port=5432,
            database=datastore.database,
            admin=ADMIN,
            reader=READER,
            admin_password=sandbox_password(secret, name, ADMIN),
            reader_password=sandbox_password(secret, name, READER),
        )

    def discard(self, name: str, datastore: model.Datastore, lease: Lease) -> None:
        """Stop what runs and delete the folder. Raises PermissionError for what does not carry this lease's mark."""
        del datastore
        for folder in [Folder(self._root / name), *self._drafts(name)]:
            if not folder.path.exists():
                continue
            self._own_mark(folder, lease)
            # Without its order nobody can start the work again while it is being ended.
            (folder.path / "job.json").unlink(missing_ok=True)
            sandbox.end_runner(folder)
            sandbox.end_server(folder)
            sandbox.remove(folder)

    def inventory(self, datastores: Sequence[model.Datastore]) -> Sequence[Owned]:
        """Every marked folder, and every server process that runs on a data directory below the sandbox root."""
        regions = {one.name: one.region for one in datastores}
        found = []
        for folder in sandbox.marked(self._root):
            mark = cast("Mark", folder.mark())
            found.append(owned(folder.name.lstrip("."), "sandbox", mark.region, mark))
        for path, process in sandbox.servers(self._root).items():
            server_mark = Folder(path).mark()
            if server_mark is None:
                # Only a sandbox's server has its data below the root: it outlived its folder.
                region = next(iter(regions.values()), "unknown")
                found.append(
                    Owned(name=f"{path.name}:{process.pid}", cloud="selfhosted", region=region, kind="server", lease_id="")
                )
            else:
                found.append(owned(f"{path.name}:{process.pid}", "server", server_mark.region, server_mark))
        return found

    def _drafts(self, name: str) -> list[Folder]:
        """Folders that an interrupted call left before they got their name."""
        return [one for one in sandbox.marked(self._root) if one.name.startswith(f".{name}.")]

    def _own_mark(self, folder: Folder, lease: Lease) -> Mark:
        mark = folder.mark()
        if mark is None:
            raise PermissionError(
                f"{folder.path} carries no lease of ours: it is not touched; move it away by hand if it is in the way"
            )
        if mark.lease_id != lease.lease_id:
            raise PermissionError(
                f"{folder.path} belongs to the lease {mark.lease_id}, not to {lease.lease_id}: it is not touched"
            )
        return mark

    def _look(self, folder: Folder) -> Sandbox:
        mark = folder.mark()
        if mark is None:
            return Sandbox(
                name=folder.name, status=Status.FAILED, detail=f"{folder.path} is there without a lease of ours: not touched"
            )
        state, working = folder.state(), folder.is_worked_on()
        if state.status in _UNFINISHED and not working:
            # It may have ended between the two looks.
            state = folder.state()
        if state.status in _UNFINISHED and not working:
            state = self._resume(folder, state, mark)
        elif state.status is Status.SUCCEEDED and (state.server is None or state.server.process() is None):
            state = replace(state, status=Status.FAILED, detail="the restored server is gone: discard, and drill again")
        again = f" (started {folder.attempts()} times)" if folder.attempts() > 1 else ""
        return Sandbox(
            name=folder.name,
            status=state.status,
            detail=(state.detail or state.phase) + again,
            phases=state.phases,
            lease_id=mark.lease_id,
        )

    def _resume(self, folder: Folder, state: State, mark: Mark) -> State:
        """Start the runner, or say why it is not started again."""
        why, attempts = None, folder.attempts()
        if not (folder.path / "job.json").exists():
            why = "it is being discarded: call discard again"
        elif utcnow() > mark.expires_at:
            why = f"its lease ended at {mark.expires_at:%Y-%m-%d %H:%M} UTC: discard it"
        elif attempts >= _ATTEMPTS:
            why = f"its runner was killed {attempts} times, the last time in phase {state.phase}: read the kernel's log"
        if why is not None:
            return replace(state, status=Status.FAILED, detail=why)
        start_runner(folder)
        return replace(state, status=Status.RUNNING if attempts else Status.PENDING)


def own(datastore: model.Datastore) -> Datastore:
    """The datastore as this room's own. Raises TypeError for another cloud's."""
    if not isinstance(datastore, Datastore):
        raise TypeError(f"datastore {datastore.name} is not self-hosted")
    return datastore


def owned(name: str, kind: str, region: str, mark: Mark) -> Owned:
    """A resource of ours as the inventory shows it."""
    return Owned(name=name, cloud="selfhosted", region=region, kind=kind, lease_id=mark.lease_id, created_at=mark.created_at)


def order(datastore: Datastore, point: RecoveryPoint, item: PlanItem, settings: RestoreHost, name: str) -> Job:
    """What the runner has to do. Latest rolls forward through the archive, a point stops where that set is consistent."""
    major = point.engine_version or "unknown"
    target = item.target
    return Job(
        name=name,
        kind="dump" if point.kind == "dump" else "base_backup",
        major=major,
        bin_dir=str(bin_dir(settings, major)),
        location=point.location,
        tarred=bool(point.facts.get("tarred")),
        wal=point.facts.get("wal"),
        target="time" if target.time else "immediate" if target.point_id else "latest",
        target_time=target.time,
        database=datastore.database,
        superuser=datastore.superuser,
        run_as=settings.run_as,
        isolation=settings.isolation,
        max_ready=parse_duration(settings.max_ready) / timedelta(seconds=1),
    )


def start_runner(folder: Folder) -> None:
    """Start the process that makes this sandbox. It has taken the folder's lock when this returns. Raises Transient."""
    with (folder.path / "runner.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "include.clouds.selfhosted.runner", str(folder.path)],
            cwd=PROJECT,
            env={**environment(), "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,
        )
    if done.returncode:
        raise Transient(f"the runner of {folder.name} did not start: see {folder.path / 'runner.log'}")
