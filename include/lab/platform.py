"""A part of the example platform, for a lab that has not all of its clouds."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from include.settings import PROJECT

EXAMPLE = PROJECT / "include" / "platforms" / "example"


def example_without(clouds: Collection[str], target: Path) -> Path:
    """The example platform without some clouds and whatever is on them, in a folder that is made anew; gives that folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(EXAMPLE, target)
    gone = {path.stem for path in (target / "services").glob("*.yaml") if _on(path, clouds)}
    for path in (target / "services").glob("*.yaml"):
        if path.name.removesuffix(".yaml").removesuffix(".expectations") in gone:
            path.unlink()
        else:
            _rewrite(path, lambda entry: _without_dependencies(entry, gone))
    for path in (target / "environments").glob("*.yaml"):
        _rewrite(path, lambda entry: _without_accounts(entry, clouds))
    _rewrite(target / "platform.yaml", lambda entry: _without_clouds(entry, clouds))
    _rewrite(target / "rates.yaml", lambda entry: {**entry, "rates": _but(entry["rates"], clouds)})
    return target


def _on(path: Path, clouds: Collection[str]) -> bool:
    """Whether a service has a datastore on one of these clouds. A suite of expectations has none."""
    entry = yaml.safe_load(path.read_text())
    return any(one.get("cloud") in clouds for one in entry.get("datastores") or ())


def _rewrite(path: Path, change: Any) -> None:
    """Write a file anew when it changes: one that does not keeps its comments and its digest."""
    before = yaml.safe_load(path.read_text())
    after = change(before)
    if after != before:
        path.write_text(yaml.safe_dump(after, sort_keys=False))


def _but(entries: dict[str, Any], clouds: Collection[str]) -> dict[str, Any]:
    return {name: one for name, one in entries.items() if name not in clouds}


def _without_dependencies(entry: dict[str, Any], gone: Collection[str]) -> dict[str, Any]:
    if "depends_on" not in entry:
        return entry
    return {**entry, "depends_on": [name for name in entry["depends_on"] if name not in gone]}


def _without_accounts(entry: dict[str, Any], clouds: Collection[str]) -> dict[str, Any]:
    """What sleeps on the other clouds; an environment that has nothing there never sleeps."""
    if "suspension" not in entry:
        return entry
    kept = [one for one in entry["suspension"]["accounts"] if one["cloud"] not in clouds]
    rest = {name: value for name, value in entry.items() if name != "suspension"}
    return {**rest, "suspension": {**entry["suspension"], "accounts": kept}} if kept else rest


def _without_clouds(entry: dict[str, Any], clouds: Collection[str]) -> dict[str, Any]:
    kept = _but(entry["clouds"], clouds)
    domains = {region["failure_domain"] for cloud in kept.values() for region in cloud["regions"]}
    evidence = [store for store in entry["evidence"] if store["failure_domain"] in domains]
    return {**entry, "clouds": kept, "evidence": evidence}
