"""What a person starts when a region is gone: the same call of `recover` for every cloud, with the result taken away again."""

from __future__ import annotations

from collections.abc import Collection

from include.catalog.loaded import Loaded
from include.connections import Connections
from include.evidence.kit import Kit
from include.evidence.stores import Stores
from include.recovery.model import Request
from include.recovery.recover import Recovery


def after_a_fire(
    kit: Kit,
    loaded: Loaded,
    stores: Stores,
    connections: Connections,
    secret: str,
    lost: Collection[str],
    said: list[str],
    salt: str = "",
) -> Recovery:
    """A recovery from store ``one``; what it says is appended to `said`."""
    return Recovery(
        kit=kit,
        store="one",
        loaded=loaded,
        stores=stores,
        connections=connections,
        secret=secret,
        request=Request(reason="fire"),
        lost=lost,
        discard=True,
        salt=salt,
        say=said.append,
    )
