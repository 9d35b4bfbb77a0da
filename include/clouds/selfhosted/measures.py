"""The measures inside a restored server, one function each. The function's name is the check's.

Each runs in its own transaction as our superuser, finds what is dangerous, takes it away, and tells what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.clouds.selfhosted.configuration import ADMIN, MEANING, READER
from include.recovery.model import Check, Outcome

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 a class by its own spelling

NOTHING = "none"
_NOWHERE = "/nowhere"
_ADDRESSES = ("host", "hostaddr", "service", "servername", "dbserver", "address", "server", "url", "endpoint", "odbc_server")
"""Names of options that say where a foreign server is, over the wrappers in use."""
_JOBS = {"cron.job": "active", "pgagent.pga_job": "jobenabled", "timetable.chain": "live"}
"""Tables of schedulers, with the column that switches a job on."""


def rows(connection: Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one SELECT."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


def do(connection: Connection, sql: str, *names: str, values: tuple[Any, ...] = ()) -> None:
    """One statement; ``{}`` in it are names, quoted here."""
    from psycopg2 import sql as parts

    with connection.cursor() as cursor:
        cursor.execute(parts.SQL(sql).format(*map(parts.Identifier, names)), values or None)


def check(name: str, found: list[str], detail: str = "", outcome: Outcome = Outcome.PASSED) -> Check:
    """What a measure found (names, never data), and that it was dealt with."""
    measured = f"{len(found)}: {', '.join(found[:10])}" if found else NOTHING
    return Check(name=name, layer="harmless", outcome=outcome, measured=measured, detail=detail)


def databases(connection: Connection) -> list[str]:
    """Every database that can be connected to."""
    return [row[0] for row in rows(connection, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname")]


def make_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Our superuser and our reader, with derived passwords. Roles of these names that came with the data become ours.

    Row policies do not apply to the reader: a question must count every row.
    """
    known = {row[0] for row in rows(connection, "SELECT rolname FROM pg_roles")}
    rights = {ADMIN: "SUPERUSER LOGIN", READER: "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS LOGIN"}
    for name, right in rights.items():
        verb = "ALTER" if name in known else "CREATE"
        do(connection, f"{verb} ROLE {{}} {right} VALID UNTIL 'infinity' PASSWORD %s", name, values=(passwords[name],))
    for (member,) in rows(
        connection, "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid "
        "JOIN pg_roles u ON u.oid = m.member WHERE u.rolname = %s AND r.rolname <> 'pg_read_all_data'", READER,
    ):  # fmt: skip
        do(connection, "REVOKE {} FROM {}", member, READER)
    do(connection, "GRANT pg_read_all_data TO {}", READER)


# ---- of the whole cluster ----------------------------------------------------------------------------------------


def own_configuration(connection: Connection) -> Check:
    """Every setting that comes from a file comes from ours."""
    foreign = rows(
        connection,
        "SELECT name FROM pg_settings WHERE sourcefile <> current_setting('config_file') ORDER BY name",
    )
    faults = rows(connection, "SELECT sourcefile || ' line ' || sourceline FROM pg_file_settings WHERE error IS NOT NULL")
    found = [row[0] for row in (*foreign, *faults)]
    if found:
        detail = f"settings of the original are in force: {', '.join(found[:5])}; discard the sandbox"
        return check("own-configuration", found, detail, Outcome.FAILED)
    return check("own-configuration", [])


_MUST_BE = {
    "archiving-off": {"archive_mode": "off", "archive_command": "", "archive_library": ""},
    "replication-off": {
        "max_logical_replication_workers": "0",
        "max_wal_senders": "0",
        "max_replication_slots": "0",
        "primary_conninfo": "",
        "synchronous_standby_names": "",
    },
    "preloads-off": {"shared_preload_libraries": "", "session_preload_libraries": "", "local_preload_libraries": ""},
    "no-address": {"listen_addresses": "", "ssl": "off"},
}


def must_be(connection: Connection, name: str) -> Check:
    """Some settings as the server has them now, against what makes it harmless. `archive_command` shows ``(disabled)``."""
    wanted = _MUST_BE[name]
    found = dict(rows(connection, "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", list(wanted)))
    wrong = [f"{key} = {value}" for key, value in found.items() if value not in (wanted[key], "(disabled)")]
    measured = ", ".join(f"{key}={value or 'empty'}" for key, value in sorted(found.items()))
    if wrong:
        detail = f"{', '.join(wrong)}: the sandbox does not run under our configuration; discard it"
        return Check(name=name, layer="harmless", outcome=Outcome.FAILED, measured=measured, detail=detail)
    return Check(name=name, layer="harmless", outcome=Outcome.PASSED, measured=measured)


def archiving_off(connection: Connection) -> Check:
    """Nothing is written into production's archive."""
    return must_be(connection, "archiving-off")


def replication_off(connection: Connection) -> Check:
    """Nobody is followed, and nobody may follow."""
    return must_be(connection, "replication-off")


def preloads_off(connection: Connection) -> Check:
    """No library runs by itself: no scheduler, no auditor, no extension's worker."""
    return must_be(connection, "preloads-off")


def no_address(connection: Connection) -> Check:
    """The server listens on no address."""
    return must_be(connection, "no-address")


def settings_cleared(connection: Connection) -> Check:
    """What ALTER ROLE and ALTER DATABASE had set is gone, but for what a database's answers depend on (`MEANING`)."""
    found = []
    for database, role, name in rows(
        connection,
        "SELECT d.datname, r.rolname, split_part(c, '=', 1) FROM pg_db_role_setting s "
        "LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c",
    ):
        if role == READER or (role is None and name.lower() in MEANING):
            continue
        found.append(f"{name} of {role or 'every role'} in {database or 'every database'}")
        reset(connection, database, role, name)
    for name, value in _READER_SETTINGS.items():
        do(connection, f"ALTER ROLE {{}} SET {name} = %s", READER, values=(value,))
    return check("settings-cleared", found)


