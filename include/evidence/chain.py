"""The chain over the records: each link names records by digest, continues the link before it, and is signed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Protocol

from include.evidence import keys
from include.evidence.findings import Finding, Findings, verify, verify_stores
from include.evidence.links import (
    BEGINNING,
    KEY_ROTATION,
    Common,
    Link,
    SealedRecord,
    SealRefused,
    announced,
    read_link,
    sealed_digests,
)
from include.evidence.naming import RECORDS, link_path, record_id_of
from include.evidence.store import RECORD, AlreadyThere, Store, StoreDown
from include.evidence.stores import Stores
from include.ledger.model import Anchor
from include.values import Frozen, canonical_json, digest

__all__ = [
    "KEY_ROTATION",
    "Finding",
    "Findings",
    "Link",
    "SealRefused",
    "Sealed",
    "seal",
    "sealed_digests",
    "verify",
    "verify_stores",
]

WINDOW = timedelta(days=8)
"""How far back an ordinary sealing looks for records that no link has. `seal(…, window=None)` looks at everything."""

_ATTEMPTS = 5


class Sealed(Frozen):
    """What one sealing did."""

    head: Anchor | None
    """The newest link now; None while there is no record at all."""
    entries: int
    """How many records the new link names; 0 when there was nothing new and no link was written."""
    left_out: dict[str, str]
    """By path: why a file among the records was not sealed. Loud: somebody has to look."""
    failures: dict[str, str]
    """By store name: why it lacks the link or could not be read. The next run's repair mends it."""


class Anchors(Protocol):
    """Where the head is remembered outside the stores: the ledger."""

    def anchor(self) -> Anchor | None: ...

    def set_anchor(self, anchor: Anchor) -> None: ...


def seal(
    stores: Stores,
    private_key: str,
    now: datetime,
    *,
    anchors: Anchors | None = None,
    trusted_keys: Collection[str] = (),
    window: timedelta | None = WINDOW,
) -> Sealed:
    """Write one link over every record that no link names yet.

    A crash at any point converges: the next sealing finds what is there. Two sealers cannot fork the chain: a link's
    number is created once. `trusted_keys` are the public keys whose links are continued, the sealer's own aside.
    Raises SealRefused, StoreDown (no store answers), LedgerError, or ValueError for a malformed key.
    """
    public = keys.public_of(private_key)
    for _ in range(_ATTEMPTS):
        there = Common(stores.stores, {*trusted_keys, public})
        head = _agreed_head(there, anchors, public)
        since = None if window is None else now - window
        known = _sealed_paths(there.stores[0], head.seq if head else 0, since)
        entries, left_out = _unsealed(there.stores, known, since)
        if not entries:
            return Sealed(head=head, entries=0, left_out=left_out, failures=there.failures)
        link = _signed(head, now, entries, private_key, public)
        _heed_rotation(there.stores[0], head, link)
        try:
            anchor = _publish(there, link, anchors)
        except AlreadyThere:
            continue  # another sealer wrote this number first: look again and continue its chain
        return Sealed(head=anchor, entries=len(entries), left_out=left_out, failures=there.failures)
    raise SealRefused(f"{_ATTEMPTS} times another sealer was first; only one sealing may run at a time (max_active_runs=1)")


def _agreed_head(there: Common, anchors: Anchors | None, public: str) -> Anchor | None:
    """The head that stores and anchor agree on. Raises SealRefused when they do not."""
    head = None
    if there.head:
        link, sha256 = read_link(there.stores[0], there.head)
        head = Anchor(seq=there.head, link_sha256=sha256, at=link.sealed_at)
    anchor = anchors.anchor() if anchors else None
    if anchor is not None:
        if anchor.seq > there.head:
            down = f"; not answering: {', '.join(there.failures)}" if there.failures else ""
            raise SealRefused(f"the ledger knows link {anchor.seq}, the stores end at {there.head}: cut off or rolled back{down}")
        if digest(there.stores[0].read(link_path(anchor.seq))) != anchor.link_sha256:
            raise SealRefused(f"link {anchor.seq} is not the one that the ledger knows ({anchor.link_sha256}): it was replaced")
    if anchors is not None and head is not None:
        anchors.set_anchor(head)
    return head


