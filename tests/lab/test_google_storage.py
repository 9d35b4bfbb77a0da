"""Cloud Storage as a store of evidence: written once, never changed, found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.evidence.store import AlreadyThere, ObjectStore
from include.lab.google.storage import VARIABLES, CloudStorage

os.environ.update(VARIABLES)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStorage]:
    made = CloudStorage(Path(tmp_path_factory.mktemp("gcs"))).start()
    try:
        yield made
    finally:
        made.stop()


def store(storage: CloudStorage, bucket: str) -> ObjectStore:
    return ObjectStore("gcs", f"{storage.bucket(bucket)}/evidence", "google", storage.options())


def test_an_object_is_written_once_and_found_again(storage: CloudStorage) -> None:
    first = store(storage, "evidence-once")
    assert first.list("records/") == ()
    assert first.put_new("records/2026/a.json", b"one")
    assert not first.put_new("records/2026/a.json", b"one")
    with pytest.raises(AlreadyThere):
        first.put_new("records/2026/a.json", b"two")
    second = store(storage, "evidence-once")
    assert second.read("records/2026/a.json") == b"one"
    assert second.list("records/") == ("records/2026/a.json",)
    assert not second.exists("records/2026/b.json")
    with pytest.raises(FileNotFoundError):
        second.read("records/2026/b.json")
