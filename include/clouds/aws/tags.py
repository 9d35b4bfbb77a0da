"""The marks that Drillyard leaves on what it creates: its lease, and why it is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from include.recovery.model import Lease

LEASE, OPENED, ENDED = "drillyard:lease", "drillyard:opened-at", "drillyard:ended-at"
ASKED, SECURED = "drillyard:password-asked-at", "drillyard:secured-at"
_NOT_ALLOWED = re.compile(r"[^\w +\-=.:/@]", re.ASCII)


def marks(lease: Lease) -> list[dict[str, str]]:
    """Tags of a new sandbox. Values hold what AWS allows in all its services (letters, digits, `` +-=._:/@``)."""
    values = {
        LEASE: lease.lease_id,
        "drillyard:service": lease.service,
        "drillyard:datastore": lease.datastore,
        "drillyard:requested-by": lease.requested_by,
        OPENED: lease.opened_at.isoformat(),
        "drillyard:expires-at": lease.expires_at.isoformat(),
    }
    return [{"Key": key, "Value": _NOT_ALLOWED.sub("_", value)[:256]} for key, value in values.items()]


def tag(raw: Mapping[str, Any], key: str) -> str | None:
    """One tag of a resource as RDS describes it."""
    return next((str(one["Value"]) for one in raw.get("TagList") or () if one["Key"] == key), None)
