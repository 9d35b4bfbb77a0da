"""The data plane: one PostgreSQL cluster made, started, stopped, backed up and dumped. Every cloud double stands on it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from include.clouds.selfhosted.replay import reasons, tail
from include.lab import accounts, processes
from include.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  the class is lower case

HOST = "127.0.0.1"
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin", "PGCONNECT_TIMEOUT": "10"}


class CommandFailed(RuntimeError):
    """A PostgreSQL program ended with an error; the message carries its last lines."""


class Cluster(Frozen):
    """One PostgreSQL server on this machine."""

    name: str
    data: Path
    log: Path
    port: int
    bin_dir: Path
    user: str | None
    """The user its processes run as; None: the current one."""
    password: str = Field(repr=False)
    """Of the superuser ``postgres``."""
    host: str = HOST
    """The loopback address it listens on. Servers of a managed cloud all have the same port, so each has its own address."""


def run(cluster: Cluster, program: str, *arguments: str | Path, timeout: float = 300) -> str:
    """Run one of PostgreSQL's programs as the cluster's user, with the superuser's password at hand; gives its stdout.

    Raises CommandFailed with what it said on stderr.
    """
    command = [str(cluster.bin_dir / program), *map(str, arguments)]
    environment = {
        **ENVIRONMENT,
        "PGPASSWORD": cluster.password,
        "PGHOST": cluster.host,
        "PGPORT": str(cluster.port),
        "PGUSER": "postgres",
    }
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        **accounts.dropped(cluster.user),
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise CommandFailed(f"{program} for {cluster.name} ended with {done.returncode}: {said}")
    return done.stdout


def initdb(cluster: Cluster, settings: Mapping[str, str], *, wal_segment_mb: int = 1) -> None:
    """Make an empty cluster: data checksums on, SCRAM for everybody, TCP on loopback only.

    `settings` go to the end of ``postgresql.conf`` as they are. The locale is PostgreSQL's own C.UTF-8, so that indexes
    do not depend on the machine's libc.
    """
    accounts.folder(cluster.data.parent, cluster.user, 0o700)
    secret = cluster.data.parent / f".{secrets.token_hex(8)}"
    secret.write_text(cluster.password)
    secret.chmod(0o600)
    accounts.give(secret, cluster.user)
    try:
        run(
            cluster,
            "initdb",
            *("-D", cluster.data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums", "--no-sync", "--no-instructions"),
            f"--wal-segsize={wal_segment_mb}",
        )
    finally:
        secret.unlink()
    configure(
        cluster, {"listen_addresses": f"'{cluster.host}'", "unix_socket_directories": "''", "timezone": "'UTC'", **settings}
    )


def configure(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Append settings to ``postgresql.conf``. The port is not among them: `start` gives it, so it may change."""
    lines = [f"{name} = {value}" for name, value in settings.items()]
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.write("\n# Drillyard lab\n" + "\n".join(lines) + "\n")


def running(cluster: Cluster) -> processes.Process | None:
    """Its postmaster, or None."""
    return processes.postmaster(cluster.data)


def start(cluster: Cluster, overrides: Mapping[str, str] | None = None, *, patience: int = 60) -> processes.Process:
    """Start the server and wait until it accepts connections. `overrides` hold until the next start.

    Starting a running server gives its process. Raises CommandFailed, with what ended it by its own log, when it does not
    start.
    """
    there = running(cluster)
    if there is not None:
        return there
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    already = cluster.log.stat().st_size if cluster.log.exists() else 0
    options = " ".join(f"-c {name}={value}" for name, value in {"port": str(cluster.port), **(overrides or {})}.items())
    try:
        run(cluster, "pg_ctl", "start", "-w", "-s", "-t", str(patience), "-D", cluster.data, "-l", cluster.log, "-o", options)
    except CommandFailed as error:
        said = reasons(tail(cluster.log, cluster.log.stat().st_size - already)) if cluster.log.exists() else "it wrote no log"
        raise CommandFailed(f"{cluster.name} did not start: {said}; see {cluster.log} ({error})") from error
    started = running(cluster)
    if started is None:
        raise CommandFailed(f"{cluster.name} started and ended at once; see {cluster.log}")
    return started


def stop(cluster: Cluster, *, mode: str = "fast", patience: int = 30) -> None:
    """Stop the server; ``immediate`` when the mode asked for does not end it in time. Harmless when it is down."""
    process = running(cluster)
    if process is None:
        return
    try:
        run(cluster, "pg_ctl", "stop", "-w", "-s", "-m", mode, "-t", str(patience), "-D", cluster.data)
    except CommandFailed:
        if processes.alive(process):
            run(cluster, "pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", cluster.data)
    processes.wait_gone(process, 5)


@contextmanager
def connect(
    cluster: Cluster,
    database: str = "postgres",
    *,
    user: str = "postgres",
    password: str | None = None,
    name: str = "drillyard-lab",
) -> Iterator[Connection]:
    """An autocommit psycopg2 connection, closed on exit. Raises psycopg2.OperationalError."""
    import psycopg2

    connection = psycopg2.connect(
        host=cluster.host,
        port=cluster.port,
        dbname=database,
        user=user,
        password=password or cluster.password,
        connect_timeout=10,
        application_name=name,
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def execute(cluster: Cluster, database: str, *statements: str) -> None:
    """Run statements as superuser, each in its own transaction."""
    with connect(cluster, database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def scalar(cluster: Cluster, database: str, sql: str) -> object:
    """The first column of the first row of a SELECT, as superuser; None when there is no row."""
    with connect(cluster, database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
        return row[0] if row else None


def base_backup(cluster: Cluster, target: Path) -> None:
    """A plain base backup with its WAL and a SHA-256 manifest. The target folder appears whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    run(
        cluster,
        "pg_basebackup",
        *("-D", part, "-F", "plain", "-X", "stream", "-c", "fast", "--manifest-checksums=SHA256", "--no-sync"),
        *("-l", f"drillyard {target.name}"),
    )
    part.rename(target)


def dump(cluster: Cluster, database: str, target: Path) -> None:
    """A `pg_dump` archive in custom format. The file appears whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    run(cluster, "pg_dump", "-F", "custom", "-Z", "1", "-f", part, "-d", database)
    part.rename(target)