_READER_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "10min",
    "lock_timeout": "10s",
}


def reset(connection: Connection, database: str | None, role: str | None, name: str) -> None:
    """Take away one setting. A setting's name may have a dot, and is quoted in parts."""
    from psycopg2 import sql as parts

    setting = parts.SQL(".").join(parts.Identifier(part) for part in name.split("."))
    who = parts.SQL("ROLE ") + (parts.Identifier(role) if role else parts.SQL("ALL"))
    where = parts.SQL(" IN DATABASE ") + parts.Identifier(database) if database else parts.SQL("")
    with connection.cursor() as cursor:
        cursor.execute(parts.SQL("ALTER ") + who + where + parts.SQL(" RESET ") + setting)


def logins_disabled(connection: Connection) -> Check:
    """No role of the original can log in, and none keeps its password."""
    found = []
    for name, can_login in rows(
        connection,
        "SELECT rolname, rolcanlogin FROM pg_authid WHERE rolname NOT IN (%s, %s) AND rolname NOT LIKE 'pg\\_%%' "
        "AND (rolcanlogin OR rolreplication OR rolpassword IS NOT NULL) ORDER BY rolname",
        ADMIN,
        READER,
    ):
        do(connection, "ALTER ROLE {} NOLOGIN NOREPLICATION PASSWORD NULL", name)
        if can_login:
            found.append(name)
    return check("logins-disabled", found)


def slots_dropped(connection: Connection) -> Check:
    """No replication slot is left: it would hold WAL and wait for a follower."""
    found = [row[0] for row in rows(connection, "SELECT slot_name FROM pg_replication_slots ORDER BY slot_name")]
    for name in found:
        rows(connection, "SELECT pg_drop_replication_slot(%s)", name)
    return check("slots-dropped", found)


# ---- of each database --------------------------------------------------------------------------------------------


def subscriptions_disabled(connection: Connection) -> Check:
    """No subscription is enabled, none has a slot at its publisher to drop, and none knows where its publisher is."""
    found = []
    for (name,) in rows(
        connection,
        "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database() "
        "ORDER BY subname",
    ):
        found.append(f"{name}")
        do(connection, "ALTER SUBSCRIPTION {} DISABLE", name)
        do(connection, "ALTER SUBSCRIPTION {} SET (slot_name = NONE)", name)
    # The address is cut in the catalog: ALTER SUBSCRIPTION CONNECTION would load the library that connects.
    do(connection, "UPDATE pg_subscription SET subconninfo = %s WHERE subdbid = (SELECT oid FROM pg_database "
       "WHERE datname = current_database())", values=(f"host={_NOWHERE}",))  # fmt: skip
    return check("subscriptions-disabled", found)


def foreign_servers_cut(connection: Connection) -> Check:
    """No foreign server has a handler, an address or anybody's credentials.

    NO HANDLER stops every wrapper without loading its library; the address is for dblink, which takes a server's name.
    """
    servers = rows(connection, "SELECT oid, srvname, coalesce(srvoptions, '{}') FROM pg_foreign_server ORDER BY srvname")
    for (wrapper,) in rows(connection, "SELECT fdwname FROM pg_foreign_data_wrapper"):
        do(connection, "ALTER FOREIGN DATA WRAPPER {} NO HANDLER NO VALIDATOR", wrapper)
    do(connection, "DELETE FROM pg_user_mapping")
    for oid, _, options in servers:
        kept = [one for one in options if one.partition("=")[0].lower() not in (*_ADDRESSES, "port")]
        do(connection, "UPDATE pg_foreign_server SET srvoptions = %s WHERE oid = %s", values=([f"host={_NOWHERE}", *kept], oid))
    return check("foreign-servers-cut", [name for _, name, _ in servers])


def jobs_disabled(connection: Connection) -> Check:
    """No scheduler's job is on: pg_cron, pgAgent, pg_timetable."""
    found = []
    for table, column in _JOBS.items():
        schema, name = table.split(".")
        if not rows(connection, "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s)", table):
            continue
        count = rows(connection, f"SELECT count(*) FROM {schema}.{name} WHERE {column}")[0][0]
        # Their own triggers call libraries that are not preloaded here.
        do(connection, "SET LOCAL session_replication_role = replica")
        do(connection, f"UPDATE {{}}.{{}} SET {column} = false WHERE {column}", schema, name)
        if count:
            found.append(f"{count} in {table}")
    return check("jobs-disabled", found)


def event_triggers_disabled(connection: Connection) -> Check:
    """No event trigger fires, at login or at any other event."""
    found = [row[0] for row in rows(connection, "SELECT evtname FROM pg_event_trigger WHERE evtenabled <> 'D' ORDER BY evtname")]
    for name in found:
        do(connection, "ALTER EVENT TRIGGER {} DISABLE", name)
    return check("event-triggers-disabled", found)


def reader_connects(connection: Connection) -> Check:
    """Our reader may connect here, whatever the original granted to whom."""
    database = connection.info.dbname
    do(connection, "GRANT CONNECT ON DATABASE {} TO {}", database, READER)
    return check("reader-connects", [])


OF_CLUSTER = (
    own_configuration,
    archiving_off,
    replication_off,
    preloads_off,
    no_address,
    settings_cleared,
    logins_disabled,
    slots_dropped,
)
OF_DATABASE = (event_triggers_disabled, subscriptions_disabled, foreign_servers_cut, jobs_disabled, reader_connects)
