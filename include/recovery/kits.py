"""Exporting the cold kit: look at every recovery point, pack, render the runbook, write to every store, record it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from include.evidence import runbook, shelf
from include.evidence.packing import Seen, catalog_files, pack
from include.recovery.model import Survey
from include.recovery.requests import regions_in_use
from include.values import Frozen, utcnow

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.catalog.model import Datastore
    from include.connections import Connections
    from include.evidence.kit import Kit
    from include.evidence.record import VerificationRecord
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.recovery.contracts import BackupSource
    from include.recovery.desk import Desk

log = logging.getLogger(__name__)

Open = Callable[[str], "Desk"]
"""Opens the desk of a cloud."""


class NotEverywhere(RuntimeError):
    """The kit is written and recorded, but a store lacks it, or nobody can be recovered with a part of it."""


class Exported(Frozen):
    """What one export wrote."""

    kit_id: str
    services: int
    problems: tuple[str, ...]
    failures: dict[str, str]
    """By store: why it lacks the kit or keeps too many."""


def export(
    loaded: Loaded, ledger: Ledger, connections: Connections, open_desk: Open, clock: Callable[[], datetime] = utcnow
) -> Exported:
    """Export one kit to every evidence store.

    A cloud or region that cannot be read is packed as it was last seen, and says so. Raises StoresDown when no store took
    it, LedgerError when the ledger does not answer.
    """
    from include.evidence.stores import open_stores

    now = clock()
    seen = dict(look(loaded, ledger, open_desk, now))
    kit = pack(loaded, catalog_files(loaded.base), os.environ, seen, ledger.proofs(), now)
    return publish(kit, ledger, open_stores(loaded.catalog.platform.evidence, connections))


def export_all(connections: Connections, opening: Open | None = None) -> Exported:
    """Export the kit of the platform that is set. `opening` opens a cloud's desk; default: over these connections."""
    from include.catalog.load import load
    from include.ledger import open_ledger
    from include.recovery import desk
    from include.settings import platform_dir

    ledger = open_ledger(desk.ledger_url(connections))
    return export(load(platform_dir()), ledger, connections, opening or (lambda cloud: desk.open_desk(cloud, connections)))


def publish(kit: Kit, ledger: Ledger, stores: Stores) -> Exported:
    """Write a kit with its runbook, then the record that vouches for it, then make it the newest."""
    files = shelf.contents(kit, runbook.as_text(kit), runbook.as_page(kit))
    note = shelf.note_of(kit, files)
    failures = shelf.put(stores, files)
    failures |= stores.write_record(note).failures
    ledger.project(note)
    failures |= shelf.tidy(stores, kit.kit_id)
    for store, why in failures.items():
        log.error("evidence store %s does not hold kit %s as it should: %s", store, kit.kit_id, why)
    return Exported(kit_id=kit.kit_id, services=len(kit.services), problems=kit.problems, failures=failures)


def look(loaded: Loaded, ledger: Ledger, open_desk: Open, now: datetime) -> Iterator[tuple[str, Seen]]:
    """What is there of every datastore, by its id; as last seen where it cannot be read now."""
    last = ledger.latest_verifications()
    for cloud, regions in regions_in_use(loaded).items():
        mine = {name: one for name, (_, one) in loaded.catalog.datastores().items() if one.cloud == cloud}
        try:
            source: BackupSource | str = open_desk(cloud).source
        except Exception as error:  # one cloud that cannot be opened must not keep the others out of the kit
            source = f"{cloud} could not be opened: {_line(error)}"
        for region in regions:
            survey = _survey(source, {name: one for name, one in mine.items() if one.region == region}, now)
            for name, why in survey.unreadable.items():
                yield name, _last_seen(last.get(name), why)
            for name, points in survey.points.items():
                yield name, Seen(points=points, at=now, settings=survey.settings.get(name, {}))


def _last_seen(night: VerificationRecord | None, why: str) -> Seen:
    if night is None or night.point is None:
        return Seen(note=why)
    return Seen(points=(night.point,), at=night.written_at, note=why)


def _survey(source: BackupSource | str, datastores: Mapping[str, Datastore], now: datetime) -> Survey:
    if isinstance(source, str):
        return Survey(points={}, unreadable=dict.fromkeys(datastores, source))
    try:
        return source.survey(datastores, now)
    except Exception as error:  # whatever an SDK raises: the kit is made of what is known
        return Survey(points={}, unreadable=dict.fromkeys(datastores, f"the survey failed: {_line(error)}"))


def demand_everywhere(done: Exported) -> str:
    """Words for a green task. Raises NotEverywhere when a store lacks the kit."""
    if done.failures:
        lacking = "; ".join(f"{store}: {why}" for store, why in done.failures.items())
        raise NotEverywhere(f"kit {done.kit_id} is not in every store as it should be: {lacking}; the next export repairs it")
    return f"kit {done.kit_id}: {done.services} services, {len(done.problems)} problems"


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
