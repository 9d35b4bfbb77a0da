"""The managed clouds of the lab: each a control plane in a process of its own, with real servers behind it.

A control plane forgets everything when it ends, so a cloud that does not run is made again from nothing by `up`: its services,
their data, their backups, and the faults that are planted there.
"""

from __future__ import annotations

import json
import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from include.lab import processes
from include.lab.processes import Process
from include.lab.state import write_private
from include.values import Frozen

PARTS = {"aws": "include.lab.aws.part", "azure": "include.lab.azure.part", "google": "include.lab.google.part"}
"""By cloud: the module whose `PART` is its `LabCloud`. Imported when asked for: a lab without a cloud loads none of its SDKs."""
ALL = tuple(PARTS)

UNCATALOGUED = "uncatalogued-database"
HALTED = ("rpo", "rto", "database-amcheck", "expectations")
"""Checks that a drill never comes to when nothing could be restored."""
_SANDBOX = re.compile(r"(?:^|-)dy-")

Trouble = Literal["down", "throttle", "lost"]
Tell = Callable[[str], None]
Given = TypeVar("Given")


class CloudFault(Frozen):
    """Something that can be set up wrongly, or go wrong, on one cloud of the lab."""

    name: str
    """Begins with the cloud's name and a dash."""
    service: str
    """Whose. For a database that nobody catalogued: what the survey calls it."""
    datastore: str = ""
    must: tuple[str, ...]
    """Checks that must find it."""
    may: tuple[str, ...] = ()
    """Checks of the same service that may fail as a consequence."""
    says: str
    plant: Callable[[Any], dict[str, Any] | None]
    """Takes the running `LabCloud`; gives what `mend` needs."""
    mend: Callable[[Any, Mapping[str, Any]], None]


class LabCloud(ABC):
    """One cloud in one lab. `home` is its own folder in the lab's."""

    name: ClassVar[str]
    faults: ClassVar[tuple[CloudFault, ...]]

    def __init__(self, lab_home: Path) -> None:
        self.home = lab_home / "clouds" / self.name

    @abstractmethod
    def process(self) -> Process | None:
        """The control plane's process; None when it does not run."""

    @abstractmethod
    def launch(self) -> None:
        """Start the control plane, empty. Raises RuntimeError with the end of its log."""

    @abstractmethod
    def build(self) -> dict[str, Any]:
        """Make what its owners would: services with data and backups. Gives what has to be known later, as JSON types."""

    @abstractmethod
    def url(self) -> str:
        """Where the control plane answers. Raises RuntimeError when it does not run."""

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """Environment variables that lead everything to this cloud: connections, endpoints, settings."""

    @abstractmethod
    def servers(self) -> list[str]:
        """The PostgreSQL servers behind it, sandboxes included, asked of the lab itself and not of the cloud's API."""

    @abstractmethod
    def stop(self) -> None:
        """End the control plane and its servers. Nothing happens when none runs."""

    @abstractmethod
    def trouble(self, kind: Trouble) -> None:
        """From now on every call goes wrong: cut off (``down``), refused (``throttle``), or done and not answered (``lost``)."""

    @abstractmethod
    def lose_home(self, *, lost: bool = True) -> None:
        """The region of its services burns: nothing answers there, neither API nor database. Or it is back."""

    @abstractmethod
    def calm(self) -> None:
        """Everything answers again."""

    def end(self) -> None:
        """End everything of it."""
        self.stop()

    def facts(self) -> dict[str, Any]:
        """What `build` gave. Raises FileNotFoundError when it never ended."""
        found: dict[str, Any] = json.loads((self.home / "estate.json").read_text())
        return found

    def up(self) -> bool:
        """Start and build it, unless it runs and was built to its end. Gives whether it was built now."""
        if self.process() is not None and (self.home / "estate.json").exists():
            return False
        self.stop()
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "estate.json").unlink(missing_ok=True)
        self.launch()
        write_private(self.home / "estate.json", json.dumps(self.build()))
        return True

    def end_servers(self) -> None:
        """End the servers that a control plane left behind when it was killed."""
        for data in self.home.glob("instances/*/data"):
            left = processes.postmaster(data)
            if left is not None:
                processes.end(left, by=signal.SIGQUIT)

    def sandboxes(self) -> list[str]:
        """Servers that drills made and that are still there."""
        return [name for name in self.servers() if _SANDBOX.search(name)]


def part(cloud: str, lab_home: Path) -> LabCloud:
    """One cloud of the lab in this home. Raises KeyError naming the known ones."""
    if cloud not in PARTS:
        raise KeyError(f"the lab has no cloud named {cloud!r}; known: {', '.join(PARTS)}")
    return cast("LabCloud", import_module(PARTS[cloud]).PART(lab_home))


def faults(clouds: Iterable[str]) -> dict[str, CloudFault]:
    """The faults of some clouds by name."""
    return {fault.name: fault for cloud in clouds for fault in part(cloud, Path()).faults}


def cloud_of(fault: CloudFault) -> str:
    """Where a fault belongs, by its name."""
    return fault.name.partition("-")[0]


def up(lab_home: Path, clouds: Iterable[str], tell: Tell) -> list[str]:
    """Bring clouds up, side by side; gives those that were made anew."""

    def one(cloud: str) -> str | None:
        here = part(cloud, lab_home)
        built = here.up()
        tell(f"  {cloud} double at {here.url()}: {len(here.servers())} servers")
        return cloud if built else None

    return [cloud for cloud in at_once(one, clouds) if cloud is not None]


def down(lab_home: Path, clouds: Iterable[str]) -> None:
    """Stop clouds. Nothing happens with those that do not run."""
    at_once(lambda cloud: part(cloud, lab_home).end(), clouds)


def at_once(work: Callable[[str], Given], clouds: Iterable[str]) -> list[Given]:
    """The work for each cloud, side by side. The first error is raised after all have ended."""
    names = tuple(clouds)
    with ThreadPoolExecutor(max(len(names), 1)) as pool:
        return [done.result() for done in [pool.submit(work, name) for name in names]]


def status(lab_home: Path, clouds: Iterable[str]) -> list[dict[str, Any]]:
    """``name``, ``url`` and ``pid`` of each; None for both when it does not run."""
    found = []
    for cloud in clouds:
        here = part(cloud, lab_home)
        process = here.process()
        found.append({"name": cloud, "url": here.url() if process else None, "pid": process.pid if process else None})
    return found


def variables(lab_home: Path, clouds: Iterable[str]) -> dict[str, str]:
    """Environment variables of all of them. Raises RuntimeError when one does not run."""
    return {name: value for cloud in clouds for name, value in part(cloud, lab_home).variables().items()}
