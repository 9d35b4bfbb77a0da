"""The cold kit: what a restore needs when Airflow, the ledger and the primary region are gone. Names and places, no secret."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from include.evidence.naming import new_record_id, record_path
from include.recovery.model import RecoveryPoint
from include.values import Duration, Frozen, Instant

KITS = "kits/"
KIT_FILE, RUNBOOK_TEXT, RUNBOOK_PAGE = "kit.json", "runbook.md", "runbook.html"
EXPORTED = "cold-kit"
"""`NoteRecord.event` of an exported kit. `detail`: ``kit_id`` and ``files``, the SHA-256 by path. The chain seals it."""

RECOVERED, COLD_DRILL = "recovered", "cold-drill"
"""`NoteRecord.event` of a database that was brought back from a kit and is kept, and of a drill that did so and discarded it.
`detail`: ``kit_id``, ``store``, ``domain``, ``denied`` and ``drill``, the whole record of the restore."""

_KIT_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z")


class Contact(Frozen):
    """Somebody to call."""

    name: str
    email: str = ""
    phone: str = ""
    role: str = ""


class KitStore(Frozen):
    """A store that holds evidence and kits."""

    name: str
    url: str
    failure_domain: str
    connection: str | None = None


class KitConnection(Frozen):
    """A connection that a restore asks for by its id. Where its secret is kept, the catalog's `credentials` say in words."""

    conn_id: str
    conn_type: str
    used_for: str


class KitDatastore(Frozen):
    """One database: what it can be restored from, and what is known of how long that takes."""

    datastore: str
    cloud: str
    region: str
    failure_domain: str
    database: str
    roles: tuple[str, ...] = ()
    """Roles inside the restored server that matter to a restore: its superuser, and those that Drillyard makes."""
    points: tuple[RecoveryPoint, ...]
    """Newest first, each with its location, copies, key, version, size and the facts that its adapter needs."""
    seen_at: Instant | None
    """When these points were last seen in their store. None: never."""
    note: str = ""
    """Why that was not when the kit was made."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the store told of itself: retention, encryption."""
    rto_measured: Duration | None = None
    """Of the newest passed drill."""
    rto_measured_at: Instant | None = None
    size_bytes: int | None = None
    engine_version: str | None = None


class KitService(Frozen):
    """One service, in the order of recovery."""

    service: str
    description: str
    tier: str
    owner: str
    wave: int
    """From 1: everything of earlier waves must be back before."""
    depends_on: tuple[str, ...]
    rpo_target: Duration
    rto_target: Duration
    ready_after: Duration | None = None
    """From the decision until it is back with all that it needs, by measured times. None: something was never measured."""
    decides: tuple[Contact, ...] = ()
    told: tuple[Contact, ...] = ()
    hostnames: tuple[str, ...] = ()
    regulated: tuple[str, ...] = ()
    """Tenants whose data may be restored in their own region only."""
    datastores: tuple[KitDatastore, ...]


class Kit(Frozen):
    """The whole kit: ``kits/KIT_ID/kit.json``, canonical JSON."""

    schema_version: int = 1
    kit_id: str
    """The instant of the export, ``20261125T011500.123456Z``: sorts by time."""
    written_at: Instant
    platform: str
    catalog_revision: str
    files: dict[str, str]
    """The catalog's own YAML files by their path, as they were written: entries, platform settings, questions, suites."""
    variables: dict[str, str]
    """Values of the ``${NAME}`` in these files when the kit was made. The recovering machine's own values come first."""
    withheld: tuple[str, ...] = ()
    """Names whose values look like secrets: they are not in the kit and must be set."""
    stores: tuple[KitStore, ...]
    trusted_keys: tuple[str, ...]
    decides: tuple[Contact, ...]
    credentials: str
    connections: tuple[KitConnection, ...]
    services: tuple[KitService, ...]
    """In the order of recovery: by wave, then by tier, then by name."""
    problems: tuple[str, ...] = ()
    """What this kit cannot do: services whose catalog file is broken, databases without a recovery point."""

    def service(self, name: str) -> KitService | None:
        return next((one for one in self.services if one.service == name), None)


def new_kit_id(at: datetime) -> str:
    """The name of a kit made at this instant."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z"


def instant_of(kit_id: str) -> datetime:
    """When the kit of this name was made. Raises ValueError for anything that is no kit's name."""
    if not _KIT_ID.fullmatch(kit_id):
        raise ValueError(f"{kit_id!r} is no kit's name; they look like 20261125T011500.123456Z")
    return datetime.strptime(kit_id, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def kit_path(kit_id: str, file: str) -> str:
    """Where one file of a kit lies in a store."""
    return f"{KITS}{kit_id}/{file}"


def note_path(kit_id: str) -> str:
    """Where the record lies that names the kit's files by digest."""
    return record_path(new_record_id("note", EXPORTED, instant_of(kit_id)))
