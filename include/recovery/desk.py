"""What every step of a drill needs in its hands, opened once a task: catalog, ledger, evidence, one cloud's adapters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include import clouds
from include.catalog.model import Datastore, Service, Tier
from include.connections import Connections, from_environment

if TYPE_CHECKING:
    from include.catalog.load import Loaded
    from include.evidence.record import Record
    from include.evidence.stores import Stores
    from include.ledger import Ledger
    from include.recovery.contracts import BackupSource, DatabaseRestore

log = logging.getLogger(__name__)

LEDGER_CONNECTION = "drillyard_ledger"
SANDBOX_CONNECTION = "drillyard_sandbox"
SEALING_CONNECTION = "drillyard_sealing_key"


@dataclass(frozen=True)
class Desk:
    """Open handles for the drills of one cloud. Never serialised."""

    cloud: str
    loaded: Loaded
    ledger: Ledger
    stores: Stores
    source: BackupSource
    restore: DatabaseRestore
    secret: str
    doubles: tuple[str, ...] = ()
    """What of this cloud is a double here (the lab's), said so in every record."""

    def service(self, name: str) -> Service:
        """Raises LookupError with the reason when the service is not usable."""
        services = self.loaded.catalog.services
        if name not in services:
            reason = self.loaded.broken.get(name, "it is not in the catalog")
            raise LookupError(f"service {name!r} cannot be drilled: {reason}")
        return services[name]

    def datastore(self, service: str, name: str) -> Datastore:
        """Raises LookupError when the catalog no longer names it."""
        found: Datastore | None = next((d for d in self.service(service).datastores if d.name == name), None)
        if found is None:
            raise LookupError(f"the catalog no longer names datastore {name!r} of service {service!r}")
        return found

    def tier(self, service: str) -> Tier:
        return self.loaded.catalog.platform.tiers[self.service(service).tier]

    def datastores(self, region: str | None = None) -> dict[str, Datastore]:
        """This cloud's datastores by id (``service/datastore``), of one region or of all."""
        found = self.loaded.catalog.datastores().items()
        return {name: item for name, (_, item) in found if item.cloud == self.cloud and region in (None, item.region)}

    def write(self, record: Record) -> None:
        """Evidence first, then the ledger. A store that is down is said loudly; the sealing task repairs it or fails.

        Raises StoresDown when no store took the record, LedgerUnreachable when the ledger did not: then repeat the step.
        """
        written = self.stores.write_record(record)
        for store, why in written.failures.items():
            log.error("evidence store %s did not take %s: %s", store, record.record_id, why)
        self.ledger.project(record)


def open_desk(cloud: str, connections: Connections = from_environment, clients: Callable[[Any], Any] | None = None) -> Desk:
    """Open everything for one cloud. `clients`: for the cloud's settings, what its room is handed; by default the connections.

    Raises CatalogError, LookupError (a connection that is missing, by name) or OperationalError (ledger down).
    """
    from include.catalog.load import load
    from include.evidence.stores import open_stores
    from include.ledger import open_ledger
    from include.settings import platform_dir

    loaded = load(platform_dir())
    room = clouds.room(cloud)
    settings = loaded.catalog.settings.get(cloud)
    handed = connections if clients is None else clients(settings)
    return Desk(
        cloud=cloud,
        loaded=loaded,
        ledger=open_ledger(ledger_url(connections)),
        stores=open_stores(loaded.catalog.platform.evidence, connections),
        source=room.backup_source(handed, settings),
        restore=room.database_restore(handed, settings),
        secret=connections(SANDBOX_CONNECTION).password or "",
    )


def ledger_url(connections: Connections) -> str:
    """The ledger's SQLAlchemy URL from its connection."""
    from sqlalchemy.engine import URL

    info = connections(LEDGER_CONNECTION)
    url = URL.create("postgresql+psycopg2", info.login, info.password, info.host, info.port, info.schema_name)
    return url.render_as_string(hide_password=False)
