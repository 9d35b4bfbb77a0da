"""AWS in the lab: the account with the example platform's RDS instances, and the faults that can be planted there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from include.lab.aws import control, estate, sleepers
from include.lab.aws.control import AwsLab
from include.lab.aws.estate import COPY_REGION, HOME_REGION, Instance, Network
from include.lab.clouds import HALTED, UNCATALOGUED, CloudFault, LabCloud, Trouble
from include.lab.processes import Process
from include.values import utcnow

UPLOAD_EVERY_S = 10.0
"""Each upload starts a process for each instance, so not oftener than needed beside nine other servers."""
STUCK = "incompatible-network"


class AwsPart(LabCloud):
    """The lab's AWS account."""

    name = "aws"

    def lab(self) -> AwsLab:
        """The running control plane. Raises RuntimeError when there is none."""
        found = control.attach(self.home)
        if found is None:
            raise RuntimeError(f"the lab's AWS does not run in {self.home}: `drillyard lab up` starts it")
        return found

    def process(self) -> Process | None:
        found = control.attach(self.home)
        return found.process if found else None

    def launch(self) -> None:
        control.launch(self.home, upload_every=UPLOAD_EVERY_S)

    def build(self) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as beside:
            asleep_at_night = beside.submit(sleepers.build, self.lab())
            networks = estate.build(self.lab())
            asleep_at_night.result()
        return {region: one.model_dump(mode="json") for region, one in networks.items()}

    def url(self) -> str:
        return self.lab().endpoint

    def variables(self) -> dict[str, str]:
        return {**estate.variables(self.lab(), self.networks()), **sleepers.variables(self.lab())}

    def networks(self) -> dict[str, Network]:
        """The sandbox networks by region."""
        return {region: Network.model_validate(one) for region, one in self.facts().items()}

    def servers(self) -> list[str]:
        return list(self.lab().servers())

    def trouble(self, kind: Trouble) -> None:
        if kind == "down":
            self.lab().down()
        else:
            self.lab().fault(kind=kind, count=None)

    def lose_home(self, *, lost: bool = True) -> None:
        self.lab().lose(region=HOME_REGION, lost=lost)

    def calm(self) -> None:
        self.lab().down(down=False)
        self.lab().clear_faults()

    def stop(self) -> None:
        found = control.attach(self.home)
        if found is not None:
            found.stop()
        self.end_servers()

    # ---- what the faults are made of -----------------------------------------------------------------------------

    def remake(self, name: str, **wrong: Any) -> None:
        """An instance deleted and made again, with something of it set up otherwise: encryption cannot be changed later."""
        estate.drop(self.lab(), name)
        estate.make(self.lab(), _instance(name).model_copy(update=wrong), self.networks())

    def back_up(self, name: str) -> None:
        """Today's backup of an instance and its copy."""
        estate.back_up(self.lab(), name, copy_with=self.networks()[COPY_REGION].key)

    def rds(self) -> Any:
        """RDS in the region of the instances."""
        return self.lab().client("rds", HOME_REGION)


def _instance(name: str) -> Instance:
    return next(one for one in estate.INSTANCES if one.name == name)


def _age(part: AwsPart) -> None:
    old = (utcnow() - timedelta(days=9)).isoformat()
    for snapshot in part.rds().describe_db_snapshots(DBInstanceIdentifier="loyalty")["DBSnapshots"]:
        part.lab().age_snapshot(region=HOME_REGION, snapshot=snapshot["DBSnapshotIdentifier"], created=old)


def _retain(part: AwsPart, days: int) -> None:
    part.rds().modify_db_instance(DBInstanceIdentifier="demand-planning", BackupRetentionPeriod=days, ApplyImmediately=True)
    estate.available(part.lab(), "demand-planning")


def _empty(part: AwsPart) -> None:
    with estate.opened(part.lab(), "gift-cards", "cards") as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE cart_items")
    part.back_up("gift-cards")


def _again(name: str) -> Any:
    """Mends by making the instance again."""

    def mend(part: AwsPart, undo: Mapping[str, Any]) -> None:
        del undo
        part.remake(name)

    return mend


AwsPart.faults = (
    CloudFault(
        name="aws-stale-snapshot",
        service="loyalty",
        datastore="points",
        must=("recovery-point-age",),
        may=("copy-age", "restorable-time-age"),
        says="its newest snapshot is nine days old",
        plant=_age,
        mend=lambda part, _: part.back_up("loyalty"),
    ),
    CloudFault(
        name="aws-no-copy",
        service="carrier-tracking",
        datastore="tracking",
        must=("copy-exists",),
        may=("copy-age",),
        says="no copy in the other region",
        plant=lambda part: estate.drop_copies(part.lab(), "carrier-tracking"),
        mend=lambda part, _: part.back_up("carrier-tracking"),
    ),
    CloudFault(
        name="aws-unencrypted",
        service="supplier-portal",
        datastore="suppliers",
        must=("store-encryption",),
        says="its storage is not encrypted",
        plant=lambda part: part.remake("supplier-portal", encrypted=False),
        mend=_again("supplier-portal"),
    ),
    CloudFault(
        name="aws-short-retention",
        service="demand-planning",
        datastore="demand",
        must=("store-retention",),
        says="its backups are kept for a day instead of a week",
        plant=lambda part: _retain(part, 1),
        mend=lambda part, _: _retain(part, 7),
    ),
    CloudFault(
        name="aws-never-available",
        service="price-feeds",
        datastore="feeds",
        must=("restore-ready",),
        may=HALTED,
        says="what is restored from it never becomes available",
        plant=lambda part: part.lab().stuck(pattern="dy-price-feeds-*", word=STUCK),
        mend=lambda part, _: part.lab().unstick(),
    ),
    CloudFault(
        name="aws-emptied-table",
        service="gift-cards",
        datastore="cards",
        must=("question:carts have items", "expectations"),
        may=("question:no cart is both ordered and empty", "rto"),
        says="a table was emptied, and then the backup was taken",
        plant=_empty,
        mend=_again("gift-cards"),
    ),
    CloudFault(
        name="aws-uncatalogued",
        service=f"{HOME_REGION}/{estate.UNCATALOGUED}",
        must=(UNCATALOGUED,),
        says=f"an instance {estate.UNCATALOGUED} that no catalog entry names",
        plant=lambda part: estate.stray(part.lab()),
        mend=lambda part, _: estate.drop(part.lab(), estate.UNCATALOGUED),
    ),
)
PART = AwsPart
