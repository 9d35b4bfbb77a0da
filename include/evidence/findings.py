"""Looking at the evidence with distrust: every record and link against digests, signatures, keys and the anchor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from include.evidence.links import BEGINNING, Link, announced, parse_link
from include.evidence.naming import CHAIN, RECORDS, link_path, link_seq, record_id_of
from include.evidence.store import Store, StoreDown
from include.ledger.model import Anchor
from include.values import Frozen, digest

Kind = Literal[
    "altered",
    "missing",
    "unsealed",
    "reordered",
    "truncated",
    "forged",
    "untrusted",
    "lagging",
    "foreign",
    "rotation",
    "unreadable",
]

GRACE = timedelta(minutes=10)
"""A record this much older than the head that no link names was passed over; a younger one waits for the next sealing."""


class Finding(Frozen):
    """One thing that is wrong, and where."""

    kind: Kind
    """``altered`` (other bytes than sealed), ``missing`` (sealed and gone), ``unsealed`` (older than the head, never
    sealed), ``reordered`` (in the place of another), ``truncated`` (the chain ends before the anchor), ``forged`` (a
    signature or link that no key made), ``untrusted`` (a key that is not in Git), ``lagging`` (behind another store),
    ``foreign`` (no evidence at all), ``rotation`` (a key that nobody announced), ``unreadable``."""
    where: str
    """The path within the store."""
    detail: str


class Findings(Frozen):
    """What one look at one store found."""

    store: str
    head: Anchor | None
    links: int
    records: int
    """How many sealed records were read and compared."""
    pending: tuple[str, ...]
    """Records younger than the head that wait for the next sealing."""
    keys: tuple[str, ...]
    """Ids of the keys that signed, in order of appearance."""
    findings: tuple[Finding, ...]

    @property
    def seal(self) -> Literal["TRUSTED", "UNTRUSTED", "BROKEN", "NONE"]:
        """In one word. UNTRUSTED: whole, but by a key that nobody trusts, such as the lab's."""
        if any(finding.kind != "untrusted" for finding in self.findings):
            return "BROKEN"
        if self.findings:
            return "UNTRUSTED"
        return "TRUSTED" if self.links else "NONE"


def verify(store: Store, trusted_keys: Collection[str], anchor: Anchor | None = None, *, newest: int | None = None) -> Findings:
    """Read a whole store and name everything that is not as it was sealed. Raises StoreDown when it cannot be listed.

    `newest`: only so many of the newest links and what they name. Quick enough for every hour; the nights look at all.
    """
    look = _Look(store, trusted_keys)
    look.chain(newest)
    look.anchored(anchor)
    look.records(everything=newest is None)
    return look.answer()


def verify_stores(
    stores: Sequence[Store], trusted_keys: Collection[str], anchor: Anchor | None = None, *, newest: int | None = None
) -> tuple[Findings, ...]:
    """Every store by itself, and against the longest chain among them. A store that is down has one finding."""
    found = []
    for store in stores:
        try:
            found.append(verify(store, trusted_keys, anchor, newest=newest))
        except StoreDown as error:
            down = Finding(kind="unreadable", where="/", detail=str(error))
            found.append(Findings(store=store.name, head=None, links=0, records=0, pending=(), keys=(), findings=(down,)))
    longest = max(found, key=lambda one: one.head.seq if one.head else 0)
    by_name = {store.name: store for store in stores}
    return tuple(_against(one, longest, by_name) for one in found)


def _against(one: Findings, longest: Findings, stores: dict[str, Store]) -> Findings:
    """Say `lagging` of a store that ends where another goes on, and `forged` of one that went another way."""
    behind = one.head.seq if one.head else 0
    if longest.head is None or behind >= longest.head.seq or any(finding.kind == "unreadable" for finding in one.findings):
        return one
    other = stores[longest.store]
    ends = link_path(behind) if one.head else CHAIN
    if one.head is not None and digest(other.read(ends)) != one.head.link_sha256:
        extra = Finding(kind="forged", where=ends, detail=f"another link than in store {other!r}: the chain was forked")
    else:
        extra = Finding(
            kind="lagging",
            where=ends,
            detail=f"ends at link {behind} where store {other!r} has {longest.head.seq}: it was down, or it was rolled back; "
            "`drillyard evidence repair` copies what it lacks",
        )
    kept = tuple(finding for finding in one.findings if not (finding.kind == "truncated" and extra.kind == "lagging"))
    return one.model_copy(update={"findings": (*kept, extra)})


