"""What the adapters of managed databases share: names to try, waiting for an operation, digests, and the lab's fence. No SDK."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from include.recovery import harmless
from include.recovery.contracts import Transient
from include.recovery.digests import SUFFIX
from include.recovery.model import Access, Check, Lease, Outcome, RecoveryPoint, Sandbox, Status, Target
from include.recovery.naming import sandbox_password

Found = TypeVar("Found")
PAUSE = 0.2
"""Seconds between the first two looks at an operation; each pause is half as long again, up to `SLOWEST`."""
SLOWEST = 10.0


class NotThere(LookupError):
    """The cloud has no such thing."""


class Taken(FileExistsError):
    """The name is in use, or still reserved after a deletion."""


class Refusal(ValueError):
    """The cloud said no, and will say it again."""


def attempts(name: str) -> tuple[str, ...]:
    """The names that one sandbox may have, in order: a cloud keeps a deleted server's name for days, and a drill may be
    repeated in its slot."""
    return (name, f"{name}-2", f"{name}-3")


def started(lease: Lease, find: Callable[[], Sandbox | None], start: Callable[[str], object]) -> Sandbox:
    """The sandbox that is there, or a new one under the first name that is free. `start` asks for it and raises Taken.

    Raises PermissionError when something of that name is there that is not ours, FileExistsError when no name is free.
    """
    for name in attempts(lease.sandbox):
        found = find()
        if found is not None:
            if found.lease_id is None and found.status is Status.FAILED:
                raise PermissionError(found.detail)
            return found
        try:
            start(name)
        except Taken:
            continue
        return Sandbox(name=lease.sandbox, status=Status.PENDING, detail="asked for", lease_id=lease.lease_id)
    raise FileExistsError(f"{', '.join(attempts(lease.sandbox))} are all in use or reserved: drill again in another slot")


def foreign(name: str) -> Sandbox:
    """What has a sandbox's name and no mark of ours."""
    return Sandbox(name=name, status=Status.FAILED, detail=f"{name} is there without a lease of ours: not touched")


def wait_for(look: Callable[[], Found | None], patience: timedelta, what: str) -> Found:
    """Look until there is something. Raises Transient after `patience`: what happens then is unknown, not failed."""
    deadline, pause = time.monotonic() + patience.total_seconds(), PAUSE
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() + pause > deadline:
            raise Transient(f"{what} is not done after {patience}: look again")
        time.sleep(pause)
        pause = min(pause * 1.5, SLOWEST)


