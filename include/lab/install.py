"""Makes the project's ``.venv``: ``python3 -I include/lab/install.py [runtime|lab|dev|lock]``.

Standard library only, run as a plain file before anything is installed. A second call is instant (a stamp holds the digest
of what was installed), an interrupted one heals (the half-made environment is made again), and two at once wait for
each other. Packages come by uv, which is quick, or by pip where uv cannot be had; both see the same pip configuration.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".drillyard-installed.json"
UNFINISHED = VENV / ".drillyard-unfinished"
OLDEST = (3, 11)
UV = "uv==0.13.9"
PROFILES = {"runtime": "requirements.txt", "lab": "requirements-lab.txt", "dev": "requirements-dev.txt"}
"""Each profile contains the ones before it."""
LOCK = ["--universal", "--python-version", "3.11", "--no-annotate", "--no-header", "-o", "constraints.txt", PROFILES["dev"]]
UNREACHABLE = "no package index answered"

_FOREIGN = ("PIP_TARGET", "PIP_PREFIX", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
"""Variables that would make pip or uv install elsewhere."""
_NETWORK = re.compile(
    r"(?i)name resolution|failed to establish a new connection|network is unreachable|connection refused|dns error|timed out"
    r"|error sending request|tcp connect error|no address associated|nodename nor servname|request failed after"
)


class InstallError(Exception):
    """Set-up cannot go on. The text says what happened and what to do next."""


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Raises InstallError for a Python older than the project needs."""
    if version[:2] < OLDEST:
        needed, found = (".".join(map(str, numbers)) for numbers in (OLDEST, version))
        raise InstallError(
            f"Python {needed} or newer is needed, {found} was found; name another one: make setup PYTHON=/path/to/python3"
        )


def included(requirements: Path) -> list[Path]:
    """A requirements file and the files that it includes by ``-r``, each once. Raises InstallError when one is missing."""
    if not requirements.is_file():
        raise InstallError(f"{requirements} is missing: the checkout is not complete; get it again")
    files = [requirements]
    for line in requirements.read_text().splitlines():
        if line.startswith("-r "):
            files += [file for file in included(requirements.parent / line[3:].strip()) if file not in files]
    return files


