"""The lab's Flexible Servers: built through Azure's API as their owners would, and the faults planted in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from include.clouds.azure.clients import Azure
from include.lab.doubles import Running
from include.lab.managed_estate import Service, statements

SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-0000000000aa"
PRODUCTION, SANDBOXES = "harbour-production", "harbour-recovery"
REGION, PAIR = "westeurope", "northeurope"
SERVICES: tuple[Service, ...] = (
    Service(name="customs-filing", database="filings", business="invoicing"),
    Service(name="fleet-telematics", database="telematics", business="warehouse-events"),
    Service(name="pallet-pool", database="pallets", business="heartbeat",
            fault="recovery-point-age", what="its newest backup is nine days old"),
    Service(name="damage-claims", database="claims", business="heartbeat",
            fault="copy-exists", what="its backups are kept in one region"),
    Service(name="driver-rosters", database="rosters", business="heartbeat",
            fault="store-retention", what="its backups are kept for a day instead of a week"),
    Service(name="cold-chain", database="probes", business="heartbeat",
            fault="restore-ready", what="its backup cannot be restored"),
)  # fmt: skip
NINE_DAYS_S = 9 * 86400


def network(group: str, region: str) -> dict[str, str]:
    """A delegated subnet and a private DNS zone of one resource group."""
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network"
    return {
        "subnet": f"{base}/virtualNetworks/{group}-{region}/subnets/databases",
        "dns_zone": f"{base}/privateDnsZones/{group}.private.postgres.database.azure.com",
    }


def settings(port: int) -> dict[str, Any]:
    """platform.yaml's ``clouds.azure.settings`` for this lab."""
    return {
        "connection": "azure_lab",
        "subscription": SUBSCRIPTION,
        "resource_group": SANDBOXES,
        "networks": {region: network(SANDBOXES, region) for region in (REGION, PAIR)},
        "paired_regions": {REGION: PAIR},
        "port": port,
        "patience": "2m",
    }


def connection(url: str) -> dict[str, Any]:
    """The Airflow connection ``azure_lab``."""
    return {"conn_type": "azure", "extra": {"endpoint": url}}


def datastore(service: Service) -> dict[str, Any]:
    """The datastore entry of a service, without its questions."""
    place = {"cloud": "azure", "region": REGION, "resource_group": PRODUCTION, "server": service.name}
    return {"name": service.database, **place, "database": service.database}


def build(lab: Running, azure: Azure, born: datetime) -> None:
    """Make every server with its data and a backup, then plant the faults."""
    for service in SERVICES:
        create(azure, service)
        lab.ask("sql", server=service.name, database=service.database, statements=statements(service, born))
        lab.ask("backup", server=service.name)
        if service.fault == "recovery-point-age":
            lab.ask("backdate", server=service.name, seconds=NINE_DAYS_S)
        if service.fault == "restore-ready":
            lab.ask("damage", server=service.name)


def create(azure: Azure, service: Service) -> None:
    """A server and its database, as its owner makes them."""
    place = network(PRODUCTION, REGION)
    properties = {
        "administratorLogin": "platform",
        "administratorLoginPassword": "the-labs-administrator-password",
        "version": "18",
        "backup": {
            "backupRetentionDays": 1 if service.fault == "store-retention" else 14,
            "geoRedundantBackup": "Disabled" if service.fault == "copy-exists" else "Enabled",
        },
        "network": {"delegatedSubnetResourceId": place["subnet"], "privateDnsZoneArmResourceId": place["dns_zone"]},
    }
    body = {"location": REGION, "tags": {"environment": "production"}, "properties": properties}
    azure.postgres.servers.begin_create_or_update(PRODUCTION, service.name, body).result()
    azure.postgres.databases.begin_create(PRODUCTION, service.name, service.database, {}).result()
