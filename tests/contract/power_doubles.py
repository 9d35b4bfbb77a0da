"""Faults at the doors of the doubles of Google Cloud and Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from include.lab.double import knock


@contextmanager
def door_faults(url: str, kind: str, at: int = 1, times: int = 10**6) -> Iterator[None]:
    """Every call from `at` meets this fault meanwhile."""
    knock(url, "fault", {"kind": kind, "at": at, "times": times})
    try:
        yield
    finally:
        knock(url, "fault")
