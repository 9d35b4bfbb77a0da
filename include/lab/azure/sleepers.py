"""What the lab's Azure has for the example platform's environment `test`: it sleeps out of hours."""

from __future__ import annotations

from typing import Any

from include.clouds.azure.clients import Azure
from include.lab.azure import estate

SUBSCRIPTION = "5d1c7f4e-0000-4000-8000-0000000000bb"
GROUP, REGION = "harbour-test", "westeurope"
CONNECTION = "azure_test"
TAGS = {"environment": "test"}
MACHINES: dict[str, dict[str, str]] = {
    "test-erp": {},
    "test-build": {"maid_offhours": "off=(M-F,21);on=(M-F,6);tz=Europe/Berlin"},
}
"""By name: tags of its own beside `TAGS`. One was under Cloud Custodian before, and keeps its tag."""


def machine(azure: Azure, group: str, region: str, name: str, size: str, tags: dict[str, str]) -> str:
    """A running virtual machine, as its owner makes it; gives its id."""
    body = {"location": region, "tags": tags, "properties": {"hardwareProfile": {"vmSize": size}}}
    made = azure.compute.virtual_machines.begin_create_or_update(group, name, body, polling=False)
    return str(made.result().id)


def connection(url: str) -> dict[str, Any]:
    """The Airflow connection of `CONNECTION`."""
    return estate.connection(url)


def build(url: str, azure: Azure) -> None:
    """All of it, through a client of any subscription."""
    del url
    there = azure.of(SUBSCRIPTION)
    for name, own in MACHINES.items():
        machine(there, GROUP, REGION, name, "Standard_D4s_v5", {**TAGS, **own})
