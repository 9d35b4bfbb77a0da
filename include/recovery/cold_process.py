"""A recovery in a process of its own that is kept from everything it must do without. Started by `include.recovery.cold_drills`.

Reads one order (JSON) from its standard input and writes one line of JSON for each thing that happens: ``say``, ``record``
(the path of a record that it wrote), at last ``done``. Its environment has no connection but those that it was given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from include.namespaces import deny
from include.values import Frozen


class Order(Frozen):
    """What to recover, and what to be kept from."""

    store: str
    store_name: str
    store_options: dict[str, Any]
    here: str
    """A folder for a second copy of the records, from which the starter spreads them."""
    services: tuple[str, ...]
    lost: tuple[str, ...]
    """Failure domains that must count as gone."""
    hidden: tuple[str, ...]
    """Folders to be shown empty."""
    offline: bool
    """No network at all: the restore needs none."""
    trusted_keys: tuple[str, ...]
    secret: str
    reason: str


def main() -> int:
    """Do one order. 0 when it was done, whatever came of it; 1 when it could not be: ``failed`` says why."""
    order = Order.model_validate_json(sys.stdin.read())
    denied = walls(order)
    try:
        done = work(order, denied)
    except (LookupError, OSError, ValueError, RuntimeError) as error:
        tell("failed", str(error))
        return 1
    tell("done", [one.model_dump(mode="json") for one in done])
    return 0


def walls(order: Order) -> list[str]:
    """Deny what can be denied here; answers what was, in words for the record."""
    denied = ["Airflow, the ledger and the running servers: no connection of theirs is known to the process"]
    try:
        deny(network=order.offline, folders=map(Path, order.hidden))
    except OSError as error:
        return [*denied, f"the kernel refuses more: {error.strerror or error}"]
    if order.offline:
        denied.append("the network: a namespace without an interface")
    else:
        denied.append("not the network: the cloud is asked through it")
    denied += [f"{folder}: shown empty" for folder in order.hidden]
    return denied


def work(order: Order, denied: list[str]) -> list[Any]:
    """Recover the ordered services from the store's newest kit, and discard them."""
    from include.connections import from_environment
    from include.evidence.naming import record_path
    from include.evidence.shelf import fetch
    from include.evidence.stores import Stores, open_store
    from include.recovery import recover as steps
    from include.recovery.cold import unpacked
    from include.recovery.model import Request
    from include.values import utcnow

    store = open_store(order.store, order.store_name, options=order.store_options)
    shelved = fetch(store, utcnow(), order.trusted_keys)
    tell("say", f"kit {shelved.kit.kit_id}: {shelved.words}")
    with unpacked(shelved.kit) as loaded:
        job = steps.Recovery(
            kit=shelved.kit,
            store=order.store_name,
            loaded=loaded,
            stores=Stores([store, open_store(order.here, "here")]),
            connections=from_environment,
            secret=order.secret,
            request=Request(reason=order.reason),
            lost=order.lost,
            discard=True,
            denied=(*denied, *(f"failure domain {domain}" for domain in order.lost)),
            salt=utcnow().isoformat(),
            say=lambda text: tell("say", text),
            on_record=lambda record: tell("record", record_path(record.record_id)),
        )
        return steps.recover(job, [one for one in shelved.kit.services if one.service in order.services])


def tell(what: str, text: Any) -> None:
    """One line for whoever started this. When nobody listens any more, the work goes on: it must be cleared away."""
    try:
        sys.stdout.write(json.dumps({what: text}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123  for the rest of this process


if __name__ == "__main__":
    sys.exit(main())
