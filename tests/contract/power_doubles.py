"""Faults at the doors of the doubles of Google Cloud and Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from include.lab.double import knock


@contextmanager
def door_faults(url: str, kind: str) -> Iterator[None]:
    """Every call meets this fault meanwhile."""
    knock(url, "fault", {"kind": kind, "times": 10**6})
    try:
        yield
    finally:
        knock(url, "fault")
