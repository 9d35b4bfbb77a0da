"""What Cloud SQL's API does inside an instance: users and databases, as its agent does it on a real server."""

from __future__ import annotations

from typing import Any

from include.lab.google.plane import Refused, Request, Serve
from include.lab.google.sql import CloudSql, Key
from include.lab.managed import ManagedPlane


class Inside:
    """Users and databases. Like Google, a user made by the API is an administrator (member of ``cloudsqlsuperuser``)."""

    def __init__(self, sql: CloudSql) -> None:
        self._sql = sql

    def methods(self) -> dict[str, Serve]:
        return {
            "sql.users.list": self.list_users,
            "sql.users.insert": self.insert_user,
            "sql.users.update": self.update_user,
            "sql.databases.list": self.list_databases,
            "sql.databases.insert": self.insert_database,
        }

    def _inside(self, request: Request) -> tuple[Key, ManagedPlane]:
        key = self._sql.found(request)
        if self._sql.instances[key]["state"] != "RUNNABLE" or self._sql.plane is None:
            raise Refused(400, "Invalid request: The instance is not running.", "invalidState")
        return key, self._sql.plane

    def list_users(self, request: Request) -> dict[str, Any]:
        key, plane = self._inside(request)
        names = plane.users(self._sql.server(key))
        return {
            "kind": "sql#usersList",
            "items": [{"kind": "sql#user", "name": n, "instance": key[1], "project": key[0]} for n in names],
        }

    def insert_user(self, request: Request) -> dict[str, Any]:
        key, plane = self._inside(request)
        name, password = request.body.get("name", ""), request.body.get("password", "")
        return self._sql.operations.start(*key, "CREATE_USER", lambda: plane.add_user(self._sql.server(key), name, password))

    def update_user(self, request: Request) -> dict[str, Any]:
        key, plane = self._inside(request)
        name, password = request.query("name"), request.body.get("password", "")
        return self._sql.operations.start(*key, "UPDATE_USER", lambda: plane.set_password(self._sql.server(key), name, password))

    def list_databases(self, request: Request) -> dict[str, Any]:
        key, plane = self._inside(request)
        rows = [
            {"kind": "sql#database", "name": n, "instance": key[1], "project": key[0]}
            for n in plane.databases(self._sql.server(key))
        ]
        return {"kind": "sql#databasesList", "items": rows}

    def insert_database(self, request: Request) -> dict[str, Any]:
        key, plane = self._inside(request)
        name = request.body.get("name", "")
        return self._sql.operations.start(
            *key, "CREATE_DATABASE", lambda: plane.sql(self._sql.server(key), "postgres", f'CREATE DATABASE "{name}"')
        )
