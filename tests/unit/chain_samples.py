"""Stores that can be down or lose their writer, an anchor, and nights of sealing, for tests of the chain."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from include.evidence import chain, keys
from include.evidence.chain import seal
from include.evidence.store import LocalStore, StoreDown
from include.evidence.stores import Stores
from include.ledger.model import Anchor
from tests.unit.evidence_samples import T0, a_verification

PRIVATE, PUBLIC = "11" * 32, keys.public_of("11" * 32)
DAY = timedelta(days=1)


class Remembered:
    """An anchor outside the stores."""

    def __init__(self) -> None:
        self.head: Anchor | None = None

    def anchor(self) -> Anchor | None:
        return self.head

    def set_anchor(self, anchor: Anchor) -> None:
        if self.head is None or anchor.seq > self.head.seq:
            self.head = anchor


class Cut(RuntimeError):
    """The process was killed here."""


class Fragile(LocalStore):
    """A store that can be down, and whose writer can be killed after a number of writes."""

    down = False
    killed_after: int | None = None

    def _create(self, path: str, data: bytes) -> None:
        self._meet()
        if self.killed_after is not None:
            if self.killed_after == 0:
                raise Cut
            self.killed_after -= 1
        super()._create(path, data)

    def read(self, path: str) -> bytes:
        self._meet()
        return super().read(path)

    def list(self, prefix: str = "") -> tuple[str, ...]:
        self._meet()
        return tuple(super().list(prefix))

    def _meet(self) -> None:
        if self.down:
            raise StoreDown(f"store {self!r} is down")


def two(tmp_path: Path) -> Stores:
    return Stores([Fragile("one", tmp_path / "one", "hall-one"), Fragile("two", tmp_path / "two", "hall-two")])


def nights(stores: Stores, count: int, *, first: int = 0, anchors: Remembered | None = None, key: str = PRIVATE) -> None:
    """Each night two verifications, then the sealing."""
    for night in range(first, first + count):
        at = T0 + night * DAY
        for name in ("orders", "prices"):
            stores.write_record(a_verification(name, "main", at))
        seal(stores, key, at + timedelta(minutes=30), anchors=anchors, trusted_keys=[PUBLIC])


def kinds(found: chain.Findings) -> set[str]:
    return {finding.kind for finding in found.findings}


def files_of(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
