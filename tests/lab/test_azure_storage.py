"""Blob Storage as a store of evidence: written once, never changed, found again; and said loudly where Azurite cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.evidence.store import AlreadyThere, ObjectStore
from include.lab.azure import storage as lab_storage
from include.lab.azure.storage import AzuriteUnavailable, BlobStorage
from include.settings import PROJECT

PROGRAMS = PROJECT / "build" / "azurite"


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStorage]:
    made = BlobStorage(Path(tmp_path_factory.mktemp("blobs")), PROGRAMS).start()
    try:
        yield made
    finally:
        made.stop()


def store(blobs: BlobStorage, container: str) -> ObjectStore:
    return ObjectStore("blob", f"{blobs.container(container)}/evidence", "azure", blobs.options())


def test_a_blob_is_written_once_and_found_again(blobs: BlobStorage) -> None:
    first = store(blobs, "evidence-once")
    assert first.list("records/") == ()
    assert first.put_new("records/2026/a.json", b"one")
    assert not first.put_new("records/2026/a.json", b"one")
    with pytest.raises(AlreadyThere):
        first.put_new("records/2026/a.json", b"two")
    second = store(blobs, "evidence-once")
    assert second.read("records/2026/a.json") == b"one"
    assert second.list("records/") == ("records/2026/a.json",)
    with pytest.raises(FileNotFoundError):
        second.read("records/2026/b.json")


def test_without_a_registry_it_is_said_and_nothing_pretends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(AzuriteUnavailable, match="Blob Storage is unsupported in this lab"):
        lab_storage.installed(tmp_path / "programs")
