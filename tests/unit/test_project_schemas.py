"""Published schemas: the check that `make lint` and the commit hook run."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.lab import currency


def test_what_is_published_is_current() -> None:
    assert currency.stale() == []


def test_a_changed_and_a_forgotten_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "include" / "catalog"
    (room / "schema").mkdir(parents=True)
    (room / "schema.py").touch()
    (room / "schema" / "old.schema.json").write_text("{}\n")
    changed = room / "schema" / "service.schema.json"
    changed.write_text("{}\n")
    monkeypatch.setattr("include.catalog.schema.rendered", lambda: {changed: '{"type": "object"}\n'})
    assert currency.stale(tmp_path) == [
        "include/catalog/schema/service.schema.json is not what the models of include/catalog say",
        "include/catalog/schema/old.schema.json belongs to no model",
    ]
    changed.write_text('{"type": "object"}\n')
    (room / "schema" / "old.schema.json").unlink()
    assert currency.stale(tmp_path) == []
