"""Where exports lie: folders, or object storage that is copied here first (only what is there, nothing is changed there)."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from include.connections import Connections, from_environment


@contextlib.contextmanager
def local_copy(
    place: Path | str, accounts: Mapping[str, str] | None = None, connections: Connections = from_environment
) -> Iterator[Path]:
    """One folder with the exports of `place`: a folder, a URL, or several of them with commas between.

    A URL (``s3://``, ``gs://``, ``abfs://``, ``memory://``) is copied to a scratch folder with the objects' times, which tell
    older deliveries from newer ones; the folder is removed afterwards. `accounts` names the connection of a scheme: its extra
    field ``storage_options`` is what fsspec gets, as for the evidence stores; without one the SDK's own way of finding
    credentials holds. Several places lie side by side in the folder.
    Raises FileNotFoundError when nothing is there, LookupError for an unknown connection, and what fsspec raises.
    """
    places = [part.strip() for part in str(place).split(",") if part.strip()] if not isinstance(place, Path) else [str(place)]
    if len(places) == 1 and "://" not in places[0]:
        yield Path(places[0])
        return
    with tempfile.TemporaryDirectory(prefix="drillyard-billing-") as scratch:
        for number, one in enumerate(places):
            folder = Path(scratch, f"{number}-{re.sub(r'[^A-Za-z0-9.-]+', '-', one).strip('-')}" if len(places) > 1 else "")
            if "://" not in one:
                if not Path(one).is_dir():
                    raise FileNotFoundError(f"no billing directory {one}; give a folder with exports (see docs/egress-costs.md)")
                folder.symlink_to(Path(one).resolve(), target_is_directory=True)
                continue
            scheme = one.partition("://")[0]
            conn_id = (accounts or {}).get(scheme)
            options = connections(conn_id).extra.get("storage_options", {}) if conn_id else {}
            _copy(one, folder, options)
        yield Path(scratch)


def _copy(url: str, folder: Path, options: Mapping[str, Any]) -> None:
    """All objects below a URL, with their times."""
    import fsspec

    system, root = fsspec.core.url_to_fs(url, **options)
    found = system.find(root, detail=True)
    if not found:
        raise FileNotFoundError(f"nothing below {url}; name the folder of the exports")
    base = root.rstrip("/")
    for name, about in sorted(found.items()):
        if name.endswith("/"):
            continue  # a folder's marker object
        # The URL may name one object.
        target = folder / (os.path.relpath(name, base) if name != base else name.rpartition("/")[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(name, str(target))
        moment = next((about[k] for k in _MOMENTS if about.get(k) is not None), None)
        seconds = _seconds(moment)
        if seconds is not None:
            os.utime(target, (seconds, seconds))


_MOMENTS = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What fsspec's file systems call an object's time."""


def _seconds(moment: Any) -> float | None:
    from datetime import datetime

    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else None
