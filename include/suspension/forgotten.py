"""What sleeps while no environment of the catalog would wake it: a finding at every run, until somebody brings it back.

An environment's file was deleted, its accounts or tags changed, or it became production, while it slept. Its former states are
in the ledger and in the evidence, so it can be woken exactly; which of it should be, only a person can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from include.catalog.errors import unknown
from include.catalog.model import Environment
from include.connections import Connections, from_environment
from include.suspension.decision import Memory, Phase, WishAction
from include.suspension.model import Answer, Batch, Resource, Survey, Wake
from include.suspension.people import write
from include.suspension.placing import batches
from include.values import utcnow

if TYPE_CHECKING:
    from include.ledger.sleeps import Sleeps
    from include.suspension.contracts import PowerSwitch
    from include.suspension.desk import SleepDesk


def outside(memories: Iterable[Memory], environments: Mapping[str, Environment]) -> dict[str, str]:
    """By resource key, in words: what sleeps in an account, region or kind that no environment names any more.

    No sweep looks there. What lies where sweeps look is found by the sweep itself (`Look.forgotten`).
    """
    swept = {(one.cloud, one.account, one.region): one.kinds for one in batches(environments)}
    found = {}
    for memory in memories:
        cloud, account, region, kind = memory.key.split("/")[:4]
        kinds = swept.get((cloud, account, region))
        if memory.phase is not Phase.AWAKE and (kinds is None or (kinds and kind not in kinds)):
            found[memory.key] = said(memory, "no environment of the catalog names its account, region and kind")
    return found


def said(memory: Memory, why: str) -> str:
    """What the finding says, and what to do."""
    name = memory.former.resource.name if memory.former else memory.key.rpartition("/")[2]
    return (
        f"{name} of environment {memory.environment} was put to sleep at {memory.changed_at.isoformat(timespec='minutes')} and "
        f"{why}: nobody wakes it. Wake it: drillyard suspend bring-back {memory.environment} --by NAME --why REASON; or give "
        "the catalog its environment back"
    )


def listed(connections: Connections = from_environment) -> dict[str, str]:
    """`outside` of the ledger and the platform's catalog. Raises CatalogError, LookupError, and the ledger's errors."""
    environments, sleeps = _known(connections)
    return outside(sleeps.asleep().values(), environments)


def _known(connections: Connections) -> tuple[dict[str, Environment], Sleeps]:
    from include.catalog.load import load
    from include.ledger import open_ledger
    from include.ledger.sleeps import Sleeps
    from include.recovery.desk import ledger_url
    from include.settings import platform_dir

    return load(platform_dir()).catalog.environments, Sleeps(open_ledger(ledger_url(connections)))


class Only:
    """A switch that sees some resources and no others."""

    def __init__(self, power: PowerSwitch, keys: Iterable[str]) -> None:
        self._power, self._keys = power, frozenset(keys)

    @property
    def kinds(self) -> Sequence[str]:
        return self._power.kinds

    def survey(self, batch: Batch) -> Survey:
        told = self._power.survey(batch)
        return told.model_copy(update={"resources": tuple(one for one in told.resources if one.key in self._keys)})

    def look(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Resource]:
        return self._power.look(batch, resources)

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        return self._power.stop(batch, resources)

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        return self._power.start(batch, wakes)


def asleep_of(name: str, sleeping: Mapping[str, Memory]) -> dict[str, Memory]:
    """What sleeps of an environment. Raises LookupError, naming the nearest, when nothing does."""
    mine = {key: memory for key, memory in sleeping.items() if memory.environment == name}
    if not mine:
        names = {memory.environment for memory in sleeping.values()}
        what, close = unknown("environment with something asleep", name, names)
        raise LookupError(f"{what}; did you mean {close!r}?" if close else what)
    return mine


def places(mine: Mapping[str, Memory], environments: Mapping[str, Environment], connection: str | None) -> list[Batch]:
    """The batches that they lie in, with only their kinds. Raises LookupError when nobody says what opens an account."""
    opens = {
        (scope.cloud, scope.account): scope.connection
        for environment in environments.values()
        if environment.suspension
        for scope in environment.suspension.accounts
    }
    kinds: dict[tuple[str, str, str], set[str]] = {}
    for key in mine:
        cloud, account, region, kind = key.split("/")[:4]
        kinds.setdefault((cloud, account, region), set()).add(kind)
    found = []
    for (cloud, account, region), wanted in sorted(kinds.items()):
        conn_id = connection or opens.get((cloud, account))
        if conn_id is None:
            raise LookupError(f"nothing in the catalog says what opens {cloud} {account}: name it with --connection")
        found.append(Batch(cloud=cloud, account=account, region=region, connection=conn_id, kinds=tuple(sorted(wanted))))
    return found


def handed(desk: SleepDesk, batch: Batch, name: str, memories: Mapping[str, Memory]) -> SleepDesk:
    """The desk as if the environment were in the catalog, without hours, and nothing in the account but what is remembered of it.

    A person names it, so neither tags nor production keep it asleep; the global stop does. `memories`: all of the environment,
    so that nothing of it is taken for gone; what is awake stays as it is.
    """
    catalog = desk.loaded.catalog
    scope = {"cloud": batch.cloud, "account": batch.account, "connection": batch.connection, "regions": [batch.region]}
    awake = [key.split("/", 4)[4] for key, memory in memories.items() if memory.phase is Phase.AWAKE]
    guards = {
        "opt_out": awake,
        "production_tags": [],
        "protected_tags": [],
        "opt_out_tag": "",
        "transactions": {"unchecked": True},
    }
    known = catalog.environments.get(name)
    given = {"accounts": [scope], "guards": guards}
    alone = Environment.model_validate({"environment": name, "owner": known.owner if known else "nobody", "suspension": given})
    loaded = replace(desk.loaded, catalog=replace(catalog, environments={name: alone}))
    return replace(desk, loaded=loaded, power=Only(desk.power, memories))


def bring_back(
    name: str, by: str, why: str, connection: str | None = None, connections: Connections = from_environment
) -> list[tuple[SleepDesk, Batch]]:
    """Write down who wants it back and why; answers what to sweep, with its desk, until nothing is pending.

    Of an environment that is in the catalog, everything is woken, and kept up for an hour. Raises LookupError for one that has
    nothing asleep, and when nothing says what opens an account.
    """
    from include.suspension.desk import open_sleep_desk

    environments, sleeps = _known(connections)
    wanted_places = places(asleep_of(name, sleeps.asleep()), environments, connection)
    memories = sleeps.of_environment(name)
    desks = {cloud: open_sleep_desk(cloud, connections) for cloud in {batch.cloud for batch in wanted_places}}
    first = desks[wanted_places[0].cloud]
    write(first.ledger, first.stores, name, WishAction.WAKE, 1, by, why, utcnow())
    return [(handed(desks[batch.cloud], batch, name, memories), batch) for batch in wanted_places]
