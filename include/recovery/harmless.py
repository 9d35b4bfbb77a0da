"""Making a restored server of a managed cloud harmless by SQL: for whoever is its administrator and no superuser.

The network and the administrator's password are the adapter's part, through the cloud's own API. This is the rest: what the
data itself carries. Every measure may be repeated, runs in a transaction of its own, and tells what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from include.recovery.model import Access, Check, Outcome

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  the class is lower case

ADMIN, READER = "drillyard_admin", "drillyard_reader"

Connect = Callable[[str], "AbstractContextManager[Connection]"]
"""Opens an autocommit connection of the administrator to one database of the sandbox, closed on exit."""

_LOGINS = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname <> ALL (%s) ORDER BY rolname"
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> ALL (%s) ORDER BY datname"
_SUBSCRIPTIONS = """
SELECT quote_ident(s.subname) FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
"""
_MAPPINGS = """
SELECT format('USER MAPPING FOR %s SERVER %I', CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname)
FROM pg_user_mappings ORDER BY 1
"""


def connector(access: Access) -> Connect:
    """Connections of the sandbox's administrator. They raise psycopg2.OperationalError when the server does not answer."""
    from include.recovery import validation

    return lambda database: validation.connect(access.model_copy(update={"database": database}), admin=True)


def harden(
    connect: Connect, *, reader_password: str, vendor_roles: Iterable[str], vendor_databases: Iterable[str]
) -> list[Check]:
    """Cut what the data carries: logins, sessions, subscriptions, slots, scheduled jobs, ways to other servers.

    `vendor_roles` and `vendor_databases` are the cloud's own, which its customers cannot change. One check a measure, in
    layer ``harmless``; a measure that fails is `failed` and does not hide the others. Raises psycopg2.OperationalError
    when nobody can connect.
    """
    spared = [*vendor_roles, ADMIN, READER]
    with connect("postgres") as connection:
        checks = [
            _measure("logins-disabled", "postgres", lambda: disable_logins(connection, spared)),
            _measure("sessions-ended", "postgres", lambda: end_sessions(connection, spared)),
            _measure("reader-made", "postgres", lambda: make_reader(connection, reader_password)),
            _measure("slots-dropped", "postgres", lambda: drop_slots(connection)),
        ]
        names = _column(connection, _DATABASES, [list(vendor_databases)])
    found: dict[str, list[Check]] = {name: [] for name in _OF_DATABASE}
    for database in names:
        with connect(database) as connection:
            for name, step in _OF_DATABASE.items():
                found[name].append(_measure(name, database, lambda step=step, opened=connection: step(opened)))  # type: ignore[misc]
    return checks + [_worst(group) for group in found.values() if group]


def _column(connection: Connection, sql: str, values: list[Any] | None = None) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [str(row[0]) for row in cursor.fetchall()]


def _run(connection: Connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _measure(name: str, where: str, step: Callable[[], str]) -> Check:
    """A check of what a measure did. `step` gives what was found, and raises ValueError for what it could not cut."""
    import psycopg2

    try:
        return Check(name=name, layer="harmless", outcome=Outcome.PASSED, measured=step())
    except (psycopg2.Error, ValueError) as refused:
        said = (str(refused).strip().splitlines() or [type(refused).__name__])[0]
        detail = f"database {where}: {said}; discard the sandbox"
        return Check(name=name, layer="harmless", outcome=Outcome.FAILED, detail=detail)


def _worst(group: list[Check]) -> Check:
    """One check a measure out of one a database."""
    worst = next((one for one in group if one.outcome is not Outcome.PASSED), group[0])
    found = [one.measured for one in group if one.measured and one.measured != "none"]
    return worst.model_copy(update={"measured": "; ".join(found)[:300] or "none"})


def disable_logins(connection: Connection, spared: list[str]) -> str:
    """Nobody of production's logs in: NOLOGIN for every role that is neither ours nor the cloud's. Raises ValueError."""
    import psycopg2

    names = _column(connection, _LOGINS, [spared])
    for name in names:
        try:
            _run(connection, f"ALTER ROLE {_quoted(name)} NOLOGIN")
        except psycopg2.Error:
            continue  # what is left is counted below
    left = _column(connection, _LOGINS, [spared])
    if left:
        raise ValueError(f"{len(left)} of {len(names)} roles can still log in: {', '.join(left[:5])}")
    return f"{len(names)} disabled" if names else "none"


def end_sessions(connection: Connection, spared: list[str]) -> str:
    """Whoever got in before is put out."""
    sql = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid() AND usename <> ALL (%s)"
    )
    return f"{len(_column(connection, sql, [spared]))} ended"


def make_reader(connection: Connection, password: str) -> str:
    """The role that questions are asked with: reads everything, writes nothing."""
    there = _column(connection, "SELECT rolname FROM pg_roles WHERE rolname = %s", [READER])
    _run(connection, *([] if there else [f"CREATE ROLE {READER}"]))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {READER} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD %s", [password])
    _run(
        connection,
        f"GRANT pg_read_all_data TO {READER}",
        f"GRANT pg_monitor TO {READER}",
        f"ALTER ROLE {READER} SET default_transaction_read_only = on",
    )
    return READER


def drop_slots(connection: Connection) -> str:
    """No slot keeps WAL or waits for a consumer."""
    names = _column(connection, "SELECT slot_name FROM pg_replication_slots WHERE NOT active")
    for name in names:
        _column(connection, "SELECT pg_drop_replication_slot(%s)", [name])
    return f"{len(names)} dropped" if names else "none"


def drop_subscriptions(connection: Connection) -> str:
    """Nothing is fetched from another server's publications, and the publisher's slot is not touched."""
    names = _column(connection, _SUBSCRIPTIONS)
    for name in names:
        _run(
            connection,
            f"ALTER SUBSCRIPTION {name} DISABLE",
            f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)",
            f"DROP SUBSCRIPTION {name}",
        )
    return f"{len(names)} dropped" if names else "none"


def drop_mappings(connection: Connection) -> str:
    """Foreign servers keep their tables' definitions and lose every password to get there."""
    mappings = _column(connection, _MAPPINGS)
    for mapping in mappings:
        _run(connection, f"DROP {mapping}")
    return f"{len(mappings)} dropped" if mappings else "none"


def stop_jobs(connection: Connection) -> str:
    """pg_cron runs nothing."""
    if not _column(connection, "SELECT to_regclass('cron.job') WHERE to_regclass('cron.job') IS NOT NULL"):
        return "none"
    _run(connection, "UPDATE cron.job SET active = false")
    return f"{_column(connection, 'SELECT count(*) FROM cron.job')[0]} stopped"


def disable_event_triggers(connection: Connection) -> str:
    """Nothing fires when a drill creates what it needs."""
    names = _column(connection, "SELECT quote_ident(evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'")
    for name in names:
        _run(connection, f"ALTER EVENT TRIGGER {name} DISABLE")
    return f"{len(names)} disabled" if names else "none"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_OF_DATABASE: dict[str, Callable[[Any], str]] = {
    "subscriptions-dropped": drop_subscriptions,
    "foreign-servers-cut": drop_mappings,
    "jobs-stopped": stop_jobs,
    "event-triggers-disabled": disable_event_triggers,
}
