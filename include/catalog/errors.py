"""What is wrong with a catalog: one problem a line, with the place, and the nearest value that would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Problem:
    """One finding in one file. Sorts by file and line."""

    file: str
    """Relative to the catalog's directory."""
    line: int
    """From 1."""
    field: str
    """``datastores[0].backups.wal``; empty when the whole file is meant."""
    what: str
    """What is wrong, as the rest of a sentence."""
    nearest: str | None = None
    """The valid value that is most like the one found."""
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """``tenants.yaml:5``."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        parts = [f"{self.place}:"]
        if self.severity == "warning":
            parts.append("warning:")
        if self.field:
            parts.append(f"{self.field}:")
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{' '.join(parts)} {self.what}{hint}"


class CatalogError(Exception):
    """The platform cannot be used at all. `problems` holds everything that was found in every file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


def nearest(word: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Up to `count` known words that look like this one, the most similar first; empty when none does."""
    by_lower: dict[str, str] = {}
    for name in sorted(known):
        by_lower.setdefault(name.lower(), name)
    return [by_lower[match] for match in difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.6)]


def unknown(kind: str, word: str, known: Iterable[str]) -> tuple[str, str | None]:
    """The text and the nearest value for a reference that leads nowhere.

    Without a similar value the known ones are listed, as far as they fit on a line.
    """
    names = sorted(known)
    close = nearest(word, names)
    if close:
        return f"no {kind} named {word!r}", close[0]
    listed = f"; known: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else f"; no {kind} is defined"
    return f"no {kind} named {word!r}{listed}", None
