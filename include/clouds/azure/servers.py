"""The servers of the sandboxes' resource group: looked up and waited for; and what Azure's words about them mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.clouds.azure.clients import Azure, translated, word
from include.clouds.managed import NotThere, attempts, wait_for
from include.recovery.contracts import Transient
from include.recovery.model import Status

MARK = "drillyard-lease"
STATES = {
    "Provisioning": Status.RUNNING,
    "Starting": Status.RUNNING,
    "Updating": Status.RUNNING,
    "Restarting": Status.RUNNING,
    "Ready": Status.SUCCEEDED,
    "Stopping": Status.FAILED,
    "Stopped": Status.FAILED,
    "Disabled": Status.FAILED,
    "Dropping": Status.FAILED,
    "Inaccessible": Status.FAILED,
}
"""Of a server. A word that is not here raises KeyError."""


class Servers:
    """What is done to sandbox servers, whoever asks."""

    def __init__(self, azure: Azure, group: str) -> None:
        self._api, self._group = azure.postgres.servers, group

    def get(self, name: str) -> Any | None:
        try:
            with translated():
                return self._api.get(self._group, name)
        except NotThere:
            return None

    def live(self, name: str) -> Any | None:
        return next((found for one in attempts(name) if (found := self.get(one)) is not None), None)

    def ready(self, name: str) -> Any:
        server = self.live(name)
        state = STATES[word(server.properties.state)] if server else None
        if server is None or mark_of(server) is None or state not in (Status.SUCCEEDED, Status.RUNNING):
            raise PermissionError(f"{name} is no restored sandbox of ours: nothing was done")
        if state is Status.RUNNING:
            raise Transient(f"{name} is {word(server.properties.state)}: look again")
        return server

    def set_password(self, name: str, password: str, patience: timedelta) -> Any:
        """Give the administrator a password; the server, once it is ready again. Raises Transient after `patience`."""
        from azure.mgmt.postgresqlflexibleservers import models

        patch = models.ServerForPatch(properties=models.ServerPropertiesForPatch(administrator_login_password=password))
        with translated():
            self._api.begin_update(self._group, name, patch, polling=False)

        def idle() -> Any | None:
            server = self.get(name)
            if server is None:
                raise PermissionError(f"{name} vanished while it was being secured; look who deleted it")
            return server if server.properties.state == "Ready" else None

        return wait_for(idle, patience, f"the new password of {name}")

    def delete(self, name: str, patience: timedelta) -> None:
        """Ask for its end whenever nothing is under way, until it is gone. Raises Transient after `patience`."""

        def gone() -> bool | None:
            server = self.get(name)
            if server is None:
                return True
            state = word(server.properties.state)
            if STATES[state] is not Status.RUNNING and state != "Dropping":
                with translated():
                    self._api.begin_delete(self._group, name, polling=False)
            return None

        wait_for(gone, patience, f"the end of {name}")

    def every(self) -> list[Any]:
        """Every server of the sandboxes' resource group, page by page."""
        with translated():
            return list(self._api.list_by_resource_group(self._group))


def mark_of(server: Any) -> str | None:
    """The lease's id on a server, or None."""
    found: str | None = (server.tags or {}).get(MARK)
    return found
