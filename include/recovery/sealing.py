"""What the one sealing task of a run does: repair the stores, seal what is new, and be loud about what is not whole."""

from __future__ import annotations

import time

from include.connections import Connections
from include.values import utcnow

_PATIENCE = 3


class NotWhole(RuntimeError):
    """Records are safe and sealed where they could be, but a store lacks some of them or holds something foreign."""


def seal_all(connections: Connections) -> int:
    """Seal every record that no link names yet; returns the number of the chain's newest link (0: nothing was ever sealed).

    The signing key is asked for here and nowhere else. Raises NotWhole after sealing when a store is down, lacks something
    or holds what it should not; SealRefused when the chain was cut or replaced; StoresDown when no store answers.
    """
    from include.catalog.load import load
    from include.evidence import chain
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.recovery.desk import SEALING_CONNECTION, ledger_url
    from include.settings import platform_dir

    platform = load(platform_dir()).catalog.platform
    stores = open_stores(platform.evidence, connections)
    ledger = open_ledger(ledger_url(connections))
    key = connections(SEALING_CONNECTION).password or ""
    for attempt in range(_PATIENCE):
        try:
            sealed = chain.seal(stores, key, utcnow(), anchors=ledger, trusted_keys=platform.trusted_keys)
            break
        except chain.SealRefused:
            # Two runs may end in the same second; the other one's link is there at the next look.
            if attempt == _PATIENCE - 1:
                raise
            time.sleep(1)
    repaired = stores.repair(sealed=stores.first(chain.sealed_digests))
    wrong = [f"store {name}: {why}" for name, why in {**sealed.failures, **repaired.failures}.items()]
    wrong += [f"{path}: {why}" for path, why in {**sealed.left_out, **repaired.conflicts}.items()]
    if wrong:
        raise NotWhole(
            "; ".join(wrong) + "; the next run repairs what can be repaired, `drillyard evidence verify` shows the rest"
        )
    return sealed.head.seq if sealed.head else 0
