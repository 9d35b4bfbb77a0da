"""A self-hosted datastore as it stands when only the copies of its backups in another failure domain are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.catalog import model
from include.clouds.selfhosted.settings import BaseBackupCopy, BaseBackups, Datastore, DumpCopy, Dumps
from include.recovery.contracts import Unsupported


def elsewhere(datastore: model.Datastore, region: str, domain: str) -> Datastore:
    """The datastore with its copy in `domain` in the place of its backups. Raises Unsupported when it has none there."""
    mine = _own(datastore)
    copy = next((one for one in mine.backups.copies if one.failure_domain == domain), None)
    if copy is None:
        raise Unsupported(f"the catalog names no copy of {mine.name}'s backups in {domain}")
    place = {name: getattr(copy, name) for name in ("location", "wal") if hasattr(copy, name)}
    return mine.model_copy(update={"region": region, "backups": mine.backups.model_copy(update={**place, "copies": []})})


def folders(datastore: model.Datastore, domain: str) -> Mapping[str, Sequence[str]]:
    """Where its backups and their copies lie, by failure domain. `domain`: that of the datastore itself."""
    mine = _own(datastore)
    found: dict[str, list[str]] = {domain: _of(mine.backups)}
    for copy in mine.backups.copies:
        found.setdefault(copy.failure_domain, []).extend(_of(copy))
    return found


def _of(place: BaseBackups | Dumps | BaseBackupCopy | DumpCopy) -> list[str]:
    wal = getattr(place, "wal", None)
    return [place.location, *([wal] if wal else [])]


def _own(datastore: model.Datastore) -> Datastore:
    if not isinstance(datastore, Datastore):
        raise TypeError(f"datastore {datastore.name} is not self-hosted")
    return datastore
