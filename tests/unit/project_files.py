"""The project's own files, found by walking: a user's machine may have no git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from include.settings import PROJECT


def ignored_names() -> list[str]:
    """The patterns of .gitignore, as names: `/build/` and `build` both leave out anything named so at the top or below."""
    lines = (PROJECT / ".gitignore").read_text().splitlines()
    return [".git", *(line.strip("/") for line in lines if line.strip() and not line.startswith("#"))]


def project_files(*suffixes: str, below: Path = PROJECT) -> Iterator[Path]:
    """Every file that belongs to the project, those with one of the suffixes when some are given."""
    ignored = ignored_names()
    for folder, folders, names in os.walk(below):
        folders[:] = sorted(name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored))
        for name in sorted(names):
            if not any(fnmatch(name, pattern) for pattern in ignored) and (not suffixes or name.endswith(suffixes)):
                yield Path(folder) / name


def image_files() -> list[Path]:
    """What `COPY . .` puts into the image: every file of the project but those that .dockerignore leaves out."""
    lines = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and not line.startswith(("#", "!"))]
    found = []
    for path in project_files():
        name = path.relative_to(PROJECT).as_posix()
        parents = [name, *(parent.as_posix() for parent in Path(name).parents if parent != Path())]
        if not any(_left_out(part, pattern) for part in parents for pattern in lines):
            found.append(path)
    return found


def _left_out(name: str, pattern: str) -> bool:
    """Docker's rule: a pattern is about the whole path, and `*` does not cross a slash; `**/x` is x anywhere."""
    if pattern.startswith("**/"):
        return fnmatch(name.rpartition("/")[2], pattern[3:])
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)
