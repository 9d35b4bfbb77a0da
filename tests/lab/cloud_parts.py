"""Clouds of the lab for tests: a catalog of some of their services, and a ledger of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from include.lab import clouds, postgres
from include.lab.platform import example_without
from include.lab.postgres import HOST
from include.lab.state import LabState
from include.ledger.migrations import migrate


def catalog(on: Collection[str], folder: Path, services: Collection[str] = ()) -> Path:
    """The example platform with its services on some clouds (all of them, or those named), and without any other."""
    merged = example_without(set(clouds.ALL) - set(on), folder / "platform")
    entries = {path: yaml.safe_load(path.read_text()) for path in (merged / "services").glob("*.yaml")}
    kept = {
        path.stem
        for path, entry in entries.items()
        if any(one["cloud"] in on for one in entry.get("datastores", [])) and (not services or path.stem in services)
    }
    for path, entry in entries.items():
        if "datastores" not in entry:
            continue
        if path.stem in kept:
            path.write_text(yaml.safe_dump(entry | {"depends_on": [name for name in entry["depends_on"] if name in kept]}))
        else:
            path.unlink()
    return merged


@contextmanager
def ledger_on(lab: LabState, name: str) -> Iterator[str]:
    """The URL of a new ledger on the lab's control server; gone afterwards."""
    cluster = lab.cluster("control-db")
    postgres.execute(cluster, "postgres", f"CREATE DATABASE {name}")
    try:
        url = f"postgresql+psycopg2://postgres:{cluster.password}@{HOST}:{cluster.port}/{name}"
        migrate(url)
        yield url
    finally:
        postgres.execute(cluster, "postgres", f"DROP DATABASE {name} WITH (FORCE)")
