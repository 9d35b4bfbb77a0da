"""Azure in the lab: Flexible Servers of the example platform, and faults to plant."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from include.clouds.azure.clients import from_connection
from include.lab.azure import estate, sleepers
from include.lab.clouds import HALTED, CloudFault
from include.lab.managed_part import ManagedPart, backed_up_again, stray


class AzurePart(ManagedPart):
    """The lab's Azure."""

    name = "azure"
    estate: ClassVar[ModuleType] = estate
    sleepers: ClassVar[ModuleType] = sleepers
    connection = "azure_recovery"
    holder = estate.PRODUCTION

    def client(self) -> Any:
        return from_connection(self.info(), estate.SUBSCRIPTION)

    def settings(self) -> dict[str, str]:
        return {"DRILLYARD_AZURE_PORT": str(self.double().port())}


def _backups(service: str, **changes: Any) -> Any:
    return lambda part, *_: estate.change(part.client(), service, changes)


def _age(part: AzurePart) -> None:
    part.double().ask("backdate", server="pallet-pool", seconds=estate.NINE_DAYS_S)


def _geo(part: AzurePart, *, on: bool) -> None:
    part.double().ask("geo", server="damage-claims", on=on)


def _damage(part: AzurePart) -> None:
    part.double().ask("damage", server="cold-chain")


AzurePart.faults = (
    CloudFault(
        name="azure-stale-backup",
        service="pallet-pool",
        datastore="pallets",
        must=("recovery-point-age",),
        may=("copy-age", "restorable-time-age"),
        says="its newest backup is nine days old",
        plant=_age,
        mend=backed_up_again("pallet-pool"),
    ),
    CloudFault(
        name="azure-no-copy",
        service="damage-claims",
        datastore="claims",
        must=("copy-exists", "geo-redundancy"),
        may=("copy-age",),
        says="its backups are kept in one region",
        plant=lambda part: _geo(part, on=False),
        mend=lambda part, _: _geo(part, on=True),
    ),
    CloudFault(
        name="azure-short-retention",
        service="driver-rosters",
        datastore="rosters",
        must=("store-retention",),
        says="its backups are kept for a day instead of two weeks",
        plant=_backups("driver-rosters", backupRetentionDays=1),
        mend=_backups("driver-rosters", backupRetentionDays=14),
    ),
    CloudFault(
        name="azure-broken-backup",
        service="cold-chain",
        datastore="probes",
        must=("restore-ready",),
        may=HALTED,
        says="its newest backup cannot be restored, and nothing says so",
        plant=_damage,
        mend=backed_up_again("cold-chain"),
    ),
    stray(AzurePart),
)
PART = AzurePart
