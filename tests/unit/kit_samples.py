"""A kit of a small catalog, and stores that hold it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from include.catalog.load import load
from include.catalog.loaded import Loaded
from include.evidence import runbook, shelf
from include.evidence.kit import Kit
from include.evidence.packing import Seen, catalog_files, pack
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.recovery.model import Copy, RecoveryPoint
from tests.unit.evidence_samples import T0, a_drill

HARBOUR = Path(__file__).with_name("catalogs") / "harbour"


def a_point(service: str, taken_at: datetime) -> RecoveryPoint:
    """A base backup at home, with a copy in the other domain."""
    return RecoveryPoint(
        id=f"{service}-{taken_at:%Y%m%d}",
        kind="base_backup",
        taken_at=taken_at,
        restorable_until=taken_at + timedelta(hours=2),
        region="site-a",
        failure_domain="hall-1",
        location=f"/hall-1/{service}",
        size_bytes=4_000_000,
        engine_version="18",
        key_id="key-7",
        copies=(Copy(location=f"/hall-2/{service}", failure_domain="hall-2", taken_at=taken_at),),
        facts={"wal": f"/hall-1/{service}-wal", "digests": {"as_of": taken_at.isoformat()}},
    )


@cache
def harbour() -> Loaded:
    return load(HARBOUR, {})


def a_kit(at: datetime = T0, environ: dict[str, str] | None = None) -> Kit:
    """The kit of the harbour catalog: every datastore with one point, one of them drilled."""
    loaded = harbour()
    seen = {
        key: Seen(points=(a_point(service.service, at - timedelta(hours=3)),), at=at)
        for key, (service, _) in loaded.catalog.datastores().items()
    }
    first = next(iter(seen))
    service, _, datastore = first.partition("/")
    proofs = {first: a_drill(service, datastore, at - timedelta(days=1))}
    return pack(loaded, catalog_files(loaded.base), environ or {}, seen, proofs, at)


def shelve(stores: Stores, kit: Kit, *, render: bool = True) -> None:
    """Write a kit as an export does, without a ledger."""
    files = shelf.contents(kit, *((runbook.as_text(kit), runbook.as_page(kit)) if render else ("text", "page")))
    shelf.put(stores, files)
    stores.write_record(shelf.note_of(kit, files))
    shelf.tidy(stores, kit.kit_id)


def two_stores(where: Path) -> Stores:
    return Stores([LocalStore("one", where / "one", "hall-1"), LocalStore("two", where / "two", "hall-2")])
