"""A sign of life to somebody outside, after each publication: whoever does not get it any more knows that all is silent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from include.catalog.model import Heartbeat
from include.connections import ConnectionInfo, Connections
from include.settings import PROJECT
from include.values import canonical_json

TIMEOUT = 20.0


def beat(beats: Sequence[Heartbeat], connections: Connections, now: datetime, *, platform: str) -> dict[str, str]:
    """Give every sign of life; answers why, by name, each that was not taken. Nothing secret is in it."""
    sign = canonical_json({"platform": platform, "alive_at": now.isoformat()})
    failures = {}
    for one in beats:
        try:
            if one.file:
                _to_file(one, connections, sign)
            elif one.connection:
                _to_switch(connections(one.connection), sign)
        except HTTPError as error:
            failures[one.name] = f"heartbeat {one.name}: answered {error.code}"
        except (OSError, LookupError, ValueError) as error:
            failures[one.name] = f"heartbeat {one.name}: {error}"
    return failures


def _to_switch(info: ConnectionInfo, sign: bytes) -> None:
    """One request: ``method`` GET, or POST with the sign as its body. The URL is a secret and in no error."""
    url = (
        info.extra.get("url") or f"{info.extra.get('scheme', 'https')}://{info.host or ''}{f':{info.port}' if info.port else ''}"
    )
    if urlsplit(str(url)).scheme not in ("http", "https") or not urlsplit(str(url)).hostname:
        raise ValueError(f"connection {info.conn_id!r} has no http(s) URL: put it into its extra field url")
    method = str(info.extra.get("method", "GET")).upper()
    data = sign if method == "POST" else None
    request = Request(url, data=data, method=method, headers={"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        answer.read(1024)


def _to_file(one: Heartbeat, connections: Connections, sign: bytes) -> None:
    """Replaced as a whole in a folder; in an object store, put."""
    import fsspec

    place = str(one.file)
    extra = connections(one.connection).extra if one.connection else {}
    options = extra.get("storage_options", {})
    if isinstance(options, str):
        options = json.loads(options)
    if "://" not in place:
        path = PROJECT / place
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(sign)
        draft.replace(path)
        return
    with fsspec.open(place, "wb", **options) as file:
        file.write(sign)
