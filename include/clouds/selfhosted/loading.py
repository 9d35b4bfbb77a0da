"""Bringing a dump back: a new cluster behind the sandbox's walls, and pg_restore into it."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from include.clouds.selfhosted import isolation, programs
from include.clouds.selfhosted.files import Store
from include.clouds.selfhosted.papers import Job
from include.clouds.selfhosted.sandbox import Folder

_LEFT_OUT = ("USER MAPPING", "SUBSCRIPTION", "PUBLICATION", "PUBLICATION TABLE", "EVENT TRIGGER")
"""Ways out of the sandbox, and what would fire by itself: never created."""
_POLICY_ROLES = re.compile(r"^CREATE POLICY .*? TO (?P<roles>.+?)(?: USING| WITH CHECK|;)", re.MULTILINE)
_CREATE = re.compile(r"^CREATE DATABASE .*? WITH (?P<options>TEMPLATE = [^;]+);", re.MULTILINE)


def new_cluster(folder: Folder, job: Job, walls: isolation.Walls, user: programs.RunAs) -> None:
    """Make an empty cluster with the sandbox's superuser. Raises ProgramFailed."""
    folder.data.mkdir(mode=0o700)
    user.own(folder.data)
    needs = isolation.needed_folders(Path(job.bin_dir))
    programs.run(
        Path(job.bin_dir),
        "initdb",
        *("-D", folder.data, "-U", job.superuser, "-E", "UTF8", "--locale=C.UTF-8", "-A", "reject", "--no-sync"),
        preexec_fn=isolation.entering(walls, isolation.Place.of(folder), needs, user),
        # Behind the walls is no /proc, without which the loader cannot find libraries relative to the program.
        env={**programs.environment(), "LD_LIBRARY_PATH": ":".join(map(str, needs))},
    )


def load(folder: Folder, job: Job) -> str:
    """Create the database as the dump describes it and load the dump. Gives a note on what differs, or an empty text.

    Raises ProgramFailed with pg_restore's own words.
    """
    tools = Path(job.bin_dir)
    with Store(job.location).at_hand() as archive, TemporaryDirectory(prefix="dy-load-") as scratch:
        schema = programs.run(tools, "pg_restore", "--create", "--schema-only", "--file=-", archive).stdout
        note = create_database(folder, job, schema)
        for role in policy_roles(schema):
            execute(folder, job, "postgres", f"CREATE ROLE {role} NOLOGIN")
        listing = Path(scratch, "entries")
        listing.write_text(entries_to_load(programs.run(tools, "pg_restore", "--list", archive).stdout))
        programs.run(
            tools,
            "pg_restore",
            *("--host", folder.socket_dir, "--port", "5432", "--username", job.superuser, "--dbname", job.database),
            *("--no-owner", "--no-privileges", "--exit-on-error", "--jobs=2", "--use-list", listing, archive),
            timeout=None,
        )
    return note


def create_database(folder: Folder, job: Job, schema: str) -> str:
    """Create the database with the dump's encoding and locale, or with this machine's where it lacks that locale."""
    if job.database in ("postgres", "template1"):
        return ""
    found = _CREATE.search(schema)
    name = identifier(job.database)
    options = f" {found['options']}" if found else ""
    try:
        execute(folder, job, "postgres", f"CREATE DATABASE {name}{options}")
    except programs.ProgramFailed as refused:
        if "locale" not in str(refused):
            raise
        execute(folder, job, "postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return f"sorted as C.UTF-8: this machine lacks the dump's locale ({options.partition('LOCALE')[2].strip() or 'unknown'})"
    return ""


def entries_to_load(listing: str) -> str:
    """The dump's table of contents without what must not come to life in a sandbox."""
    kept = []
    for line in listing.splitlines():
        entry = line.split(None, 3)
        words = entry[3] if len(entry) > 3 else ""
        if not line.startswith(";") and any(words.startswith(f"{kind} ") for kind in _LEFT_OUT):
            continue
        kept.append(line)
    return "\n".join(kept) + "\n"


def policy_roles(schema: str) -> list[str]:
    """The roles that row policies name: pg_restore needs them to exist."""
    roles = {role.strip() for found in _POLICY_ROLES.finditer(schema) for role in found["roles"].split(",")}
    return sorted(roles - {"PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"})


def identifier(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def execute(folder: Folder, job: Job, database: str, sql: str) -> None:
    """One statement as the sandbox's superuser, before it is secured. Raises ProgramFailed with the server's words."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=str(folder.socket_dir), port=5432, user=job.superuser, dbname=database, connect_timeout=10
        )
    except psycopg2.Error as refused:
        raise programs.ProgramFailed(f"connecting to the new cluster: {refused}") from refused
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
    except psycopg2.Error as refused:
        raise programs.ProgramFailed(f"{sql[:80]}: {str(refused).strip()}") from refused
    finally:
        connection.close()
