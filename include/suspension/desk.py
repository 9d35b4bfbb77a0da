"""What a sweep needs in its hands, opened once a task: catalog, ledger, evidence, one cloud's adapters, who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from include import clouds
from include.catalog.model import Environment
from include.connections import Connections, from_environment
from include.suspension.contracts import Activity, PowerRoom, PowerSwitch, Unsupported
from include.suspension.telling import Telling, tell
from include.suspension.waking import Answers, answers

if TYPE_CHECKING:
    from include.catalog.load import Loaded
    from include.evidence.record import Record
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.ledger.sleeps import Sleeps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SleepDesk:
    """Open handles for the sweeps of one cloud. Never serialised."""

    cloud: str
    loaded: Loaded
    open_ledger: Callable[[], Ledger]
    """Called once, when the ledger is first used: a look opens it while the cloud's answer is on its way."""
    stores: Stores
    power: PowerSwitch
    activity: Activity
    connections: Connections = from_environment
    tell: Callable[[SleepDesk, Sequence[Telling]], None] = tell
    answers: Answers = field(default=answers)

    @cached_property
    def ledger(self) -> Ledger:
        return self.open_ledger()

    @property
    def environments(self) -> dict[str, Environment]:
        """Those that are put to sleep, and production, so that nothing of it is."""
        return {name: one for name, one in self.loaded.catalog.environments.items() if one.suspension is not None}

    @property
    def sleeps(self) -> Sleeps:
        from include.ledger.sleeps import Sleeps

        return Sleeps(self.ledger)

    def write(self, record: Record) -> None:
        """To every evidence store, then into the ledger. Raises StoresDown when no store took it."""
        written = self.stores.write_record(record)
        for store, why in written.failures.items():
            log.error("evidence store %s did not take %s: %s", store, record.record_id, why)
        self.ledger.project(record)


def open_sleep_desk(
    cloud: str, connections: Connections = from_environment, clients: Callable[[Any], Any] | None = None
) -> SleepDesk:
    """Open everything for one cloud. Raises Unsupported when its room has no power, CatalogError, LookupError."""
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.recovery.desk import ledger_url
    from include.settings import platform_dir

    loaded = load(platform_dir())
    room: Any = clouds.room(cloud)
    if not isinstance(room, PowerRoom):
        raise Unsupported(f"{cloud} has nothing that can be put to sleep: its room gives no power")
    settings = loaded.catalog.settings.get(cloud)
    handed = connections if clients is None else clients(settings)
    return SleepDesk(
        cloud=cloud,
        loaded=loaded,
        open_ledger=partial(open_ledger, ledger_url(connections)),
        stores=open_stores(loaded.catalog.platform.evidence, connections),
        power=room.power_switch(handed, settings),
        activity=room.activity_reader(handed, settings),
        connections=connections,
    )
