"""The lab as a whole: up, down, status. Each may be repeated, and each works from another process than the one before."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from include.lab import accounts, backups, binaries, build, dangers, environment, fleet, home, interpreter, postgres, processes
from include.lab import clouds as the_clouds
from include.lab import sink as sinks
from include.lab import state as states
from include.lab import writer as order_generator
from include.lab.faults import board
from include.lab.fleet import Server
from include.lab.postgres import Cluster
from include.lab.state import LabState
from include.values import utcnow

ROWS = 1_000_000
ROLES = ("observer", "airflow", "ledger", "ledger_read", "sandbox", "stock_feed", "stock_teller")
WORKERS = 3
"""Servers built at the same time: a little more than two cores, because each waits now and then."""

Tell = Callable[[str], None]


def up(
    where: Path | None = None,
    *,
    rows: int = ROWS,
    clouds: Sequence[str] | None = None,
    fixed_ports: bool = True,
    tell: Tell = print,
) -> LabState:
    """Bring the whole lab up: servers, business data, dangers, order generator, first backups, clouds, ``env.json``.

    What is there and running stays; what was stopped is started again with its data; a lab that never came up to its
    end is made again from nothing, and so is a cloud whose control plane has ended.
    `rows` counts the order lines of a new lab; `clouds` names its managed clouds (None: those it has, a new one none); without
    `fixed_ports` it takes free ones and leaves the usual ones alone.
    """
    place = where or home.lab_home()
    user = accounts.server_user()
    home.prepare(place, user)
    with states.locked(place):
        lab = states.load(place) if states.path(place).exists() else new_state(place, user, rows, fixed_ports=fixed_ports)
        lab, moved = settle_ports(lab)
        if clouds is not None:
            without = set(lab.clouds) - set(clouds)
            the_clouds.down(place, without)
            board.forget(place, without)
        lab = states.save(lab if clouds is None else lab.model_copy(update={"clouds": tuple(clouds)}))
        lay_out(lab)
        tell(f"lab in {place}: {len(fleet.SERVERS)} PostgreSQL servers, {lab.rows:,} order lines")
        with ThreadPoolExecutor(1) as beside:
            others = beside.submit(the_clouds.up, place, lab.clouds, tell)
            lab = servers_up(lab, tell, moved=moved)
            anew = others.result()
        board.plant_again(place, anew)
        dangers.note_baseline(lab)
        environment.write(lab)
        tell(f"lab is up; variables in {place / 'env.json'} (drillyard lab env)")
        return lab


def usual_clouds(where: Path | None = None) -> Sequence[str] | None:
    """What `up` is given when nobody names clouds: all for a new lab, and None for one that is there: those it has."""
    return None if states.path(where or home.lab_home()).exists() else the_clouds.ALL


def servers_up(lab: LabState, tell: Tell, *, moved: bool) -> LabState:
    """The lab's own servers, made or started, written to and backed up."""
    each(lambda server: start_server(lab, server, tell), fleet.SERVERS)
    if moved and lab.complete:
        dangers.repoint(lab)
    if not lab.complete:
        dangers.plant(lab)
    if lab.writer is None or not processes.alive(lab.writer):
        lab = states.save(lab.model_copy(update={"writer": order_generator.launch(lab.home)}))
    if lab.sink is None or not processes.alive(lab.sink.process):
        lab = states.save(lab.model_copy(update={"sink": sinks.launch(lab.home / "mail")}))
    if not lab.complete:
        each(lambda server: first_backup(lab, server, tell), fleet.SERVERS)
        lab = states.save(lab.model_copy(update={"complete": True}))
    return lab


