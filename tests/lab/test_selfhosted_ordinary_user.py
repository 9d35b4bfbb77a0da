"""Everything works for an ordinary user too, namespaces included."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from include.settings import PROJECT

_NEWUSER = 0x10000000


def become_ordinary() -> None:
    """Between fork and exec: a user namespace in which we are user 1000 without any right of root's."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("1000 0 1")
    Path("/proc/self/gid_map").write_text("1000 0 1")


def test_the_contract_holds_for_an_ordinary_user(tmp_path: Path) -> None:
    suites = ["tests/contract", "tests/lab/test_selfhosted_harmless.py"]
    tests = "a_secured_sandbox or point_in_time or look_alike or preflight_passes or spoiled or behind_its_walls"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suites, "-k", f"selfhosted and ({tests})"],
        cwd=PROJECT,
        preexec_fn=become_ordinary,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "6 passed" in done.stdout


def test_the_user_really_is_ordinary() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.geteuid()); print(open('/proc/self/status').read())"],
        preexec_fn=become_ordinary,
        capture_output=True,
        text=True,
        check=False,
    )
    user, *status = done.stdout.splitlines()
    assert user != "0"
    rights = next(line for line in status if line.startswith("CapEff"))
    assert int(rights.split()[1], 16) == 0
