"""The configuration that every restored server starts under: ours, whole, and nothing of production's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from include.clouds.selfhosted.papers import Job
from include.clouds.selfhosted.sandbox import Folder

_LINE = re.compile(r"^\s*(?P<name>[A-Za-z_]+)\s*(?:=|\s)\s*(?:'(?P<quoted>(?:[^']|'')*)'|(?P<plain>[^\s#']+))")
ADMIN, READER = "drillyard_admin", "drillyard_reader"

_QUIET: dict[str, str] = {
    # No way in but the socket.
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "ssl": "off",
    "max_connections": "20",
    # Nothing is written to anybody's archive, and nobody is followed.
    "archive_mode": "off",
    "archive_command": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "hot_standby": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_replication_slots": "0",
    "max_logical_replication_workers": "0",
    "max_sync_workers_per_subscription": "0",
    "synchronous_standby_names": "",
    # Nothing runs but what is asked.
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "autovacuum": "off",
    "jit": "off",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    # A copy that is thrown away need not survive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_sync_method": "fdatasync",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",
    # What happens is said in one file of ours, in one language and one zone.
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "lc_messages": "C",
    "cluster_name": "",
    "restart_after_crash": "off",
}
_SINCE: dict[int, dict[str, str]] = {
    17: {"event_triggers": "off", "allow_alter_system": "off", "sync_replication_slots": "off", "summarize_wal": "off"},
}
MEANING = (
    "timezone",
    "datestyle",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "default_text_search_config",
    "bytea_output",
    "extra_float_digits",
    "search_path",
)
"""Settings that change what an answer is, and nothing else: these are kept, so that a question means what it meant there."""
_FROM_CONTROL = {
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
"""Recovery refuses less of these than the primary had, hot standby or not: prepared transactions and locks are replayed."""


def quoted(value: str) -> str:
    """A value as postgresql.conf takes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def restore_command(folder: Folder) -> str:
    """Ask the runner for a file and wait for its answer, with nothing but the shell's own words.

    The server never sees the archive: the runner fetches, unpacks and hands over, from any store and under any user.
    The answer names the file, so that one which was meant for a shell that is gone is passed over. The runner holds both
    pipes open for as long as it lives; when it dies the shell waits, and never takes silence for the end of the archive.
    """
    want, got = (shlex.quote(str(folder.feed / name)).replace("%", "%%") for name in ("want", "got"))
    return f'echo "%f %p" > {want} && while read answer name < {got}; test "$name" != "%f"; do answer=; done; test "$answer" = ok'


def meaning_of(*texts: str) -> dict[str, str]:
    """The settings in `MEANING` that the original's configuration files set, the last one winning.

    Lines are ``name = value``, ``name value`` or ``name 'value'``, as PostgreSQL reads them; includes are not followed.
    """
    kept: dict[str, str] = {}
    for line in "\n".join(texts).splitlines():
        if (found := _LINE.match(line)) and (name := found["name"].lower()) in MEANING:
            quoted_value, plain = found["quoted"], found["plain"]
            kept[name] = quoted_value.replace("''", "'") if quoted_value is not None else plain
    return kept


def postgresql_conf(
    folder: Folder, job: Job, control: Mapping[str, str], kept: Mapping[str, str], *, to_latest: bool = False
) -> str:
    """The whole postgresql.conf. `control` is what pg_controldata says of the copy (empty for a new cluster), `kept` what
    `meaning_of` found in it.

    `to_latest` drops the target of a point in time: see `replay.target_not_reached`.
    """
    values = {**kept, **_QUIET}
    for since, more in _SINCE.items():
        if int(job.major) >= since:
            values |= more
    values |= {
        "data_directory": str(folder.data),
        "hba_file": str(folder.etc / "pg_hba.conf"),
        "ident_file": str(folder.etc / "pg_ident.conf"),
        "unix_socket_directories": str(folder.socket_dir),
        "external_pid_file": "",
    }
    for measured, name in _FROM_CONTROL.items():
        if measured in control:
            values[name] = control[measured]
    if job.kind == "base_backup":
        values |= {
            "restore_command": restore_command(folder) if job.wal else "exit 1",
            "recovery_target_timeline": "latest",
            "recovery_target_action": "promote",
        }
        if job.target == "immediate":
            values["recovery_target"] = "immediate"
        if job.target == "time" and job.target_time and not to_latest:
            values["recovery_target_time"] = job.target_time.isoformat()
            values["recovery_target_inclusive"] = "on"
    head = "# Written by Drillyard for a sandbox. Nothing of the original's configuration is read.\n"
    return head + "".join(f"{name} = {quoted(value)}\n" for name, value in values.items())


def bootstrap_hba(superuser: str) -> str:
    """Until the sandbox is secured: the superuser alone, over the socket in a private folder."""
    return f'local all "{superuser}" trust\nlocal all all reject\n'


def secured_hba() -> str:
    """From then on: our two roles, by password."""
    return f"local all {ADMIN} scram-sha-256\nlocal all {READER} scram-sha-256\nlocal all all reject\n"


def command_line(folder: Folder, job: Job) -> list[str]:
    """How the server is started. What is said here outranks any file."""
    return [
        str(Path(job.bin_dir) / "postgres"),
        "-D",
        str(folder.data),
        "-c",
        f"config_file={folder.etc / 'postgresql.conf'}",
    ]
