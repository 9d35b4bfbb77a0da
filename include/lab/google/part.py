"""Google Cloud in the lab: Cloud SQL instances of the example platform, a bucket for evidence, and faults to plant."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, ClassVar

from include.clouds.google.clients import from_connection
from include.lab import processes
from include.lab.clouds import HALTED, CloudFault
from include.lab.google import estate, sleepers
from include.lab.google.storage import VARIABLES, CloudStorage
from include.lab.managed_part import ManagedPart, backed_up_again, stray
from include.lab.processes import Process
from include.lab.state import write_private


class GooglePart(ManagedPart):
    """The lab's Google Cloud. Its objects outlive a restart, its instances do not."""

    name = "google"
    estate: ClassVar[ModuleType] = estate
    sleepers: ClassVar[ModuleType] = sleepers
    connection = "google_recovery"
    holder = estate.PROJECT

    def client(self) -> Any:
        return from_connection(self.info())

    def settings(self) -> dict[str, str]:
        evidence = {"conn_type": "google_cloud_platform", "extra": {"storage_options": self.storage().options()}}
        return {
            "DRILLYARD_GOOGLE_PORT": str(self.double().port()),
            "AIRFLOW_CONN_EVIDENCE_GOOGLE": json.dumps(evidence),
            **VARIABLES,
        }

    def storage(self) -> CloudStorage:
        """The object store where it was started last. Raises FileNotFoundError when it never was."""
        told = json.loads((self.home / "storage.json").read_text())
        found = CloudStorage(self.home / "storage", told["port"])
        found.process = Process.model_validate(told["process"])
        return found

    def up(self) -> bool:
        if not self.storage_runs():
            store = CloudStorage(self.home / "storage").start()
            assert store.process is not None
            told = {"port": store.port, "process": store.process.model_dump(mode="json")}
            write_private(self.home / "storage.json", json.dumps(told))
            store.bucket(estate.EVIDENCE)
        return super().up()

    def storage_runs(self) -> bool:
        """Whether the object store runs."""
        if not (self.home / "storage.json").exists():
            return False
        process = self.storage().process
        return process is not None and processes.alive(process)

    def end(self) -> None:
        super().end()
        if self.storage_runs():
            self.storage().stop()


def _settings(service: str, **changes: Any) -> Any:
    return lambda part, *_: estate.change(part.client(), service, changes)


def _age(part: GooglePart) -> None:
    part.double().ask("backdate", project=estate.PROJECT, instance="dock-booking", seconds=estate.NINE_DAYS_S)


def _damage(part: GooglePart) -> None:
    part.double().ask("damage", project=estate.PROJECT, instance="load-boards")


GooglePart.faults = (
    CloudFault(
        name="google-stale-backup",
        service="dock-booking",
        datastore="docks",
        must=("recovery-point-age",),
        may=("copy-age", "restorable-time-age"),
        says="its newest backup run is nine days old",
        plant=_age,
        mend=backed_up_again("dock-booking"),
    ),
    CloudFault(
        name="google-no-log",
        service="tariff-lookup",
        datastore="tariffs",
        must=("log-retention",),
        may=("restorable-time-age", "rpo"),
        says="point-in-time recovery is off",
        plant=_settings("tariff-lookup", backupConfiguration={"pointInTimeRecoveryEnabled": False}),
        mend=_settings("tariff-lookup", backupConfiguration={"pointInTimeRecoveryEnabled": True}),
    ),
    CloudFault(
        name="google-unprotected",
        service="yard-sensors",
        datastore="sensors",
        must=("deletion-protection",),
        says="one call would delete it with its backups",
        plant=_settings("yard-sensors", deletionProtectionEnabled=False),
        mend=_settings("yard-sensors", deletionProtectionEnabled=True),
    ),
    CloudFault(
        name="google-broken-backup",
        service="load-boards",
        datastore="loads",
        must=("restore-ready",),
        may=HALTED,
        says="its newest backup run cannot be restored, and nothing says so",
        plant=_damage,
        mend=backed_up_again("load-boards"),
    ),
    stray(GooglePart),
)
PART = GooglePart
