"""The lab's Cloud SQL instances: built through Google's API as their owners would, and the faults planted in them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from include.clouds.google.clients import Google
from include.lab.doubles import Running
from include.lab.managed_estate import Service, statements

PROJECT, SANDBOXES = "harbour-production", "harbour-recovery"
REGION = "europe-west1"
NETWORK = f"projects/{SANDBOXES}/global/networks/sandboxes"
SERVICES: tuple[Service, ...] = (
    Service(name="freight-quotes", database="quotes", business="pricing"),
    Service(name="route-planning", database="routes", business="shipping"),
    Service(name="dock-booking", database="docks", business="heartbeat",
            fault="recovery-point-age", what="its newest backup run is nine days old"),
    Service(name="tariff-lookup", database="tariffs", business="heartbeat",
            fault="log-retention", what="point-in-time recovery is off"),
    Service(name="yard-sensors", database="sensors", business="heartbeat",
            fault="deletion-protection", what="one call would delete it with its backups"),
    Service(name="load-boards", database="loads", business="heartbeat",
            fault="restore-ready", what="its backup run cannot be restored"),
)  # fmt: skip
NINE_DAYS_S = 9 * 86400


def settings(port: int) -> dict[str, Any]:
    """platform.yaml's ``clouds.google.settings`` for this lab."""
    return {"connection": "google_lab", "project": SANDBOXES, "network": NETWORK, "port": port, "patience": "2m"}


def connection(url: str) -> dict[str, Any]:
    """The Airflow connection ``google_lab``."""
    return {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": PROJECT, "endpoint": url}}


def datastore(service: Service) -> dict[str, Any]:
    """The datastore entry of a service, without its questions."""
    place = {"cloud": "google", "region": REGION, "project": PROJECT, "instance": service.name, "database": service.database}
    return {"name": service.database, **place}


def build(lab: Running, google: Google, born: datetime) -> None:
    """Make every instance with its data and a backup run, then plant the faults."""
    for service in SERVICES:
        create(google, service)
        lab.ask("sql", server=f"{PROJECT}-{service.name}", database=service.database, statements=statements(service, born))
        lab.ask("backup", project=PROJECT, instance=service.name)
        if service.fault == "recovery-point-age":
            lab.ask("backdate", project=PROJECT, instance=service.name, seconds=NINE_DAYS_S)
        if service.fault == "restore-ready":
            lab.ask("damage", project=PROJECT, instance=service.name)


def create(google: Google, service: Service) -> None:
    """An instance and its database, as its owner makes them."""
    rolling = service.fault != "log-retention"
    body = {
        "name": service.name,
        "region": REGION,
        "databaseVersion": "POSTGRES_18",
        "settings": {
            "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": f"projects/{PROJECT}/global/networks/production"},
            "deletionProtectionEnabled": service.fault != "deletion-protection",
            "userLabels": {"environment": "production"},
            "backupConfiguration": {
                "enabled": True,
                "location": "eu",
                "pointInTimeRecoveryEnabled": rolling,
                "transactionLogRetentionDays": 14,
            },
        },
    }
    finish(google, google.call(google.sql.instances().insert(project=PROJECT, body=body)))
    databases = google.sql.databases()
    finish(google, google.call(databases.insert(project=PROJECT, instance=service.name, body={"name": service.database})))


def finish(google: Google, operation: dict[str, Any]) -> None:
    """Wait for an operation of production's. Raises RuntimeError with its error."""
    while operation["status"] != "DONE":
        time.sleep(0.05)
        operation = google.call(google.sql.operations().get(project=PROJECT, operation=operation["name"]))
    if "error" in operation:
        raise RuntimeError(f"{operation['operationType']} of {operation['targetId']}: {operation['error']}")
