"""Two or more stores in different failure domains, written together: one that is down is loud and does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from include.catalog.model import EvidenceStore
from include.connections import Connections, from_environment
from include.evidence.naming import RECORDS, record_path
from include.evidence.record import RecordBase
from include.evidence.store import AlreadyThere, LocalStore, ObjectStore, ShutStore, Store, StoreDown
from include.settings import PROJECT
from include.values import Frozen, canonical_json, digest

__all__ = ["AlreadyThere", "Repair", "Store", "StoreDown", "Stores", "StoresDown", "Written", "open_store", "open_stores"]


Answer = TypeVar("Answer")


class StoresDown(StoreDown):
    """No store took the object. Nothing is written; the caller keeps it and tries again."""


class Written(Frozen):
    """What came of one write to all stores."""

    path: str
    sha256: str
    stores: tuple[str, ...]
    """Names of the stores that hold it now."""
    failures: dict[str, str]
    """By store name: why it does not. Never empty in silence: the caller shows it, and `repair` mends it."""


class Repair(Frozen):
    """What a repair did."""

    copied: tuple[tuple[str, str], ...] = ()
    """(path, name of the store that lacked it)."""
    conflicts: dict[str, str] = Field(default_factory=dict)
    """By path: copies that differ, or that differ from what was sealed. Left as they are, for whoever investigates."""
    failures: dict[str, str] = Field(default_factory=dict)
    """By store name: why it could not be read or written."""

    @property
    def complete(self) -> bool:
        return not self.conflicts and not self.failures


class Stores:
    """Writes to every store and reads from the first that answers."""

    def __init__(self, stores: Sequence[Store]) -> None:
        if not stores:
            raise ValueError("no evidence store is given: name at least one in platform.yaml under `evidence`")
        self.stores = tuple(stores)

    def __iter__(self) -> Iterator[Store]:
        return iter(self.stores)

    def write_record(self, record: RecordBase) -> Written:
        """Write a record to every store. Repeating it is harmless.

        Raises StoresDown when no store took it, AlreadyThere when one holds another record of this id.
        """
        return self.put_new(record_path(record.record_id), canonical_json(record))

    def put_new(self, path: str, data: bytes) -> Written:
        """Create one object in every store."""
        written, failures = [], {}
        for store in self.stores:
            try:
                store.put_new(path, data)
                written.append(store.name)
            except StoreDown as error:
                failures[store.name] = str(error)
        if not written:
            raise StoresDown(f"no evidence store took {path}; nothing is lost, write it again: " + "; ".join(failures.values()))
        return Written(path=path, sha256=digest(data), stores=tuple(written), failures=failures)

    def read(self, path: str) -> bytes:
        """From the first store that has it. Raises FileNotFoundError when all answer that they have not, else StoreDown."""
        return self.first(lambda store: store.read(path))

    def first(self, ask: Callable[[Store], Answer]) -> Answer:
        """The first store's answer; the next one's when it is down or lacks the object."""
        failures: list[Exception] = []
        for store in self.stores:
            try:
                return ask(store)
            except (StoreDown, FileNotFoundError) as error:
                failures.append(error)
        down = [error for error in failures if isinstance(error, StoreDown)]
        raise (down or failures)[0]

    def repair(self, prefixes: Iterable[str] = (RECORDS,), sealed: Mapping[str, str] | None = None) -> Repair:
        """Copy what a store lacks from another. Nothing is ever overwritten or deleted. Links are copied by `chain.seal`,
        which checks them first.

        `sealed` gives the SHA-256 by path of what the chain knows: a copy that differs from it is not spread.
        """
        work = _Repairing(sealed or {})
        holds: dict[str, set[str]] = {}
        for store in self.stores:
            try:
                holds[store.name] = {path for prefix in prefixes for path in store.list(prefix)}
            except StoreDown as error:
                work.failures[store.name] = str(error)
        here = [store for store in self.stores if store.name in holds]
        for path in sorted(set().union(*holds.values())):
            lacking = [store for store in here if path not in holds[store.name]]
            if lacking:
                work.spread(path, [store for store in here if path in holds[store.name]], lacking)
        return Repair(copied=tuple(work.copied), conflicts=work.conflicts, failures=work.failures)


class _Repairing:
    """One repair under way."""

    def __init__(self, sealed: Mapping[str, str]) -> None:
        self.sealed = sealed
        self.copied: list[tuple[str, str]] = []
        self.conflicts: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def spread(self, path: str, sources: Sequence[Store], lacking: Sequence[Store]) -> None:
        """Copy one object to the stores that lack it, when there is exactly one good version of it."""
        data = self._only_version(path, sources)
        if data is None:
            return
        for store in lacking:
            try:
                store.put_new(path, data)
                self.copied.append((path, store.name))
            except (StoreDown, AlreadyThere) as error:
                self.failures[store.name] = str(error)

    def _only_version(self, path: str, sources: Sequence[Store]) -> bytes | None:
        versions: dict[str, bytes] = {}
        for store in sources:
            try:
                data = store.read(path)
                versions[digest(data)] = data
            except OSError as error:
                self.failures[store.name] = str(error)
        sealed = self.sealed.get(path)
        good = [data for sha256, data in versions.items() if sealed in (None, sha256)]
        if len(good) == 1:
            return good[0]
        if versions:
            self.conflicts[path] = "no copy has the sealed content" if sealed else "the stores hold different contents"
        return None


def open_store(url: str, name: str = "", failure_domain: str = "", options: Mapping[str, Any] | None = None) -> Store:
    """A store from a folder or an fsspec URL. A relative folder is taken from the project's folder."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalStore(name or url, PROJECT / (rest if separator else url), failure_domain)
    return ObjectStore(name or url, url, failure_domain, options)


def open_stores(entries: Sequence[EvidenceStore], connections: Connections = from_environment) -> Stores:
    """The stores of platform.yaml. A store's `connection` gives fsspec's storage options in its extra field `storage_options`.

    One that cannot be opened, because its connection is missing or is none, is down like any other. Raises LookupError naming
    each connection when none can be opened.
    """
    opened = [_opened(entry, connections) for entry in entries]
    shut = [store for store in opened if isinstance(store, ShutStore)]
    if shut and len(shut) == len(opened):
        told = "; ".join(f"{store.name}: {store.why}" for store in shut)
        raise LookupError(f"no evidence store can be opened, and nothing is done without one: {told}")
    return Stores(opened)


def _opened(entry: EvidenceStore, connections: Connections) -> Store:
    try:
        options = connections(entry.connection).extra.get("storage_options", {}) if entry.connection else {}
        return open_store(entry.url, entry.name, entry.failure_domain, options)
    except (LookupError, ValueError, TypeError) as error:  # no such connection, or one that gives no options
        return ShutStore(entry.name, entry.url, entry.failure_domain, str(error) or type(error).__name__)


def folder_of(store: Store) -> Path | None:
    """Where a store of files lies, or None for an object store."""
    return store.root if isinstance(store, LocalStore) else None
