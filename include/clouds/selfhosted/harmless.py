"""Making a restored server harmless before anybody connects: its logins, its passwords, and every way out.

The walls and our own configuration hold from the first instant (`isolation`, `configuration`). This is the rest: what the
data itself carries. Everything may be repeated, and each measure tells what it found.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from include.clouds.selfhosted import configuration, measures, walls
from include.clouds.selfhosted.configuration import ADMIN, READER
from include.clouds.selfhosted.sandbox import Folder, replace
from include.clouds.selfhosted.settings import Datastore
from include.recovery.contracts import Transient
from include.recovery.model import Check, Outcome, Status
from include.recovery.naming import sandbox_password

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 a class by its own spelling

_SAFE = (
    "-c session_preload_libraries= -c local_preload_libraries= -c role=none -c search_path=pg_catalog "
    "-c default_transaction_read_only=off -c statement_timeout=60s -c lock_timeout=10s"
)
"""A client's options outrank what ALTER ROLE and ALTER DATABASE have set, so none of that is loaded on the way in."""


def secure(folder: Folder, datastore: Datastore, secret: str) -> tuple[Check, ...]:
    """Make the server harmless. One check a measure; a measure that fails is `failed` and does not hide the others.

    Raises Transient when the server does not answer, PermissionError when the sandbox is not ours or not restored.
    """
    state = folder.state()
    if folder.mark() is None or state.status is not Status.SUCCEEDED:
        raise PermissionError(f"{folder.path} is no restored sandbox of ours (status {state.status.value}): nothing was done")
    checks = list(walls.checks(folder, state))
    if refused := take_over(folder, datastore, secret):
        return (*checks, refused)
    password = sandbox_password(secret, folder.name, ADMIN)
    with closing(connect(folder, "template1", ADMIN, password)) as connection:
        checks += run(measures.OF_CLUSTER, connection, "cluster")
        names = measures.databases(connection)
    per_database = []
    for name in names:
        with closing(connect(folder, name, ADMIN, password)) as connection:
            per_database += run(measures.OF_DATABASE, connection, name)
    checks += [*merged(per_database), locked(folder, datastore)]
    safe = all(one.outcome in (Outcome.PASSED, Outcome.UNSUPPORTED) for one in checks)
    folder.write(dataclasses.replace(folder.state(), secured=safe))
    return tuple(checks)


def run(steps: tuple[Callable[[Connection], Check], ...], connection: Connection, where: str) -> list[Check]:
    """Each measure in a transaction of its own."""
    import psycopg2

    found = []
    for step in steps:
        name = step.__name__.replace("_", "-")
        try:
            with connection:
                found.append(step(connection))
        except psycopg2.Error as refused:
            detail = f"{where}: {str(refused).strip().splitlines()[0]}; do not let anybody connect: discard the sandbox"
            found.append(Check(name=name, layer="harmless", outcome=Outcome.FAILED, detail=detail))
    return found


def merged(checks: list[Check]) -> list[Check]:
    """One check a measure out of one a database: the worst outcome, and what was found anywhere."""
    by_name: dict[str, list[Check]] = {}
    for one in checks:
        by_name.setdefault(one.name, []).append(one)
    result = []
    for name, group in by_name.items():
        worst = next((one for one in group if one.outcome is not Outcome.PASSED), group[0])
        found = [one.measured for one in group if one.measured and one.measured != measures.NOTHING]
        result.append(worst.model_copy(update={"name": name, "measured": "; ".join(found)[:300] or measures.NOTHING}))
    return result


def take_over(folder: Folder, datastore: Datastore, secret: str) -> Check | None:
    """Make our two roles, and let nobody else in from then on. The one connection there is by trust.

    Gives a failed check when the catalog's superuser is not let in, else None. Raises Transient when nobody answers.
    """
    import psycopg2

    passwords = {name: sandbox_password(secret, folder.name, name) for name in (ADMIN, READER)}
    if admits(folder, ADMIN, passwords[ADMIN]):
        return None
    try:
        with closing(connect(folder, "template1", datastore.superuser, None)) as connection:
            with connection:
                measures.make_roles(connection, passwords)
            replace(folder.etc / "pg_hba.conf", configuration.secured_hba(), 0o644)
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_reload_conf()")
    except psycopg2.OperationalError as refused:
        said = str(refused).strip()
        if not answers(said):
            raise Transient(f"the server of sandbox {folder.name} does not answer: {said}") from refused
        detail = f"the role {datastore.superuser!r} cannot log in to the copy ({said}): name a superuser of it in the catalog"
        return Check(name="logins-disabled", layer="harmless", outcome=Outcome.FAILED, detail=detail)
    wait_until(lambda: admits(folder, ADMIN, passwords[ADMIN]), f"sandbox {folder.name} did not take its new login rules")
    return None


def locked(folder: Folder, datastore: Datastore) -> Check:
    """By trying: production's superuser is refused, and so are our own roles with another password."""
    open_to = [name for name in (datastore.superuser, ADMIN, READER) if admits(folder, name, "not the password")]
    if open_to:
        detail = f"{', '.join(open_to)} could log in: discard the sandbox"
        return Check(
            name="passwords-rotated", layer="harmless", outcome=Outcome.FAILED, measured=", ".join(open_to), detail=detail
        )
    measured = f"{datastore.superuser}, {ADMIN} and {READER} refused with a wrong password"
    return Check(name="passwords-rotated", layer="harmless", outcome=Outcome.PASSED, measured=measured)


def admits(folder: Folder, role: str, password: str) -> bool:
    """Whether the server lets a role in. Raises Transient when it does not answer."""
    import psycopg2

    try:
        connect(folder, "template1", role, password).close()
    except psycopg2.OperationalError as refused:
        if not answers(str(refused)):
            raise Transient(f"the server of sandbox {folder.name} does not answer: {str(refused).strip()}") from refused
        return False
    return True


def answers(said: str) -> bool:
    """Whether an error is the server's own answer, and not the socket's."""
    return "FATAL:" in said


def wait_until(holds: Callable[[], bool], otherwise: str, patience: float = 5.0) -> None:
    """Wait for what takes the server an instant. Raises Transient."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise Transient(otherwise)
        time.sleep(0.02)


def connect(folder: Folder, database: str, role: str, password: str | None) -> Connection:
    """Connect to a sandbox without loading what the data would have loaded. Raises psycopg2.OperationalError."""
    import psycopg2

    return psycopg2.connect(
        host=str(folder.socket_dir),
        port=5432,
        dbname=database,
        user=role,
        password=password or "",
        passfile="/nonexistent",
        connect_timeout=10,
        options=_SAFE,
        application_name="drillyard secure",
    )
