"""The lab's Cloud SQL instances: built through Google's API as their owners would."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from include.clouds.google.clients import Google
from include.lab import business
from include.lab.doubles import Running
from include.lab.managed_estate import Service, statements

PROJECT, SANDBOXES = "harbour-production", "harbour-recovery"
REGION = "europe-west1"
NETWORK = f"projects/{SANDBOXES}/global/networks/sandboxes"
SERVICES: tuple[Service, ...] = (
    Service(name="freight-quotes", database="quotes", business="pricing"),
    Service(name="route-planning", database="routes", business="shipping"),
    Service(name="dock-booking", database="docks", business="events"),
    Service(name="tariff-lookup", database="tariffs", business="events"),
    Service(name="yard-sensors", database="sensors", business="events"),
    Service(name="load-boards", database="loads", business="events"),
)
NINE_DAYS_S = 9 * 86400
EVIDENCE = "example-distribution-evidence"
"""The bucket of the example platform's records."""


def settings(port: int) -> dict[str, Any]:
    """platform.yaml's ``clouds.google.settings`` for this lab."""
    return {"connection": "google_recovery", "project": SANDBOXES, "network": NETWORK, "port": port, "patience": "2m"}


def connection(url: str, project: str = PROJECT) -> dict[str, Any]:
    """An Airflow connection to the lab: ``google_recovery``, or that of another project."""
    return {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": project, "endpoint": url}}


def datastore(service: Service) -> dict[str, Any]:
    """The datastore entry of a service, without its questions."""
    place = {"cloud": "google", "region": REGION, "project": PROJECT, "instance": service.name, "database": service.database}
    return {"name": service.database, **place}


def build(lab: Running, google: Google, born: datetime) -> None:
    """Make every instance with its data, its application and a backup run."""
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(make, lab, google, service, born) for service in SERVICES]:
            done.result()


def make(lab: Running, google: Google, service: Service, born: datetime) -> None:
    """One instance with all of that."""
    create(google, service)
    server = f"{PROJECT}-{service.name}"
    lab.ask("sql", server=server, database=service.database, statements=statements(service, born))
    lab.ask("beat", server=server, database=service.database, sql=business.sections(service.business)["beat"])
    back_up(lab, service.name)


def back_up(lab: Running, name: str) -> None:
    """Today's backup run."""
    lab.ask("backup", project=PROJECT, instance=name)


def change(google: Google, name: str, settings: dict[str, Any]) -> None:
    """Change an instance's settings, as its owner does."""
    finish(google, google.call(google.sql.instances().patch(project=PROJECT, instance=name, body={"settings": settings})))


def drop(google: Google, name: str) -> None:
    """Delete an instance. Its name stays reserved."""
    change(google, name, {"deletionProtectionEnabled": False})
    finish(google, google.call(google.sql.instances().delete(project=PROJECT, instance=name)))


def create(google: Google, service: Service) -> None:
    """An instance and its database, as its owner makes them."""
    body = {
        "name": service.name,
        "region": REGION,
        "databaseVersion": "POSTGRES_18",
        "settings": {
            "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": f"projects/{PROJECT}/global/networks/production"},
            "deletionProtectionEnabled": True,
            "userLabels": {"environment": "production"},
            "backupConfiguration": {
                "enabled": True,
                "location": "eu",
                "pointInTimeRecoveryEnabled": True,
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
