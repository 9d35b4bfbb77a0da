"""What Amazon has no room for: planted by region, type and zone."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from include.values import Frozen


class NoCapacity(Frozen):
    """No machine of a type is to be had."""

    region: str
    match: str = "*"
    """A pattern of instance types; of classes for RDS."""
    zone: str = "*"

    def hits(self, region: str, kind: str, zone: str) -> bool:
        return self.region == region and fnmatch.fnmatch(kind, self.match) and fnmatch.fnmatch(zone or "", self.zone)


def room(short: Iterable[NoCapacity], region: str, kind: str, zone: str) -> bool:
    """Whether there is capacity for a type in a zone."""
    return not any(one.hits(region, kind, zone) for one in short)
