"""The lab's Flexible Servers: built through Azure's API as their owners would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from include.clouds.azure.clients import Azure
from include.lab import business
from include.lab.doubles import Running
from include.lab.managed_estate import Service, statements

SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-0000000000aa"
PRODUCTION, SANDBOXES = "harbour-production", "harbour-recovery"
REGION, PAIR = "westeurope", "northeurope"
SERVICES: tuple[Service, ...] = (
    Service(name="customs-filing", database="filings", business="invoicing"),
    Service(name="fleet-telematics", database="telematics", business="warehouse-events"),
    Service(name="pallet-pool", database="pallets", business="events"),
    Service(name="damage-claims", database="claims", business="events"),
    Service(name="driver-rosters", database="rosters", business="events"),
    Service(name="cold-chain", database="probes", business="events"),
)
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
        "connection": "azure_recovery",
        "subscription": SUBSCRIPTION,
        "resource_group": SANDBOXES,
        "networks": {region: network(SANDBOXES, region) for region in (REGION, PAIR)},
        "paired_regions": {REGION: PAIR},
        "port": port,
        "patience": "2m",
    }


def connection(url: str) -> dict[str, Any]:
    """An Airflow connection to the lab; who uses it names the subscription."""
    return {"conn_type": "azure", "extra": {"endpoint": url}}


def datastore(service: Service) -> dict[str, Any]:
    """The datastore entry of a service, without its questions."""
    place = {"cloud": "azure", "region": REGION, "resource_group": PRODUCTION, "server": service.name}
    return {"name": service.database, **place, "database": service.database}


def build(lab: Running, azure: Azure, born: datetime) -> None:
    """Make every server with its data, its application and a backup."""
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(make, lab, azure, service, born) for service in SERVICES]:
            done.result()


def make(lab: Running, azure: Azure, service: Service, born: datetime) -> None:
    """One server with all of that."""
    create(azure, service)
    lab.ask("sql", server=service.name, database=service.database, statements=statements(service, born))
    lab.ask("beat", server=service.name, database=service.database, sql=business.sections(service.business)["beat"])
    back_up(lab, service.name)


def back_up(lab: Running, name: str) -> None:
    """Today's automatic backup."""
    lab.ask("backup", server=name)


def change(azure: Azure, name: str, backup: dict[str, Any]) -> None:
    """Change how a server's backups are kept, as its owner does."""
    azure.postgres.servers.begin_update(PRODUCTION, name, {"properties": {"backup": backup}}).result()


def drop(azure: Azure, name: str) -> None:
    """Delete a server. Its name stays reserved."""
    azure.postgres.servers.begin_delete(PRODUCTION, name).result()


def create(azure: Azure, service: Service) -> None:
    """A server and its database, as its owner makes them."""
    place = network(PRODUCTION, REGION)
    properties = {
        "administratorLogin": "platform",
        "administratorLoginPassword": "the-labs-administrator-password",
        "version": "18",
        "backup": {
            "backupRetentionDays": 14,
            "geoRedundantBackup": "Enabled",
        },
        "network": {"delegatedSubnetResourceId": place["subnet"], "privateDnsZoneArmResourceId": place["dns_zone"]},
    }
    body = {"location": REGION, "tags": {"environment": "production"}, "properties": properties}
    azure.postgres.servers.begin_create_or_update(PRODUCTION, service.name, body).result()
    azure.postgres.databases.begin_create(PRODUCTION, service.name, service.database, {}).result()
