"""``make bench``: runs the benchmarks of ``tests/bench/bench_*.py`` and writes ``build/bench.json``.

A benchmark is a module with ``run() -> list[dict]``, each dict a figure:

``name``        what was measured; unique
``value``       the measured number, in ``unit``
``unit``        such as ``s``, ``MB``, ``requests/s``
``peer``        what stands beside it: the floor, or a peer's name; None when nothing does
``peer_value``  the peer's number, in the same unit; None when nothing does
``ratio``       what the bar is about, usually value / peer_value; None when the bar is about the value
``bar``         the bar in words, such as ``ratio <= 1.2``
``holds``       whether it holds

``python -m include.lab.bench [NAME…]`` runs the modules and shows the figures whose name contains a NAME.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from include.settings import PROJECT
from include.values import Frozen, utcnow

FOLDER = PROJECT / "tests" / "bench"
RESULT = PROJECT / "build" / "bench.json"


class Figure(Frozen):
    """One measured figure, what stands beside it, and its bar."""

    name: str = Field(min_length=1)
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    bar: str
    holds: bool


class BenchError(Exception):
    """A benchmark could not be run, or gave something that is no figure. The text names the module."""


def modules(folder: Path) -> list[Path]:
    """The benchmark modules of a folder, by name."""
    return sorted(folder.glob("bench_*.py"))


def figures_of(module: Path) -> list[Figure]:
    """Run one module. Raises BenchError, with the traceback, when it fails or its figures are malformed."""
    spec = importlib.util.spec_from_file_location(module.stem, module)
    if spec is None or spec.loader is None:
        raise BenchError(f"{module} cannot be imported")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module.stem] = loaded
    try:
        spec.loader.exec_module(loaded)
        return [Figure.model_validate(figure) for figure in loaded.run()]
    except ValidationError as error:
        raise BenchError(f"{module.name}: run() gave what is no figure: {error}") from error
    except Exception as error:
        raise BenchError(f"{module.name} failed:\n{traceback.format_exc()}") from error


def wanted(module: Path, only: Sequence[str]) -> bool:
    """Whether a module is named itself. A figure's name cannot be known before the module has run."""
    return not only or any(name in module.stem for name in only)


def selected(found: Sequence[Figure], module: Path, only: Sequence[str]) -> list[Figure]:
    """The figures of a module that are asked for: all when the module is named, else those named."""
    if wanted(module, only):
        return list(found)
    return [figure for figure in found if any(name in figure.name for name in only)]


def measure(folder: Path, only: Sequence[str]) -> tuple[list[Figure], list[str]]:
    """The figures asked for, and the errors of modules that failed. One failing module does not hide the others."""
    candidates = [module for module in modules(folder) if wanted(module, only)] or modules(folder)
    found: list[Figure] = []
    errors: list[str] = []
    for module in candidates:
        print(f"{module.stem} …", flush=True)
        began = time.monotonic()
        try:
            found += selected(figures_of(module), module, only)
        except BenchError as error:
            errors.append(str(error))
        print(f"{module.stem}: {time.monotonic() - began:.1f} s", flush=True)
    names = [figure.name for figure in found]
    errors += [f"two figures are named {name!r}" for name in sorted({name for name in names if names.count(name) > 1})]
    return found, errors


def machine() -> dict[str, Any]:
    """What it was measured on, so that figures of two machines are not compared by mistake."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "at": utcnow().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures for reading."""

    def number(value: float | None, unit: str = "") -> str:
        return "" if value is None else f"{value:,.3g} {unit}".strip() if abs(value) < 1000 else f"{value:,.0f} {unit}".strip()

    rows = [("figure", "value", "beside it", "its value", "ratio", "bar", "holds")]
    rows += [
        (
            one.name,
            number(one.value, one.unit),
            one.peer or "",
            number(one.peer_value, one.unit),
            number(one.ratio),
            one.bar,
            "yes" if one.holds else "NO",
        )
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def main(only: Sequence[str], folder: Path = FOLDER, result: Path = RESULT) -> int:
    """The exit code: 1 when a bar does not hold or a benchmark failed, 2 when nothing is named so."""
    found, errors = measure(folder, only)
    if not found and not errors:
        names = ", ".join(module.stem.removeprefix("bench_") for module in modules(folder)) or "none"
        print(f"no benchmark and no figure is named {' or '.join(only) or 'anything'}; modules: {names}", file=sys.stderr)
        return 2
    result.parent.mkdir(parents=True, exist_ok=True)
    content = {"figures": [figure.model_dump() for figure in found], "errors": errors, "machine": machine()}
    result.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\n{table(found)}\n\nwritten to {result}")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors or not all(figure.holds for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
