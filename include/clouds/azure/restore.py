"""Sandboxes on Flexible Server, in a resource group and a network of their own. A restore carries the lease's mark from the
first call on: tags are part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.catalog import model
from include.clouds.azure.clients import Azure, translated, word
from include.clouds.azure.servers import MARK, STATES, Servers, mark_of
from include.clouds.azure.settings import Datastore, Network, Sandboxes
from include.clouds.azure.source import GEO, id_of, own, region_of
from include.clouds.managed import (
    NotThere,
    check_mark,
    entrance,
    foreign,
    judged,
    let_in,
    reaches,
    same_version,
    secured,
    started,
    untold,
)
from include.recovery.contracts import Transient
from include.recovery.model import Access, Check, Lease, Owned, PlanItem, RecoveryPoint, Sandbox
from include.values import utcnow

_VENDOR_ROLES = ("azuresu", "replication", "azure_pg_admin")
_VENDOR_DATABASES = ("azure_maintenance", "azure_sys")


class FlexibleServerRestore:
    """Sandbox servers."""

    def __init__(self, azure: Azure, settings: Sandboxes) -> None:
        self._api, self._settings = azure.postgres.servers, settings
        self._servers = Servers(azure, settings.resource_group)

    def preflight(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem) -> Sequence[Check]:
        """The sandbox is apart from production, its network is known, and the point reaches the target."""
        mine, ours = own(datastore), self._settings
        network = ours.networks.get(target_region(mine.region, point))
        subnet, region = network.subnet if network else "none", target_region(mine.region, point)
        apart = ours.resource_group.lower() != mine.resource_group.lower()
        theirs, version = self._original(mine, point)
        alone = network is not None and subnet.lower() != theirs.lower()
        lies, needs = "sandboxes would lie among production's servers", f"clouds.azure.settings.networks needs one in {region}"
        return [
            judged("sandbox-group", "preflight", apart, ours.resource_group, f"not {mine.resource_group}", lies),
            judged("sandbox-network", "preflight", alone, subnet, f"not {theirs}", needs),
            same_version(point, version)
            if version
            else untold("version", "preflight", "the original does not answer: a geo-restore has its version"),
            reaches(point, item.target, utcnow()),
            untold("permissions", "preflight", "the PostgreSQL API does not tell beforehand what one may do: see docs/azure.md"),
        ]

    def _original(self, mine: Datastore, point: RecoveryPoint) -> tuple[str, str]:
        """The subnet and the version of the server that is restored; both empty when its region is lost and the copy in the
        pair is restored, which lies in another network anyway."""
        try:
            with translated():
                told = self._api.get(mine.resource_group, mine.server).properties
        except (Transient, NotThere):
            if point.id != GEO:
                raise
            return "", ""
        return str(told.network.delegated_subnet_resource_id if told.network else None), str(told.version)

    def find(self, name: str, datastore: model.Datastore, drill_id: str | None = None) -> Sandbox | None:
        del datastore, drill_id
        server = self._servers.live(name)
        if server is None:
            return None
        mark, state = mark_of(server), word(server.properties.state)
        return Sandbox(name=name, status=STATES[state], detail=state, lease_id=mark) if mark else foreign(name)

    def create(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Sandbox:
        """Start a restore. Repeating it finds what is there; a name that is still reserved gives way to the next."""
        order = self._order(datastore, point, item, lease)

        def start(name: str) -> None:
            with translated():
                self._api.begin_create_or_update(self._settings.resource_group, name, order, polling=False)

        return started(lease, lambda: self.find(lease.sandbox, datastore), start)

    def _order(self, datastore: model.Datastore, point: RecoveryPoint, item: PlanItem, lease: Lease) -> Any:
        from azure.mgmt.postgresqlflexibleservers import models

        mine = own(datastore)
        region = target_region(mine.region, point)
        network: Network = self._settings.networks[region]
        to = item.target.time or (point.taken_at if item.target.point_id else utcnow())
        geo = point.id == GEO
        return models.Server(
            location=region,
            tags={MARK: lease.lease_id},
            properties=models.ServerProperties(
                create_mode="GeoRestore" if geo else "PointInTimeRestore",
                source_server_resource_id=id_of(mine, self._settings.subscription),
                point_in_time_utc=None if geo else to,
                network=models.Network(
                    delegated_subnet_resource_id=network.subnet, private_dns_zone_arm_resource_id=network.dns_zone
                ),
            ),
        )

    def secure(self, name: str, datastore: model.Datastore, secret: str) -> Sequence[Check]:
        """The administrator's password by Azure's API, and the rest by SQL. Repeating it gives the same passwords."""
        server = self._servers.ready(name)
        access = self._entrance(name, server, datastore, secret)
        ready = self._servers.set_password(server.name, access.admin_password, self._settings.patience)
        told, network = ready.properties.network, self._settings.networks[region_of(ready)]
        public, subnet = word(told.public_network_access), str(told.delegated_subnet_resource_id)
        inside = subnet.lower() == network.subnet.lower()
        leave = "discard the sandbox, and look who changed its network"
        return [
            judged("no-public-address", "harmless", public == "Disabled", public, "Disabled", leave),
            judged("private-network", "harmless", inside, subnet, network.subnet, leave),
            *secured(access, (*_VENDOR_ROLES, access.admin), _VENDOR_DATABASES),
        ]

    def access(self, name: str, datastore: model.Datastore, secret: str) -> Access:
        return let_in(self._entrance(name, self._servers.ready(name), datastore, secret))

    def discard(self, name: str, datastore: model.Datastore, lease: Lease) -> None:
        """Delete it and wait until it is gone. Raises PermissionError for what does not carry the lease's mark, Transient
        when it is not gone within `patience`."""
        del datastore
        server = self._servers.live(name)
        if server is not None:
            check_mark(server.name, mark_of(server), lease)
            self._servers.delete(server.name, self._settings.patience)

    def inventory(self, datastores: Sequence[model.Datastore]) -> Sequence[Owned]:
        """Every marked server of the sandboxes' resource group."""
        del datastores
        found = []
        for one in self._servers.every():
            mark = mark_of(one)
            if mark is not None:
                made = one.system_data.created_at if one.system_data else None
                place = {"name": one.name, "cloud": "azure", "region": region_of(one), "kind": "flexible-server"}
                found.append(Owned(**place, lease_id=mark, created_at=made))
        return found

    def _entrance(self, name: str, server: Any, datastore: model.Datastore, secret: str) -> Access:
        host, login = server.properties.fully_qualified_domain_name, server.properties.administrator_login
        made = entrance(name, str(host), self._settings.port, datastore.database, secret)
        return made.model_copy(update={"admin": str(login)})


def target_region(region: str, point: RecoveryPoint) -> str:
    """Where a point is restored: at home, or in the paired region for Azure's copy there."""
    return str(point.facts.get("region", region)) if point.id == GEO else region
