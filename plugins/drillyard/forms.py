"""What trigger forms suggest: names from a directory listing. Nothing is parsed when Airflow imports a DAG."""

from __future__ import annotations

from include.settings import platform_dir


def service_names() -> list[str]:
    """The stems of the platform's service files, sorted; none when the directory is not there."""
    return _stems("services")


def environment_names() -> list[str]:
    """The stems of the platform's environment files, sorted."""
    return _stems("environments")


def _stems(name: str) -> list[str]:
    folder = platform_dir() / name
    return sorted(path.stem for path in folder.glob("*.yaml") if "." not in path.stem) if folder.is_dir() else []
