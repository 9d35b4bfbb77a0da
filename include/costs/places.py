"""Where exports lie: a folder, or object storage that is copied here first (only what is there, nothing is changed)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def local_copy(place: Path | str) -> Iterator[Path]:
    """A folder with the exports. A URL (``s3://``, ``gs://``, ``abfs://``, ``memory://``) is copied to a scratch folder with the
    objects' times, which tell older deliveries from newer ones; the folder is removed afterwards.

    Raises FileNotFoundError when nothing is there, and what fsspec raises when credentials are missing.
    """
    if "://" not in str(place):
        yield Path(place)
        return
    import fsspec

    system, root = fsspec.core.url_to_fs(str(place))
    found = system.find(root, detail=True)
    if not found:
        raise FileNotFoundError(f"nothing below {place}; name the folder of the exports")
    with tempfile.TemporaryDirectory(prefix="drillyard-billing-") as scratch:
        base = root.rstrip("/")
        for name, about in sorted(found.items()):
            target = Path(scratch, os.path.relpath(name, base))
            target.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(name, str(target))
            moment = about.get("LastModified") or about.get("last_modified") or about.get("updated") or about.get("mtime")
            if moment is None:
                moment = about.get("created")
            seconds = moment.timestamp() if hasattr(moment, "timestamp") else moment
            if isinstance(seconds, int | float):
                os.utime(target, (seconds, seconds))
        yield Path(scratch)
