"""What Google Cloud and Azure are in the lab: one way to start, ask and end their doubles, and faults that both can have."""

from __future__ import annotations

import contextlib
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, ClassVar

from include.connections import ConnectionInfo
from include.lab import doubles
from include.lab.clouds import UNCATALOGUED, CloudFault, LabCloud, Trouble
from include.lab.doubles import Running
from include.lab.managed_estate import Service
from include.lab.processes import Process
from include.values import utcnow

ALL_CALLS = 10**9
STRAY = Service(name="old-ledgers", database="ledgers", business="heartbeat")
"""The database that nobody catalogued. A cloud reserves a deleted server's name, so each time it gets another ending."""


class ManagedPart(LabCloud):
    """One of the two."""

    estate: ClassVar[ModuleType]
    sleepers: ClassVar[ModuleType]
    """What is there for the environment that sleeps: `build`, `CONNECTION` and `connection`."""
    connection: ClassVar[str]
    """The Airflow connection of the example platform."""
    holder: ClassVar[str]
    """What the survey puts before an uncatalogued database's name: its project or its resource group."""

    @abstractmethod
    def client(self) -> Any:
        """The cloud's own client, for what owners do."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Variables of the example's platform.yaml that this lab gives."""

    def double(self) -> Running:
        """The running double. Raises RuntimeError when there is none."""
        found = doubles.attach(self.home)
        if found is None:
            raise RuntimeError(f"the lab's {self.name} does not run in {self.home}: `drillyard lab up` starts it")
        return found

    def info(self) -> ConnectionInfo:
        """How its API is reached."""
        return ConnectionInfo(conn_id=self.connection, **self.estate.connection(self.url()))

    def process(self) -> Process | None:
        found = doubles.attach(self.home)
        return found.process if found else None

    def launch(self) -> None:
        doubles.launch(self.name, self.home)

    def build(self) -> dict[str, Any]:
        self.estate.build(self.double(), self.client(), utcnow())
        self.sleepers.build(self.url(), self.client())
        return {}

    def url(self) -> str:
        return self.double().url

    def variables(self) -> dict[str, str]:
        opened = {
            self.connection: self.estate.connection(self.url()),
            self.sleepers.CONNECTION: self.sleepers.connection(self.url()),
        }
        return {**{f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in opened.items()}, **self.settings()}

    def servers(self) -> list[str]:
        told: Mapping[str, list[str]] = self.double().ask("servers")
        return told["servers"]

    def trouble(self, kind: Trouble) -> None:
        if kind == "down":
            self.double().ask("outage", on=True)
        else:
            self.double().ask("fault", kind=kind, times=ALL_CALLS)

    def lose_home(self, *, lost: bool = True) -> None:
        self.double().ask("lose", region=self.estate.REGION, on=lost)

    def calm(self) -> None:
        self.double().ask("outage", on=False)
        self.double().ask("fault")

    def stop(self) -> None:
        found = doubles.attach(self.home)
        if found is not None:
            found.stop()
        self.end_servers()
        with contextlib.suppress(FileNotFoundError):
            (self.home / "double.json").unlink()


def stray(cloud: type[ManagedPart]) -> CloudFault:
    """A database that no catalog entry names."""
    called = f"{STRAY.name}-{cloud.name}"

    def plant(part: ManagedPart) -> dict[str, Any]:
        name = f"{called}-{int(utcnow().timestamp())}"
        part.estate.create(part.client(), STRAY.model_copy(update={"name": name}))
        return {"name": name, "subject": f"{part.holder}/{name}"}

    return CloudFault(
        name=f"{cloud.name}-uncatalogued",
        service=f"{cloud.holder}/{called}",
        must=(UNCATALOGUED,),
        says="a server that no catalog entry names",
        plant=plant,
        mend=lambda part, undo: part.estate.drop(part.client(), undo["name"]),
    )


def backed_up_again(service: str) -> Callable[[Any, Mapping[str, Any]], None]:
    """Mends with a backup of today."""
    return lambda part, _: part.estate.back_up(part.double(), service)
