"""What trigger forms suggest: names from a directory listing. Nothing is parsed when Airflow imports a DAG."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from include.settings import platform_dir

SUGGESTED = 250
"""Names at most in one form: they are part of every DAG that has it, and of its every version. Any other name of the catalog
may be typed all the same; a wrong one is answered with the nearest."""


def service_names() -> list[str]:
    """The stems of the platform's first service files, sorted; none when the directory is not there."""
    return _stems("services")


def environment_names() -> list[str]:
    """The stems of the platform's environment files, sorted."""
    return _stems("environments")


def _stems(name: str) -> list[str]:
    folder = platform_dir() / name
    return list(_listed(folder, folder.stat().st_mtime_ns)) if folder.is_dir() else []


@lru_cache(maxsize=8)
def _listed(folder: Path, changed: int) -> tuple[str, ...]:
    """One listing serves all DAGs of a process, until the folder changes."""
    del changed
    return tuple(sorted(file.stem for file in folder.glob("*.yaml") if "." not in file.stem)[:SUGGESTED])
