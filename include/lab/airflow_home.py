"""One place that prepares an Airflow home and environment for this project: for ``make up``, ``make demo`` and the tests.

``python -m include.lab.airflow_home up|down|env`` is what the Makefile calls.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from include.lab import airflow_settings
from include.settings import PROJECT, platform_dir

DEFAULT_HOME = PROJECT / "build" / "airflow"
PORTS = {"api_port": 8080, "worker_log_port": 8793, "trigger_log_port": 8794}

_KEPT = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
_NOT_INHERITED = ("AIRFLOW", "AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "ARM_", "BOTO_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Prefixes of variables that are not taken over: settings of another Airflow, and credentials of real clouds."""
_SLOW = ("PYTHONDONTWRITEBYTECODE",)
"""Airflow starts many processes: without bytecode each would compile two thousand modules again."""
_TRUST = ("AWS_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
"""Which certificates to trust is the machine's matter, not a credential."""


def users() -> dict[str, str]:
    """User names by Airflow's simple roles, the one to log in with first.

    The platform's people are among them: a drill is asked for by a person of the catalog, not by `admin`. The first of them
    is Airflow's admin too. A platform.yaml that cannot be read has no people here; `drillyard catalog check` says why.
    """
    people: list[str] = []
    with contextlib.suppress(OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raw = yaml.safe_load((platform_dir() / "platform.yaml").read_text())
        people = [str(person["name"]) for person in raw["people"]]
    roles = {name: "op" if number else "admin" for number, name in enumerate(people)}
    return {**roles, "admin": "admin", "viewer": "viewer"}


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without another Airflow's settings and without credentials of real clouds.

    Connections and variables (``AIRFLOW_CONN_…``, ``AIRFLOW_VAR_…``) stay: they are how a user points a drill at a database.
    """
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(_KEPT) or name in _TRUST or not (name.startswith(_NOT_INHERITED) or name in _SLOW)
    }


def airflow_environment(
    home: Path,
    lab_env: Mapping[str, str],
    *,
    dags: Path = PROJECT / "dags",
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of an Airflow on this project. The lab's variables go before the caller's, ours before both.

    home: AIRFLOW_HOME; made when missing, with its secrets and its free ports, which later calls find again.
    lab_env: what ``drillyard lab env`` gives, or nothing. Its AIRFLOW__DATABASE__SQL_ALCHEMY_CONN puts Airflow's metadata
    on the lab's PostgreSQL; without it they are in a SQLite file in the home.
    """
    home.mkdir(parents=True, exist_ok=True)
    kept = _kept(home)
    address = f"http://127.0.0.1:{kept['api_port']}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "8",
        "CORE__FERNET_KEY": kept["fernet_key"],
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in users().items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": kept["api_port"],
        "API__BASE_URL": address,
        "API__SECRET_KEY": kept["secret_key"],
        "API__INSTANCE_NAME": "Drillyard",
        "API_AUTH__JWT_SECRET": kept["jwt_secret"],
        "LOGGING__WORKER_LOG_SERVER_PORT": kept["worker_log_port"],
        "LOGGING__TRIGGER_LOG_SERVER_PORT": kept["trigger_log_port"],
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        "DATABASE__SQL_ALCHEMY_CONN": lab_env.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home}/airflow.db"),
        # A scheduler that was killed is missed within a minute, not within five: its runs go on by themselves.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # On a busy laptop a file may take long to read: better late than a DAG that vanishes and comes back.
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
        "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "300",
        "CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    base = inherited(os.environ if environ is None else environ)
    return {
        **base,
        **lab_env,
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "AIRFLOW_HOME": str(home),
        "DRILLYARD_AIRFLOW": str(home),  # the mark by which `make down` knows what belongs to this home
        "PYTHONPATH": str(PROJECT),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", os.defpath)]),
        "GX_ANALYTICS_ENABLED": "false",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
        # No instance metadata, no profile of the person at the keyboard: only connections name a cloud account.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": ",".join(filter(None, [base.get("NO_PROXY", ""), "127.0.0.1", "localhost"])),
    }


def _kept(home: Path) -> dict[str, str]:
    """Ports and secrets of a home: made once, then found again, so that every command reaches the same Airflow."""
    file = home / "kept.json"
    if not file.is_file():
        kept = {name: secrets.token_urlsafe(32) for name in ("secret_key", "jwt_secret")}
        kept["fernet_key"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        _write_private(file, json.dumps(kept | free_ports({}), indent=1))
    known = logins(home)
    if missing := {user: secrets.token_urlsafe(9) for user in users() if user not in known}:
        _write_private(home / "passwords.json", json.dumps(known | missing))
    found: dict[str, str] = json.loads(file.read_text())
    return found


def renew_ports(home: Path) -> None:
    """Change the ports of a home that somebody else has taken meanwhile. Only for a home whose Airflow does not run."""
    kept = _kept(home)
    _write_private(home / "kept.json", json.dumps(kept | free_ports(kept), indent=1))


def free_ports(before: Mapping[str, str]) -> dict[str, str]:
    """A free port for each server, as text: the one it had, or the usual one, or any."""
    found: dict[str, str] = {}
    for name, usual in PORTS.items():
        for wanted in (int(before.get(name, usual)), 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind(("", wanted))
                    if str(probe.getsockname()[1]) not in found.values():
                        found[name] = str(probe.getsockname()[1])
                        break
        else:
            raise RuntimeError(f"no free port for Airflow's {name}: this machine has none left")
    return found


def logins(home: Path) -> dict[str, str]:
    """The passwords of a home by user name."""
    file = home / "passwords.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text + "\n")


def prepare(env: Mapping[str, str], settings: Path = airflow_settings.SETTINGS) -> None:
    """Make or migrate the metadata database and import pools, variables and connections of the settings file.

    Connections given by environment (the lab's, or the caller's) win: Airflow reads those first. May be repeated.
    The ledger is made too, where `env` names one.
    Raises airflow_settings.SettingsError for a wrong file, CommandFailed with Airflow's last words when a command fails.
    """
    read = airflow_settings.read(settings)
    home = Path(env["AIRFLOW_HOME"])
    commands: list[list[str]] = [["db", "migrate"]]
    for kind, content in (
        ("pools", airflow_settings.pools_file(read)),
        ("variables", airflow_settings.variables_file(read)),
        ("connections", airflow_settings.connections_file(read)),
    ):
        if content:
            file = home / f"{kind}.json"
            _write_private(file, json.dumps(content))
            commands.append([kind, "import", *(["--overwrite"] if kind == "connections" else []), str(file)])
    run_airflow(env, *commands)
    prepare_ledger(env)


def prepare_ledger(env: Mapping[str, str]) -> None:
    """Make or migrate the ledger that `env` names by connection; nothing when it names none.

    Raises ValueError for a connection of another type, and what the database says when it cannot be reached.
    """
    from include import connections
    from include.ledger import open_ledger, url_of
    from include.ledger.migrations import migrate

    text = env.get("AIRFLOW_CONN_DRILLYARD_LEDGER")
    if not text:
        return
    migrate(open_ledger(url_of(connections.parse("drillyard_ledger", text))).url)


class CommandFailed(RuntimeError):
    """An Airflow command ended with an error. The text has its last words, `output` all of them."""

    def __init__(self, code: int, output: str) -> None:
        last = "\n".join(output.strip().splitlines()[-25:])
        super().__init__(f"an airflow command failed with exit code {code}; its last words:\n{last}")
        self.code, self.output = code, output


def run_airflow(env: Mapping[str, str], *commands: list[str], timeout: float = 300) -> str:
    """Run Airflow commands, one process for all. Gives their output; raises CommandFailed when one fails."""
    done = subprocess.run(
        [sys.executable, "-m", "include.lab.airflow_commands", *map(json.dumps, commands)],
        env=dict(env),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(done.returncode, done.stdout)
    return done.stdout


def main(arguments: list[str]) -> int:
    """What the Makefile calls."""
    from include.lab import airflow_server

    verbs = {"up": airflow_server.up, "down": airflow_server.down}
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(f"usage: python -m include.lab.airflow_home {'|'.join(verbs)}", file=sys.stderr)
        return 2
    return verbs[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
