"""``make up`` and ``make down``: Airflow with the lab, from nothing to healthy, and to nothing again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from include.lab import airflow_component, airflow_home, lab
from include.lab.airflow_client import AirflowClient, AirflowError
from include.lab.home import lab_home
from include.lab.processes import Process, alive, identify
from include.settings import PROJECT
from include.values import Frozen

if TYPE_CHECKING:
    import psutil


class Server(Frozen):
    """What was started: kept in ``server.json`` of the home."""

    process: Process
    """The leader of the session that every part belongs to."""
    address: str
    dags: Path
    """The folder of its DAG files."""


def running(home: Path) -> Server | None:
    """The Airflow of a home, when its leader is alive."""
    try:
        server = Server.model_validate_json((home / "server.json").read_text())
    except (OSError, ValueError):
        return None
    return server if alive(server.process) else None


def client(home: Path, user: str | None = None) -> AirflowClient:
    """A REST client for the Airflow of a home; `user` is by default the first of its logins. Raises RuntimeError when it does
    not run.
    """
    server = running(home)
    if server is None:
        raise RuntimeError(f"no Airflow runs in {home}: start it with `make up`")
    user = user or next(iter(airflow_home.users()))
    return AirflowClient(server.address, user, airflow_home.logins(home)[user])


def start(home: Path, env: Mapping[str, str]) -> Server:
    """Start ``airflow standalone`` detached, its components kept running. Returns at once; see `wait_healthy`."""
    shims = home / "bin"
    airflow_component.install(shims)
    with (home / "standalone.log").open("a") as log:
        leader = subprocess.Popen(
            [sys.executable, str(Path(sys.executable).parent / "airflow"), "standalone"],
            env={**env, "PATH": os.pathsep.join([str(shims), env["PATH"]])},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = identify(leader.pid)
    if process is None:
        raise RuntimeError(f"airflow standalone ended at once; see {home / 'standalone.log'}")
    server = Server(process=process, address=env["AIRFLOW__API__BASE_URL"], dags=Path(env["AIRFLOW__CORE__DAGS_FOLDER"]))
    (home / "server.json").write_text(server.model_dump_json() + "\n")
    return server


def wait_healthy(home: Path, seconds: float = 240, *, quiet: bool = False) -> float:
    """Wait until every part is healthy and the DAGs are read. Gives the seconds it took.

    Raises RuntimeError with the log's end when it stopped, TimeoutError naming what is not healthy.
    """
    began, parts = time.monotonic(), {"api-server": "not answering"}
    while time.monotonic() - began < seconds:
        server = running(home)
        if server is None:
            raise RuntimeError(f"airflow standalone stopped; the end of {home / 'standalone.log'}:\n{_tail(home)}")
        before = parts
        with contextlib.suppress(OSError, AirflowError, ValueError):
            api = client(home)
            parts = api.health()
            if all(state == "healthy" for state in parts.values()):
                read, files = _read_files(api), len(list(server.dags.glob("*.py")))
                if read >= files:
                    return time.monotonic() - began
                parts = {**parts, "dags": f"{read} of {files} files read"}
        if parts != before and not quiet:
            print(
                f"  {time.monotonic() - began:3.0f} s  " + ", ".join(f"{part} {state}" for part, state in parts.items()),
                flush=True,
            )
        time.sleep(1)
    unhealthy = {part: state for part, state in parts.items() if state != "healthy"}
    raise TimeoutError(f"Airflow is not healthy after {seconds:.0f} s: {unhealthy}; see {home / 'standalone.log'}")


def _read_files(api: AirflowClient) -> int:
    """DAG files that were read, as far as Airflow tells: each DAG and each import error stands for its file."""
    dags = api.call("GET", "/api/v2/dags?limit=100")["dags"]
    errors = api.call("GET", "/api/v2/importErrors?limit=100")["import_errors"]
    return len({dag["relative_fileloc"] for dag in dags} | {error["filename"] for error in errors})


def _tail(home: Path, lines: int = 25) -> str:
    return "\n".join((home / "standalone.log").read_text(errors="replace").splitlines()[-lines:])


def members(home: Path) -> list[psutil.Process]:
    """Every process of a home's Airflow, also when its leader is gone: by session, by environment, and their descendants."""
    import psutil

    leader = None
    with contextlib.suppress(OSError, ValueError):
        leader = Server.model_validate_json((home / "server.json").read_text()).process
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            in_session = leader is not None and os.getsid(process.pid) == leader.pid and process.create_time() >= leader.born - 1
            if in_session or process.environ().get("DRILLYARD_AIRFLOW") == str(home):
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
    found.pop(os.getpid(), None)
    return list(found.values())


def stop(home: Path, patience: float = 25) -> int:
    """End every process of a home's Airflow: asked first, killed after `patience` seconds. Gives how many there were.

    Raises RuntimeError naming what could not be ended.
    """
    import psutil

    everyone = members(home)
    keepers = [one for one in everyone if _is_keeper(one)]
    for group, seconds, number in ((keepers, patience, signal.SIGTERM), (None, 5.0, signal.SIGTERM), (None, 5.0, signal.SIGKILL)):
        targets = members(home) if group is None else group
        for process in targets:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(_lives(process) for process in targets):
            time.sleep(0.1)
    left = members(home)
    if left:
        raise RuntimeError("could not be ended: " + ", ".join(f"{one.pid} ({one.name()})" for one in left))
    (home / "server.json").unlink(missing_ok=True)
    return len(everyone)


def _lives(process: psutil.Process) -> bool:
    """Not gone and no zombie: `airflow standalone` leaves zombies, which its own end clears away."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_keeper(process: psutil.Process) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        return "include.lab.airflow_component" in process.cmdline()
    return False


def lab_variables() -> dict[str, str]:
    """The lab's environment; empty when there is no lab."""
    file = lab_home() / "env.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def up(home: Path = airflow_home.DEFAULT_HOME) -> int:
    """``make up``. The exit code; says what to do when it cannot."""
    server = running(home)
    if server is not None:
        print("Airflow is up already")
        _introduce(home, server)
        return 0
    try:
        lab.up(clouds=lab.usual_clouds())
        stop(home)
        if (home / "kept.json").is_file():
            airflow_home.renew_ports(home)
        env = airflow_home.airflow_environment(home, lab_variables())
        print("preparing Airflow's database, pools and connections", flush=True)
        airflow_home.prepare(env)
        print("starting Airflow", flush=True)
        server = start(home, env)
        print(f"healthy after {wait_healthy(home):.0f} s")
    except (Exception, KeyboardInterrupt) as error:
        print(f"Airflow did not come up: {type(error).__name__}: {error}", file=sys.stderr)
        stop(home)
        print("stopped what was started; the lab still runs, `make down` ends it", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    _introduce(home, server)
    return 0


def _introduce(home: Path, server: Server) -> None:
    user = next(iter(airflow_home.users()))
    print(f"\n  Airflow  {server.address}\n  login    {user} / {airflow_home.logins(home)[user]}")
    print(f"  others   {home / 'passwords.json'}\n  log      {home / 'standalone.log'}\n  stop it  make down")


def down(home: Path = airflow_home.DEFAULT_HOME) -> int:
    """``make down``. The exit code: 0 when nothing is left."""
    try:
        count = stop(home)
        print(f"Airflow: {count} processes ended" if count else "Airflow was not up", flush=True)
        lab.down()
    except Exception as error:
        print(f"not everything could be stopped: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0
