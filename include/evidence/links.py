"""The links of the chain: their form, whether one continues another, and copying them to a store that lags."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from include.evidence import keys
from include.evidence.naming import CHAIN, link_path, link_seq
from include.evidence.record import NoteRecord
from include.evidence.store import RECORD, Store, StoreDown
from include.values import Frozen, Instant, canonical_json, digest

BEGINNING = "0" * 64
"""`previous` of the first link."""

KEY_ROTATION = "key-rotation"
"""`NoteRecord.event` that announces a new sealing key. `detail`: ``old_key_id``, ``new_public_key``, ``lost`` (bool)."""


class SealRefused(RuntimeError):
    """Sealing would hide that the chain was cut, replaced or forked: what is wrong, where, and what to do."""


class SealedRecord(Frozen):
    """One record as a link names it."""

    path: str
    sha256: str


class Link(Frozen):
    """One link: ``chain/<seq>.json``, canonical JSON."""

    schema_version: int = 1
    seq: int
    """From 1, without gaps."""
    previous: str
    """SHA-256 of the file of the link before; 64 zeros in the first."""
    sealed_at: Instant
    entries: tuple[SealedRecord, ...]
    """Sorted by path."""
    key_id: str
    public_key: str
    """Whether this key counts is decided by the trusted keys in Git, never by the link."""
    signature: str
    """Ed25519 over the canonical JSON of the link without this field."""

    def body(self) -> bytes:
        """What is signed."""
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))


def parse_link(data: bytes, seq: int) -> tuple[Link | None, str | None]:
    """The link in a file of the chain, and what is wrong with the file by itself: form, number, signature."""
    try:
        link = Link.model_validate_json(data)
    except ValueError as error:
        return None, f"it is not a link: {str(error).splitlines()[0]}"
    if canonical_json(link) != data:
        return link, "its bytes are not the canonical form of its content"
    if link.seq != seq:
        return link, f"it is link {link.seq} in the place of link {seq}"
    if not keys.signed_by(link.public_key, link.body(), link.signature):
        return link, f"its signature is not by the key {link.key_id} that it names"
    if keys.key_id(link.public_key) != link.key_id:
        return link, f"its key id {link.key_id} is not that of its public key"
    return link, None


def read_link(store: Store, seq: int) -> tuple[Link, str]:
    """A sound link and the SHA-256 of its file. Raises SealRefused when it is not sound, FileNotFoundError."""
    data = store.read(link_path(seq))
    link, problem = parse_link(data, seq)
    if link is None or problem:
        raise SealRefused(f"{link_path(seq)} in store {store!r}: {problem}; run `drillyard evidence verify`")
    return link, digest(data)


def link_numbers(store: Store) -> list[int]:
    """The numbers of the links that are there, sorted."""
    return sorted(seq for path in store.list(CHAIN) if (seq := link_seq(path)))


def sealed_digests(store: Store) -> dict[str, str]:
    """SHA-256 by path of everything that the chain of a store names, for `Stores.repair`. Raises as `read_link`."""
    known: dict[str, str] = {}
    for seq in link_numbers(store):
        known |= {entry.path: entry.sha256 for entry in read_link(store, seq)[0].entries}
    return known


def announced(store: Store, links: Sequence[Link], public_key: str, *, lost: bool = False) -> bool:
    """Whether these links seal a note that announces the key; with `lost`, one that says the old key was lost."""
    for link in links:
        for entry in link.entries:
            if entry.path.endswith(f"-note-{KEY_ROTATION}.json") and _announces(store.read(entry.path), public_key, lost):
                return True
    return False


def _announces(data: bytes, public_key: str, lost: bool) -> bool:
    record = RECORD.validate_json(data)
    return (
        isinstance(record, NoteRecord)
        and record.event == KEY_ROTATION
        and record.detail.get("new_public_key") == public_key
        and bool(record.detail.get("lost")) >= lost
    )


class Common:
    """The stores that answer, brought to one chain."""

    def __init__(self, stores: Sequence[Store], known_keys: Collection[str]) -> None:
        """Copy links to the stores that lack some, each checked against its neighbours and the known keys first.

        Raises SealRefused when the stores disagree or a link is gone everywhere, StoreDown when none answers.
        """
        self.failures: dict[str, str] = {}
        self.copied: list[tuple[str, str]] = []
        self._keys = known_keys
        self._holds: dict[Store, set[int]] = {}
        for store in stores:
            try:
                self._holds[store] = set(link_numbers(store))
            except StoreDown as error:
                self.failures[store.name] = str(error)
        if not self._holds:
            raise StoreDown("no evidence store answers; nothing is lost, run it again: " + "; ".join(self.failures.values()))
        self.head = max((max(numbers, default=0) for numbers in self._holds.values()), default=0)
        longest = next(store for store, numbers in self._holds.items() if max(numbers, default=0) == self.head)
        for store, numbers in self._holds.items():
            self._agree(longest, store, max(numbers, default=0))
            for seq in sorted(set(range(1, self.head + 1)) - numbers):
                if store.name not in self.failures:
                    self._copy(seq, store)
        self.stores = [store for store in self._holds if store.name not in self.failures]

    def _agree(self, one: Store, other: Store, seq: int) -> None:
        if seq and one is not other and one.read(link_path(seq)) != other.read(link_path(seq)):
            raise SealRefused(f"link {seq} differs between {one!r} and {other!r}: run `drillyard evidence verify`")

    def _copy(self, seq: int, store: Store) -> None:
        source = next((other for other, numbers in self._holds.items() if seq in numbers), None)
        if source is None:
            raise SealRefused(f"link {seq} is gone from every store that answers: run `drillyard evidence verify`")
        link, sha256 = read_link(source, seq)
        before = digest(store.read(link_path(seq - 1))) if seq > 1 else BEGINNING
        after = read_link(store, seq + 1)[0].previous if seq + 1 in self._holds[store] else sha256
        if link.previous != before or after != sha256:
            raise SealRefused(f"link {seq} in {source!r} does not fit the chain in {store!r}: run `drillyard evidence verify`")
        if link.public_key not in self._keys:
            raise SealRefused(f"link {seq} in {source!r} is by the unknown key {link.key_id}: run `drillyard evidence verify`")
        try:
            store.put_new(link_path(seq), source.read(link_path(seq)))
            self._holds[store].add(seq)
            self.copied.append((link_path(seq), store.name))
        except StoreDown as error:
            self.failures[store.name] = str(error)
