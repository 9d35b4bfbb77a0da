"""What the lab's Google Cloud has for the example platform's environment `test`: it sleeps out of hours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.clouds.google.clients import Google
from include.lab.double import knock
from include.lab.google import estate
from include.values import utcnow

PROJECT, REGION, ZONE = "harbour-test", "europe-west1", "europe-west1-b"
CONNECTION = "google_test"
LABELS = {"environment": "test"}
MACHINES = ("test-etl", "test-notebook")
AGE = timedelta(days=30)
"""Since when they run: what was started a moment ago would count as started by hand."""


def machine(google: Google, project: str, zone: str, name: str, kind: str, labels: dict[str, str]) -> str:
    """A running Compute Engine instance, as its owner makes it; gives its id."""
    body: dict[str, Any] = {"name": name, "labels": labels, "machineType": f"zones/{zone}/machineTypes/{kind}"}
    google.call(google.api("compute").instances().insert(project=project, zone=zone, body=body))
    return f"zones/{zone}/{name}"


def connection(url: str) -> dict[str, Any]:
    """The Airflow connection of `CONNECTION`."""
    return estate.connection(url, PROJECT)


def build(url: str, google: Google) -> None:
    """All of it, running since `AGE`."""
    for name in MACHINES:
        machine(google, PROJECT, ZONE, name, "e2-standard-4", LABELS)
    knock(url, "started", {"project": PROJECT, "at": (utcnow() - AGE).isoformat()})
