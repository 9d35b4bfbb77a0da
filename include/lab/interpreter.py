"""A Python that the server user can run, for `archive_command`: the one we run on, or a small copy of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from include.lab import accounts

NEEDS = "import os, sys, zlib"
"""What the archive script imports; its copy of the standard library holds just that."""


def usable_python(home: Path, user: str | None) -> str:
    """A shell prefix (``/abs/python3.11 -IS``) that works for the server user.

    An interpreter below a closed home folder (pyenv or uv of root) cannot be run by another user: then the binary, its
    shared library and the few modules of `NEEDS` are copied into the lab's home. Raises PermissionError when even the
    copy does not run.
    """
    base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    if accounts.can_run([str(base), "-IS", "-c", NEEDS], user):
        return f'"{base}" -IS'
    root = home / "python"
    copy = root / "bin" / base.name
    if not copy.exists():
        _copy(base, root)
    libraries = {"LD_LIBRARY_PATH": str(root / "lib")}
    if accounts.can_run([str(copy), "-IS", "-c", NEEDS], user):
        return f'"{copy}" -IS'
    if accounts.can_run([str(copy), "-IS", "-c", NEEDS], user, libraries):
        return f'LD_LIBRARY_PATH="{root / "lib"}" "{copy}" -IS'
    raise PermissionError(
        f"the server user {user!r} can run neither {base} nor a copy of it in {root}; "
        "run the lab as an ordinary user, or use a Python outside of root's home folder"
    )


def _copy(base: Path, root: Path) -> None:
    listing = "import json; print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)]))"
    told = subprocess.run([str(base), "-IS", "-c", f"{NEEDS}; {listing}"], capture_output=True, text=True, check=True, timeout=60)
    prefix = Path(sys.base_prefix).resolve()
    landmark = sysconfig.get_path("stdlib", vars={"installed_base": str(prefix), "base": str(prefix)})
    for name in [*json.loads(told.stdout), f"{landmark}/os.py"]:
        path = Path(os.path.realpath(name))
        if path.is_relative_to(prefix):
            target = root / path.relative_to(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shared = sysconfig.get_config_var("INSTSONAME")
    folder = sysconfig.get_config_var("LIBDIR")
    if shared and folder and (Path(folder) / shared).is_file():
        (root / "lib").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(folder) / shared, root / "lib" / shared)
    (root / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(base, root / "bin" / base.name)
