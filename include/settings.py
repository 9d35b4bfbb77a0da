"""Where things are: the few settings that do not belong to a platform's catalog, all from the environment."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def platform_dir() -> Path:
    """The catalog directory: ``DRILLYARD_PLATFORM``, or the example platform."""
    return Path(os.environ.get("DRILLYARD_PLATFORM") or PROJECT / "include" / "platforms" / "example")


def sandbox_root() -> Path:
    """Where self-hosted sandboxes are made: ``DRILLYARD_SANDBOX_ROOT``, or ``build/sandboxes``."""
    return Path(os.environ.get("DRILLYARD_SANDBOX_ROOT") or PROJECT / "build" / "sandboxes")


def report_dir() -> Path:
    """Where reports are written: ``DRILLYARD_REPORTS``, or ``build/reports``."""
    return Path(os.environ.get("DRILLYARD_REPORTS") or PROJECT / "build" / "reports")


def data_docs_dir() -> Path:
    """Where Great Expectations' Data Docs go, one folder a drill: below the reports, so that links stay relative."""
    return report_dir() / "data-docs"
