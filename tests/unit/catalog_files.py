"""A small catalog for tests: the platform `harbour`, copied into a folder of the test and changed there."""

from __future__ import annotations

import shutil
from pathlib import Path

from include.catalog.load import Loaded, load

HARBOUR = Path(__file__).parent / "catalogs" / "harbour"


def harbour(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """A copy of the platform with changes ``(file, old, new)``. Fails when the old text is not there to be changed."""
    base = folder / "harbour"
    if not base.exists():
        shutil.copytree(HARBOUR, base)
    for file, old, new in changes:
        path = base / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))
    return base


def loaded(folder: Path, *changes: tuple[str, str, str]) -> Loaded:
    """The changed copy, loaded with an empty environment."""
    return load(harbour(folder, *changes), {})