def digest(profile: str) -> str:
    """What an installation of that profile depends on, as SHA-256: files, Python's minor version, place, uv's version."""
    total = hashlib.sha256(f"{sys.version_info[:2]} {PROJECT} {UV}".encode())
    for file in [*included(PROJECT / PROFILES[profile]), PROJECT / "constraints.txt", PROJECT / "pyproject.toml"]:
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def is_current(profile: str) -> bool:
    """Whether the environment already holds this profile, or a wider one, exactly as the files say."""
    if UNFINISHED.exists() or not os.access(PYTHON, os.X_OK):
        return False
    try:
        digests = json.loads(STAMP.read_text())["digests"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return isinstance(digests, dict) and digests.get(profile) == digest(profile)


def pip_settings(listing: str) -> dict[str, str]:
    """The options of ``pip config list``, by bare name: the environment's before a command's own before the global ones."""
    ranks = ("global", "install", ":env:")
    ranked: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, separator, text = line.partition("=")
        section, dot, option = key.strip().rpartition(".")
        if not (separator and dot) or section not in ranks:
            continue
        with contextlib.suppress(ValueError, SyntaxError):
            if ranks.index(section) >= ranked.get(option, (-1, ""))[0]:
                ranked[option] = (ranks.index(section), str(ast.literal_eval(text)))
    return {option: value for option, (_, value) in ranked.items()}


def uv_environment(settings: dict[str, str], environ: dict[str, str]) -> dict[str, str]:
    """What makes uv look where pip would look. By environment, so that no address is printed or seen in a process list.

    uv has settings of its own for all of these: what the user set there is not touched.
    """
    found = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(settings.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(settings.get("find-links", "").split()),
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": settings.get("default-timeout", settings.get("timeout", "")),
        "SSL_CERT_FILE": settings.get("cert", ""),
        "ALL_PROXY": settings.get("proxy", ""),
        # pip takes the best version of all indexes; uv would stop at the first index that knows the name.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if "extra-index-url" in settings else "",
        "UV_NO_INDEX": "1" if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    return {**{name: value for name, value in found.items() if value}, **environ}


def failure(what: str, output: str) -> InstallError:
    """The error for a failed step: the end of what the installer said, without addresses, and what to do about it."""
    lines = re.sub(r"\w+://[^\s`'\")]+", "<index>", output).strip().splitlines()[-15:]
    advice = "when the lines above do not help, remove .venv and run the same command again"
    if _NETWORK.search(output):
        advice = (
            "no package index answered: look at the network, HTTPS_PROXY and `pip config list`, then run the same command again"
        )
    return InstallError(f"{what} failed:\n" + "".join(f"    {line}\n" for line in lines) + advice)


def run(what: str, command: Sequence[str | Path], environ: dict[str, str]) -> str:
    """Run one step with a sign of life every few seconds. Gives its output; raises InstallError when it fails."""
    started = shown = time.monotonic()
    live = sys.stdout.isatty()
    print(f"  {what} …", end="" if live else "\n", flush=True)
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=PROJECT,
        )
        try:
            while child.poll() is None:
                time.sleep(0.1)
                if time.monotonic() - shown >= (1 if live else 15):
                    shown = time.monotonic()
                    print(f"{chr(13) if live else ''}  {what} … {shown - started:.0f} s", end="" if live else "\n", flush=True)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        log.seek(0)
        output = log.read()
    ended = "failed after " if child.returncode else ""
    print(f"{chr(13) if live else ''}  {what}: {ended}{time.monotonic() - started:.1f} s", flush=True)
    if child.returncode:
        raise failure(what, output)
    return output


def usable() -> bool:
    """Whether ``.venv`` is whole, in its place, and of this Python's minor version."""
    if UNFINISHED.exists() or not os.access(PYTHON, os.X_OK):
        return False
    probe = "import sys, pip; print(sys.version_info[:2], sys.prefix)"
    answer = subprocess.run([PYTHON, "-I", "-c", probe], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == f"{sys.version_info[:2]} {VENV}"


def make_environment(environ: dict[str, str]) -> None:
    """Make an empty ``.venv`` with pip, in place of a half-made or foreign one."""
    if VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    UNFINISHED.touch()
    if importlib.util.find_spec("ensurepip"):
        run("making .venv", [sys.executable, "-m", "venv", VENV], environ)
    elif importlib.util.find_spec("venv") and importlib.util.find_spec("pip"):
        run("making .venv", [sys.executable, "-m", "venv", "--without-pip", VENV], environ)
        run("installing pip", [sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip"], environ)
    else:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise InstallError(
            f"{sys.executable} has no ensurepip, so it cannot make an environment; on Debian and Ubuntu: apt install {package}; "
            "then run the same command again"
        )


def installer(environ: dict[str, str]) -> tuple[list[str | Path], dict[str, str]]:
    """The command that installs, and its environment: uv where an index has it for this machine, else pip."""
    pip: list[str | Path] = [PYTHON, "-m", "pip"]
    uv = VENV / "bin" / "uv"
    try:
        if not os.access(uv, os.X_OK):
            run("installing uv", [*pip, "install", "--quiet", UV], environ)
    except InstallError as error:
        if UNREACHABLE in str(error):
            raise
        print(f"  uv cannot be had, pip takes its place and is slower: {str(error).splitlines()[-2].strip()}")
        return [*pip, "install", "--progress-bar", "off"], environ
    listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False, env=environ).stdout
    return [uv, "pip", "install", "--no-progress", "--python", PYTHON], uv_environment(pip_settings(listing), environ)


def install(profile: str) -> None:
    """Bring ``.venv`` to a profile. Raises InstallError; what was there then is untouched, or is made again next time."""
    environ = {key: value for key, value in os.environ.items() if key not in _FOREIGN} | {"PIP_USER": "0"}
    digests = {name: digest(name) for name in list(PROFILES)[: list(PROFILES).index(profile) + 1]}
    if not usable():
        make_environment(environ)
    command, environ = installer(environ)
    packages = next((VENV / "lib").glob("python*/site-packages"))
    fresh, before = UNFINISHED.exists(), packages.stat().st_mtime_ns
    UNFINISHED.touch()
    STAMP.unlink(missing_ok=True)
    try:
        run(f"installing {PROFILES[profile]}", [*command, "-r", PROFILES[profile], "-c", "constraints.txt"], environ)
        run("installing drillyard itself", [*command, "--no-deps", "-e", "."], environ)
    except InstallError:
        if not fresh and packages.stat().st_mtime_ns == before:
            UNFINISHED.unlink()
        raise
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps({"digests": digests, "python": sys.version.split()[0]}) + "\n")
    partial.replace(STAMP)
    UNFINISHED.unlink()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One set-up at a time in one checkout."""
    place = PROJECT / "build"
    place.mkdir(exist_ok=True)
    with (place / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("another set-up is running in this folder; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bring(profile: str) -> None:
    """Install a profile unless it is there. Raises InstallError."""
    check_python()
    if is_current(profile):
        return
    with alone():
        if not is_current(profile):
            started = time.monotonic()
            print(f"setting up .venv ({profile}): several hundred packages, some minutes the first time", flush=True)
            install(profile)
            print(f"ready after {time.monotonic() - started:.0f} s", flush=True)


def renew_lock() -> None:
    """Resolve the requirement files anew into constraints.txt; pins that still fit are kept. Raises InstallError."""
    bring("dev")
    command, environ = installer(dict(os.environ))
    if Path(command[0]).name != "uv":
        raise InstallError("uv is needed to renew the lock, and no index has it for this machine")
    run("renewing constraints.txt", [command[0], "pip", "compile", "--quiet", *LOCK], environ)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 installed or already there, 1 failed, 2 wrong use, 130 interrupted."""
    wanted = arguments[0] if arguments else "dev"
    if wanted not in (*PROFILES, "lock") or len(arguments) > 1:
        print(f"usage: install.py [{'|'.join(PROFILES)}|lock]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if wanted == "lock":
            renew_lock()
        else:
            bring(wanted)
    except InstallError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the same command starts it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
