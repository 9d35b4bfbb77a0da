"""What the plan needs to know of each datastore's past. From records alone, so a rebuilt ledger plans the same drills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from include.ledger import leases
from include.ledger.tables import drills, measurements, subjects
from include.recovery.naming import is_cold
from include.recovery.plan import History

_RECENT = 5
"""How many passed drills a forecast is made from."""


def history(connection: Connection) -> Mapping[str, History]:
    """By ``service/datastore``: every datastore that was ever drilled, verified or leased."""
    known: dict[str, dict[str, Any]] = {
        f"{row.service}/{row.datastore}": {} for row in connection.execute(select(subjects).order_by(*subjects.primary_key))
    }
    for row in connection.execute(
        select(drills.c.service, drills.c.datastore, func.max(drills.c.decided_at).label("at"))
        .where(drills.c.proof.is_(True))
        .group_by(drills.c.service, drills.c.datastore)
    ):
        known[f"{row.service}/{row.datastore}"]["last_passed"] = row.at.astimezone(UTC)
    _attempts(connection, known)
    _sizes_and_times(connection, known)
    return {subject: History(**values) for subject, values in sorted(known.items())}


def _attempts(connection: Connection, known: dict[str, dict[str, Any]]) -> None:
    """Concluded drills by their record, the others by their lease: a drill that was killed was an attempt too."""
    recorded = select(drills.c.drill_id, drills.c.service, drills.c.datastore, drills.c.decided_at).order_by(drills.c.decided_at)
    tried: list[tuple[str, str, datetime]] = []
    concluded = set()
    for row in connection.execute(recorded):
        concluded.add(row.drill_id)
        tried.append((f"{row.service}/{row.datastore}", row.drill_id, row.decided_at.astimezone(UTC)))
    for lease in leases.every(connection):
        if lease.lease_id in concluded or is_cold(lease.lease_id):
            continue
        subject = f"{lease.service}/{lease.datastore}"
        tried.append((subject, lease.lease_id, lease.opened_at))
        if lease.closed_at is None and lease.adopted_by is None:
            known.setdefault(subject, {})["in_progress"] = lease.lease_id
    for subject, drill_id, at in sorted(tried, key=lambda entry: (entry[2], entry[1])):
        known.setdefault(subject, {}).update(last_attempt=at, last_slot=drill_id.split(".", 2)[-1])


def _sizes_and_times(connection: Connection, known: dict[str, dict[str, Any]]) -> None:
    newest = (
        select(measurements.c.subject, measurements.c.value)
        .where(measurements.c.metric == "size_bytes")
        .ext(distinct_on(measurements.c.subject))
        .order_by(measurements.c.subject, measurements.c.at.desc(), measurements.c.record_id.desc())
    )
    for row in connection.execute(newest):
        known[row.subject]["size_bytes"] = int(row.value)
    lengths: dict[str, list[float]] = defaultdict(list)
    passed = (
        select(measurements.c.subject, measurements.c.value)
        .join(drills, drills.c.record_id == measurements.c.record_id)
        .where(measurements.c.metric == "drill_seconds", drills.c.proof.is_(True))
        .order_by(drills.c.decided_at.desc(), drills.c.record_id.desc())
    )
    for row in connection.execute(passed):
        lengths[row.subject].append(float(row.value))
    for subject, values in lengths.items():
        known[subject]["restore_seconds"] = tuple(values[:_RECENT])