def each(work: Callable[[Server], Any], servers: tuple[Server, ...]) -> None:
    """Do the work for several servers at a time. The first error is raised after all have ended."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work, server) for server in servers]:
            done.result()


def new_state(place: Path, user: str | None, rows: int, *, fixed_ports: bool = True) -> LabState:
    """A lab that is only written down yet: names, ports, passwords, keys."""
    bin_dir = binaries.usable_bin(place, user)
    count = len(fleet.SERVERS)
    ports = list(range(fleet.FIRST_PORT, fleet.FIRST_PORT + count)) if fixed_ports else free_ports(count)
    clusters = {
        server.name: Cluster(
            name=server.name,
            data=place / "servers" / server.name / "data",
            log=place / "servers" / server.name / "server.log",
            port=port,
            bin_dir=bin_dir,
            user=user,
            password=build.new_password(),
        )
        for port, server in zip(ports, fleet.SERVERS, strict=True)
    }
    return LabState(
        home=place,
        rows=rows,
        born=utcnow(),
        user=user,
        bin_dir=bin_dir,
        python=interpreter.usable_python(place, user),
        clusters=clusters,
        passwords={role: build.new_password() for role in ROLES},
        digest_key=secrets.token_hex(32),
        sealing_key=secrets.token_hex(32),
    )


def settle_ports(lab: LabState) -> tuple[LabState, bool]:
    """The lab with another port for each stopped server whose port is taken now; and whether any was changed."""
    clusters, moved = {}, False
    for name, cluster in lab.clusters.items():
        taken = postgres.running(cluster) is None and not bindable(cluster.port)
        clusters[name] = cluster.model_copy(update={"port": free_ports(1)[0]}) if taken else cluster
        moved = moved or taken
    return lab.model_copy(update={"clusters": clusters}), moved


def bindable(port: int) -> bool:
    """Whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((postgres.HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Distinct ports that are free now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((postgres.HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def lay_out(lab: LabState) -> None:
    """The folders and the archive script. The sandbox root belongs to the server user alone."""
    accounts.folder(lab.home / "sandboxes", lab.user, 0o700)
    accounts.folder(lab.home / "bin", None)
    script = lab.home / "bin" / "archive_wal.py"
    shutil.copyfile(Path(__file__).with_name("archive_wal.py"), script)
    script.chmod(0o644)
    for domain in ("dc-north", "dc-south"):
        accounts.folder(lab.home / domain / "evidence", None)


def start_server(lab: LabState, server: Server, tell: Tell) -> None:
    """Start one server; make it first when the lab never came up to its end."""
    cluster = lab.cluster(server.name)
    if lab.complete:
        postgres.start(cluster)
        return
    build.build(lab, server)
    tell(f"  {server.name} ({server.domain}): {', '.join(d.service for d in server.databases)} on port {cluster.port}")


def first_backup(lab: LabState, server: Server, tell: Tell) -> None:
    """The first backup of everything on one server."""
    if server.physical:
        backups.back_up_server(lab, server)
    else:
        for database in server.databases:
            backups.back_up_database(lab, server, database)
    tell(f"  {server.name}: {'base backup and WAL archive' if server.physical else 'dumps'}, copied to {server.copies_in}")


def down(where: Path | None = None, *, purge: bool = False, tell: Tell = print) -> None:
    """Stop everything that runs in the lab's home, each process by its pid and birth; with `purge` delete the home."""
    place = where or home.lab_home()
    if not states.path(place).exists():
        tell(f"there is no lab in {place}")
        return
    with states.locked(place):
        lab = states.load(place)
        if lab.writer is not None:
            processes.end(lab.writer)
        if lab.sink is not None:
            lab.sink.stop()
        stop_sandboxes(place / "sandboxes")
        the_clouds.down(place, lab.clouds)
        each(lambda server: postgres.stop(lab.cluster(server.name)), fleet.SERVERS)
        states.save(lab.model_copy(update={"writer": None, "sink": None}))
    if purge:
        shutil.rmtree(place)
    tell("lab is down" + (" and its data is gone" if purge else f"; its data stays in {place}"))


def stop_sandboxes(root: Path) -> None:
    """End restored servers that a killed drill left in a sandbox root of the lab; their files stay for the reaper."""
    for file in root.glob("*/**/postmaster.pid"):
        left = processes.postmaster(file.parent)
        if left is not None:
            processes.end(left, by=signal.SIGINT)


def status(where: Path | None = None) -> dict[str, Any]:
    """What runs: ``servers`` (name, domain, port, pid or None, services), ``clouds`` (name, url, pid or None), ``writer`` pid or
    None, ``home``, ``rows``.

    Raises FileNotFoundError when there is no lab.
    """
    lab = states.load(where or home.lab_home())
    servers = []
    for server in fleet.SERVERS:
        process = postgres.running(lab.cluster(server.name))
        servers.append(
            {
                "name": server.name,
                "domain": server.domain,
                "port": lab.cluster(server.name).port,
                "pid": process.pid if process else None,
                "services": [database.service for database in server.databases],
            }
        )
    writing = lab.writer.pid if lab.writer is not None and processes.alive(lab.writer) else None
    return {
        "home": str(lab.home),
        "rows": lab.rows,
        "servers": servers,
        "clouds": the_clouds.status(lab.home, lab.clouds),
        "writer": writing,
        "complete": lab.complete,
    }