def allowed(url: str) -> str:
    """The URL, unless a lab is on (``DRILLYARD_LAB_HOME``) and it leads off this machine.

    Raises PermissionError: nothing that runs in a lab may reach a real cloud.
    """
    host = urlsplit(url).hostname or ""
    if os.environ.get("DRILLYARD_LAB_HOME") and not _is_loopback(host):
        raise PermissionError(
            f"{host or url!r} is not on this machine, and DRILLYARD_LAB_HOME says that this is the lab: "
            "set the connection's endpoint to the lab's, or unset DRILLYARD_LAB_HOME to work on a real cloud"
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reaches(point: RecoveryPoint, target: Target, now: Any) -> Check:
    """The preflight check ``point-reaches-target``: the log carries the point to the instant asked for."""
    name, layer = "point-reaches-target", "preflight"
    measured = f"{point.taken_at.isoformat()} to {point.restorable_until.isoformat() if point.log_end_known else 'not told'}"
    if target.time is None:
        return Check(
            name=name, layer=layer, outcome=Outcome.PASSED, measured=measured, threshold=target.point_id or "latest state"
        )
    until = point.restorable_until if point.log_end_known else now
    if point.taken_at <= target.time <= until:
        return Check(name=name, layer=layer, outcome=Outcome.PASSED, measured=measured, threshold=target.time.isoformat())
    detail = f"choose an instant between {point.taken_at.isoformat()} and {until.isoformat()}"
    return Check(
        name=name, layer=layer, outcome=Outcome.FAILED, measured=measured, threshold=target.time.isoformat(), detail=detail
    )


def same_version(point: RecoveryPoint, server: str) -> Check:
    """The preflight check ``version``: a managed cloud restores a backup as the major version it was made with."""
    fits = point.engine_version == server
    detail = f"{point.id} is of PostgreSQL {point.engine_version} and its server is {server} now: restore a younger point"
    return judged("version", "preflight", fits, point.engine_version or "not told", server, detail)


def judged(name: str, layer: str, fits: bool, measured: str, threshold: str, detail: str) -> Check:
    """A check of one fact: `detail` says what to do when it does not fit."""
    outcome = Outcome.PASSED if fits else Outcome.FAILED
    return Check(name=name, layer=layer, outcome=outcome, measured=measured, threshold=threshold, detail="" if fits else detail)


def untold(name: str, layer: str, detail: str) -> Check:
    """A check that a cloud's API gives no answer to."""
    return Check(name=name, layer=layer, outcome=Outcome.UNSUPPORTED, detail=detail)


def digests_at(folder: str | None, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The digests that were signed when a backup was made: ``FOLDER/NAME.digests.json``, on any store that fsspec knows.

    Empty when there are none; who reads them checks the signature.
    """
    if folder is None:
        return {}
    import fsspec

    place = f"{folder.rstrip('/')}/{name}{SUFFIX}"
    try:
        with fsspec.open(place, "rb", **options) as file:
            return {"digests": json.load(file)}
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"digests": {"unreadable": place}}


def drafts(place: Mapping[str, Any], names: Collection[str], known: Collection[str]) -> list[dict[str, Any]]:
    """Catalog entries to fill in, of the databases of one server that no entry knows. `business_time` only the owner knows."""
    new = sorted(one for one in names if one not in known)
    return [{"name": one.lower().replace("_", "-"), **place, "database": one, "business_time": ""} for one in new]


def entrance(name: str, host: str, port: int, database: str, secret: str) -> Access:
    """How to connect to a sandbox whose roles were made by `secured`."""
    return Access(
        host=host,
        port=port,
        database=database,
        admin=harmless.ADMIN,
        reader=harmless.READER,
        admin_password=sandbox_password(secret, name, harmless.ADMIN),
        reader_password=sandbox_password(secret, name, harmless.READER),
    )


def let_in(access: Access) -> Access:
    """The same, once our reader is let in. Raises PermissionError when the sandbox was not secured, Transient when it does
    not answer."""
    import psycopg2

    try:
        psycopg2.connect(
            host=access.host,
            port=access.port,
            dbname=access.database,
            user=access.reader,
            password=access.reader_password,
            connect_timeout=10,
        ).close()
    except psycopg2.OperationalError as refused:
        said = (str(refused).strip().splitlines() or ["no answer"])[0]
        if "authentication failed" in said or "no password" in said:
            raise PermissionError(f"{access.host}:{access.port} is not secured yet, nobody is let in: {said}") from refused
        raise Transient(f"the sandbox at {access.host}:{access.port} does not answer: {said}") from refused
    return access


def secured(access: Access, vendor_roles: Sequence[str], vendor_databases: Sequence[str]) -> list[Check]:
    """Make a server harmless by SQL as its administrator. Raises Transient when it does not answer."""
    import psycopg2

    try:
        return harmless.harden(
            harmless.connector(access),
            reader_password=access.reader_password,
            vendor_roles=vendor_roles,
            vendor_databases=vendor_databases,
        )
    except psycopg2.OperationalError as refused:
        said = (str(refused).strip().splitlines() or ["no answer"])[0]
        raise Transient(f"the sandbox at {access.host}:{access.port} does not let us in: {said}") from refused


def check_mark(name: str, found: str | None, lease: Lease) -> None:
    """Raise PermissionError unless a resource carries this lease's mark."""
    if found != lease.lease_id:
        whose = f"carries the lease {found}" if found else "carries no lease of ours"
        raise PermissionError(f"{name} {whose}, not {lease.lease_id}: it is not touched")
