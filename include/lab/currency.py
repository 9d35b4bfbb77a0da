"""``python -m include.lab.currency``: whether the published JSON Schemas are what the models say today.

A room that publishes schemas has a module ``schema`` with ``rendered() -> {file: text}``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from include.settings import PROJECT


def stale(project: Path = PROJECT) -> list[str]:
    """What is wrong with the published files, one line each; empty when all are current."""
    found = []
    for module in sorted((project / "include").glob("*/schema.py")):
        room = module.parent.name
        files: dict[Path, str] = importlib.import_module(f"include.{room}.schema").rendered()
        for file, text in files.items():
            if not file.is_file() or file.read_text() != text:
                found.append(f"{file.relative_to(project)} is not what the models of include/{room} say")
        folders = {file.parent for file in files}
        found += [
            f"{file.relative_to(project)} belongs to no model"
            for folder in sorted(folders)
            for file in sorted(folder.glob("*.json"))
            if file not in files
        ]
    return found


def main() -> int:
    """Exit code 1 when a published schema is stale."""
    wrong = stale()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print("write them anew: `drillyard catalog schema --write` (and so for other rooms)", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
