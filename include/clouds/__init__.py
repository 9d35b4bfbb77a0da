"""The dispatch table of clouds. A new cloud is one folder and one line here.

Each room below is a package that gives:

``Datastore``        its `include.catalog.model.Datastore` with ``cloud: Literal["…"]`` (module ``settings``; no SDK import)
``SETTINGS``         the model of ``clouds.NAME.settings`` in platform.yaml (module ``settings``)
``CONNECTION_TYPE``  the Airflow connection type whose hook gives its clients
``backup_source``    ``(clients, settings) -> include.recovery.contracts.BackupSource``
``database_restore`` ``(clients, settings) -> include.recovery.contracts.DatabaseRestore``
``elsewhere``        ``(datastore, region, domain) -> Datastore``: as it stands when its own failure domain is lost
``places``           ``(datastore, domain) -> folders by failure domain``: empty where a cloud keeps the backups

The rooms are imported when they are asked for, so that the SDK of a cloud that a platform does not use is never loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from include.recovery.contracts import CloudRoom

CLOUDS: dict[str, str] = {
    "aws": "include.clouds.aws",
    "azure": "include.clouds.azure",
    "google": "include.clouds.google",
    "selfhosted": "include.clouds.selfhosted",
}


def room(cloud: str) -> CloudRoom:
    """The room of one cloud. Raises KeyError naming the known ones."""
    if cloud not in CLOUDS:
        raise KeyError(f"no cloud named {cloud!r}; known: {', '.join(sorted(CLOUDS))}")
    return cast("CloudRoom", import_module(CLOUDS[cloud]))


def datastore_models() -> tuple[Any, ...]:
    """The datastore model of every cloud, for the catalog's union. Imports settings only, never an SDK."""
    return tuple(import_module(f"{path}.settings").Datastore for path in CLOUDS.values())
