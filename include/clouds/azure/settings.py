"""What a database on Flexible Server says of itself in the catalog, and where its sandboxes are made. No SDK."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from include.catalog.entry import Entry
from include.clouds.managed_settings import ManagedDatastore, ManagedSandboxes


class Datastore(ManagedDatastore):
    """A database on Azure Database for PostgreSQL, Flexible Server. `region` is the location's short name (``westeurope``)."""

    cloud: Literal["azure"]
    resource_group: str
    server: str
    geo_redundant: bool = False
    """Its backups must be copied to the paired region."""


class Network(Entry):
    """Where sandboxes of one region are: a network with no peering to production."""

    subnet: str = Field(pattern=r"(?i)^/subscriptions/.+/virtualNetworks/.+/subnets/[^/]+$")
    """A subnet delegated to Microsoft.DBforPostgreSQL/flexibleServers."""
    dns_zone: str = Field(pattern=r"(?i)^/subscriptions/.+/privateDnsZones/[^/]+$")


class Sandboxes(ManagedSandboxes):
    """platform.yaml, clouds.azure.settings: how Azure is reached and where restored servers are made."""

    connection: str = "azure_default"
    subscription: str
    """Of the catalogued servers and of the sandboxes: Azure restores within one subscription."""
    resource_group: str
    """The resource group of the sandboxes. No catalogued server may be in it."""
    networks: dict[str, Network] = Field(min_length=1)
    """By region; a geo-restore needs one in the paired region."""
    paired_regions: dict[str, str] = Field(default_factory=dict)
    """By region: where Azure keeps its geo-redundant copy. The API does not tell."""


SETTINGS = Sandboxes