def _heed_rotation(store: Store, head: Anchor | None, link: Link) -> None:
    """A new key continues the chain only when a sealed note announced it, or its first link says that the old one is lost."""
    if head is None:
        return
    before, _ = read_link(store, head.seq)
    if before.public_key == link.public_key:
        return
    earlier = (read_link(store, seq)[0] for seq in range(head.seq, 0, -1))
    if not any(announced(store, [old], link.public_key) for old in earlier) and not announced(
        store, [link], link.public_key, lost=True
    ):
        raise SealRefused(
            f"link {head.seq} is by key {before.key_id}, this is key {link.key_id}, and no sealed record announces it: "
            "write one with `drillyard evidence rotate` and seal it with the old key first"
        )


def _sealed_paths(store: Store, head: int, since: datetime | None) -> AbstractSet[str]:
    """Paths that links name, walking back until a link older than every record that is looked at."""
    known: set[str] = set()
    for seq in range(head, 0, -1):
        link, _ = read_link(store, seq)
        known.update(entry.path for entry in link.entries)
        if since is not None and link.sealed_at < since - timedelta(days=32):
            break
    return known


def _unsealed(
    stores: Sequence[Store], known: AbstractSet[str], since: datetime | None
) -> tuple[list[SealedRecord], dict[str, str]]:
    """Records that no link names, with their digests; and files that are no proper record, with the reason."""
    holders: dict[str, list[Store]] = {}
    for store in stores:
        for prefix in _prefixes(since):
            for path in store.list(prefix):
                if path not in known:
                    holders.setdefault(path, []).append(store)
    entries, left_out = [], {}
    for path, where in sorted(holders.items()):
        versions = {digest(data): data for data in (store.read(path) for store in where)}
        problem = _problem(path, list(versions.values()))
        if problem:
            left_out[path] = problem
        else:
            entries.append(SealedRecord(path=path, sha256=next(iter(versions))))
    return entries, left_out


def _prefixes(since: datetime | None) -> Iterator[str]:
    """The folders to list: all records, or the months from `since` on. A clock may be ahead, so a month more is looked at."""
    if since is None:
        yield RECORDS
        return
    month = since.astimezone(UTC).date().replace(day=1)
    for _ in range(3):
        yield f"{RECORDS}{month:%Y/%m}/"
        month = (month + timedelta(days=32)).replace(day=1)


def _problem(path: str, versions: Sequence[bytes]) -> str | None:
    if len(versions) > 1:
        return "the stores hold different contents under this name"
    try:
        record = RECORD.validate_json(versions[0])
    except ValueError as error:
        return f"it is not a record: {str(error).splitlines()[0]}"
    if record_id_of(path) != record.record_id:
        return f"it says that it is record {record.record_id!r}, which belongs elsewhere"
    return None


def _signed(head: Anchor | None, now: datetime, entries: Sequence[SealedRecord], private: str, public: str) -> Link:
    link = Link(
        seq=head.seq + 1 if head else 1,
        previous=head.link_sha256 if head else BEGINNING,
        sealed_at=now,
        entries=tuple(entries),
        key_id=keys.key_id(public),
        public_key=public,
        signature="",
    )
    return link.model_copy(update={"signature": keys.sign(private, link.body())})


def _publish(there: Common, link: Link, anchors: Anchors | None) -> Anchor:
    """The first store that takes the link decides its number; then the anchor, then the other stores."""
    data = canonical_json(link)
    anchor = Anchor(seq=link.seq, link_sha256=digest(data), at=link.sealed_at)
    taken = False
    for store in there.stores:
        try:
            store.put_new(link_path(link.seq), data)
        except StoreDown as error:
            there.failures[store.name] = str(error)
            continue
        if not taken and anchors is not None:
            anchors.set_anchor(anchor)
        taken = True
    if not taken:
        raise StoreDown(
            "no evidence store took the link; the next run seals these records: " + "; ".join(there.failures.values())
        )
    return anchor