class _Look:
    """One look at one store."""

    def __init__(self, store: Store, trusted_keys: Collection[str]) -> None:
        self.store, self.trusted = store, set(trusted_keys)
        self.found: list[Finding] = []
        self.links: list[Link] = []
        self.hashes: dict[int, str] = {}
        self.sealed: dict[str, tuple[str, int]] = {}
        self.keys: list[str] = []
        self.pending: list[str] = []
        self.compared = 0
        self.head, self.first = 0, 1

    def note(self, kind: Kind, where: str, detail: str) -> None:
        self.found.append(Finding(kind=kind, where=where, detail=detail))

    # ---- links -------------------------------------------------------------------------------------------------

    def chain(self, newest: int | None) -> None:
        """Every link, or the newest ones, each by itself and against the one before."""
        numbers = set()
        for path in self.store.list(CHAIN):
            seq = link_seq(path)
            if seq:
                numbers.add(seq)
            else:
                self.note("foreign", path, "no link of the chain has this name")
        self.head = max(numbers, default=0)
        self.first = 1 if newest is None else max(1, self.head - newest + 1)
        for seq in range(self.first, self.head + 1):
            if seq in numbers:
                self._link(seq)
            else:
                self.note("missing", link_path(seq), f"link {seq} is gone, link {self.head} is there")

    def _link(self, seq: int) -> None:
        path = link_path(seq)
        data = self.store.read(path)
        self.hashes[seq] = digest(data)
        link, problem = parse_link(data, seq)
        if link is None or problem:
            moved = link is not None and link.seq != seq
            self.note("reordered" if moved else "forged" if link else "altered", path, problem or "")
        if link is None:
            return
        before = BEGINNING if seq == 1 else self.hashes.get(seq - 1)
        if before is not None and link.previous != before:
            self.note("forged", path, f"it does not continue link {seq - 1}: one of the two was replaced or moved")
        self._key(link, path)
        for entry in link.entries:
            if entry.path in self.sealed:
                self.note("forged", path, f"{entry.path} was sealed before, by link {self.sealed[entry.path][1]}")
            self.sealed.setdefault(entry.path, (entry.sha256, seq))
        self.links.append(link)

    def _key(self, link: Link, path: str) -> None:
        if link.key_id not in self.keys:
            self.keys.append(link.key_id)
            if link.public_key not in self.trusted:
                self.note(
                    "untrusted", path, f"key {link.key_id} is not among the trusted keys in platform.yaml, from this link on"
                )
        if self.links and self.links[-1].public_key != link.public_key:
            try:
                told = announced(self.store, self.links, link.public_key)
                told = told or announced(self.store, [link], link.public_key, lost=True)
            except (OSError, ValueError):
                told = False
            if not told:
                self.note("rotation", path, f"key {link.key_id} took over and no record sealed before announces it")

    def anchored(self, anchor: Anchor | None) -> None:
        """The head against what is known outside the stores."""
        if anchor is None:
            return
        if anchor.seq > self.head:
            cut = f"the chain ends at link {self.head}, link {anchor.seq} was anchored outside it"
            self.note("truncated", link_path(self.head + 1), f"{cut}: its tail was cut off, or the store was rolled back")
        elif anchor.seq in self.hashes and self.hashes[anchor.seq] != anchor.link_sha256:
            self.note(
                "forged", link_path(anchor.seq), f"link {anchor.seq} is not the one that was anchored ({anchor.link_sha256})"
            )

    # ---- records -----------------------------------------------------------------------------------------------

    def records(self, *, everything: bool) -> None:
        """Every record against its digest. Without `everything`, only those that the looked-at links name."""
        listed = self.store.list(RECORDS) if everything else [path for path in self.sealed if self.store.exists(path)]
        there = set(listed)
        by_digest = {sha256: path for path, (sha256, _) in self.sealed.items()}
        for path, (_, seq) in self.sealed.items():
            if path not in there:
                self.note("missing", path, f"link {seq} names it, and it is gone")
        for path, data in _read_many(self.store, [path for path in listed if path in self.sealed]):
            self.compared += 1
            sha256, seq = self.sealed[path]
            actual = digest(data)
            if actual == sha256:
                continue
            if actual in by_digest:
                self.note("reordered", path, f"it has the content of {by_digest[actual]}")
            else:
                self.note("altered", path, f"link {seq} sealed {sha256}, the file is {actual}")
        for path in listed:
            if path not in self.sealed:
                self._unsealed(path)

    def _unsealed(self, path: str) -> None:
        record_id = record_id_of(path)
        if record_id is None:
            self.note("foreign", path, "no record has this name")
            return
        try:
            written = datetime.strptime(record_id[:23], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        except ValueError:
            self.note("foreign", path, "its name has no instant")
            return
        if self.links and written < self.links[-1].sealed_at - GRACE:
            self.note(
                "unsealed", path, f"older than link {self.links[-1].seq}, and no link names it: added later, or passed over"
            )
        else:
            self.pending.append(path)

    def answer(self) -> Findings:
        last = self.links[-1] if self.links else None
        known = last is not None and last.seq == self.head
        return Findings(
            store=self.store.name,
            head=Anchor(seq=self.head, link_sha256=self.hashes[self.head], at=last.sealed_at) if last and known else None,
            links=len(self.links),
            records=self.compared,
            pending=tuple(self.pending),
            keys=tuple(self.keys),
            findings=tuple(self.found),
        )


def _read_many(store: Store, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Read many objects, some at a time: a year of records must fit in memory, and a distant store must not be waited for."""
    rest = iter(paths)
    with ThreadPoolExecutor(8) as pool:
        while batch := list(islice(rest, 256)):
            yield from zip(batch, pool.map(store.read, batch), strict=True)
