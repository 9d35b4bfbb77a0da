"""What the platform is: the models of a catalog directory, one a file kind. No arithmetic, no I/O."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from include.catalog.entry import Entry, Name
from include.catalog.schedules import Suspension
from include.values import Duration, Instant

# ---- platform.yaml ---------------------------------------------------------------------------------------------


class Region(Entry):
    """One region of a cloud, or one site of our own."""

    name: Name
    failure_domain: Name
    """What fails together. Two copies in one failure domain count as one."""


class Cloud(Entry):
    """One cloud that the platform uses: the key is its name in `include.clouds.CLOUDS`."""

    regions: list[Region] = Field(min_length=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    """The cloud's own settings (sandbox network, restore host …), read by its room."""


class Tier(Entry):
    """How much a class of services may lose, how fast it must be back, and how often that is proven."""

    rpo: Duration
    """The most data, in time, that may be lost."""
    rto: Duration
    """The longest time from the decision to the first passed business question."""
    drill_every: Duration
    verify_every: Duration = timedelta(days=1)
    backup_every: Duration = timedelta(days=1)
    """How often a full recovery point is due. A point older than this is stale even when its log reaches today."""
    retention: Duration = timedelta(days=7)
    """How far back recovery points must reach, or be set to be kept."""
    copy_within: Duration = timedelta(days=1)
    """The oldest the copy in another failure domain may be."""
    proof_expires_after: Duration | None = None
    """When a passed drill stops being proof. Default: twice `drill_every`."""
    cold_drill_every: Duration = timedelta(days=28)
    """How often a restore from the cold kit is due, with Airflow, the ledger and the primary region denied."""
    drill_cost_cap: Decimal = Decimal("5.00")
    """The most one drill may cost, in the platform's currency."""
    blocks_release: bool = False


class Blackout(Entry):
    """A time in which something must not run, such as a peak season. It holds from `starts` until before `ends`."""

    name: Name
    starts: Instant
    ends: Instant
    verbs: list[Literal["verify_backups", "drill_restores", "replay_queues", "fail_over_regions", "suspend_environments"]]
    tiers: list[Name] = Field(default_factory=list)
    """Empty: all tiers."""
    reason: str
    may_override: list[Name] = Field(default_factory=list)
    """People who may run a drill inside the window, each with a reason that goes into the record."""


class Person(Entry):
    """Someone who owns, asks for or answers for something; known by name or e-mail address."""

    name: Name
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    teams: list[Name] = Field(default_factory=list)
    pager: str | None = None
    """An Apprise URL's connection id, never the URL with its token."""
    phone: str | None = None
    """For the day on which mail and chat are gone too: it is printed in the runbook of the cold kit."""


class EvidenceStore(Entry):
    """A place where records are kept. At least two, in different failure domains."""

    name: Name
    url: str
    """An fsspec URL: a folder, ``s3://…``, ``gs://…``, ``abfs://…``."""
    failure_domain: Name
    connection: str | None = None


class Channel(Entry):
    """A chat room or a paging service: an Apprise URL in a connection, because it carries a token."""

    name: Name
    connection: str
    """An Airflow connection as the Apprise provider has them: extra ``{"config": {"path": "slack://…"}}``."""
    teams: list[Name] = Field(default_factory=list)
    """Whose services are told here. Empty: everybody's, and what concerns the whole platform."""
    tiers: list[Name] = Field(default_factory=list)
    """Empty: all tiers."""


class Heartbeat(Entry):
    """Where a sign of life goes after each publication: whoever waits there notices silence."""

    name: Name
    connection: str | None = None
    """An HTTP connection of a dead man's switch: extra ``{"url": "https://…", "method": "GET"}``."""
    file: str | None = None
    """Or a file that is replaced each time: a path or an fsspec URL; `connection` then gives its storage options."""


class Notices(Entry):
    """Who is told besides the owners, and by what. Mail goes through connection `drillyard_smtp`."""

    operators: list[Name] = Field(default_factory=list)
    """People or teams who are told what concerns no single service: the canary, the chain, a run that is late."""
    channels: list[Channel] = Field(default_factory=list)
    page_tiers: list[Name] = Field(default_factory=list)
    """Tiers whose news also goes to the pagers (`people[].pager`) of their owners."""
    tenant_classes: list[Literal["shared", "dedicated", "regulated"]] = Field(default_factory=list)
    """Tenants of these classes are told, by their contacts, when a service that they use changes. Empty: none."""
    heartbeats: list[Heartbeat] = Field(default_factory=list)
    grace: Duration = timedelta(hours=6)
    """How long after it was due a drill or a verification counts as not having happened."""
    report_url: str | None = None
    """Where people open the readiness page; every message ends with it."""


class Platform(Entry):
    """platform.yaml: what holds for the whole platform."""

    name: Name
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    clouds: dict[str, Cloud]
    tiers: dict[Name, Tier]
    blackouts: list[Blackout] = Field(default_factory=list)
    people: list[Person] = Field(min_length=1)
    evidence: list[EvidenceStore] = Field(min_length=1)
    trusted_keys: list[str] = Field(default_factory=list)
    """Ed25519 public keys (hex) whose seals count. A seal by any other key is shown as UNTRUSTED."""
    notices: Notices | None = None
    """Who is told of a change. Without it nobody is, and the log says so."""
    decides: list[Name] = Field(default_factory=list)
    """People or teams who may declare a disaster and start a recovery, in the order in which they are called."""
    credentials: str = ""
    """Where the credentials of a recovery are kept and who opens it, in words for the runbook. Never a secret."""


# ---- services/*.yaml -------------------------------------------------------------------------------------------


class Question(Entry):
    """A business question: one SELECT that gives one value, and the relation its answer must satisfy."""

    name: str
    sql: str
    expect: Literal["=", "!=", "<", "<=", ">", ">="] = "="
    value: int | Decimal | str | bool = 0
    digest: bool = False
    """The expected value is the digest signed when the backup was made, not `value`. The SQL may use :as_of."""


class Validation(Entry):
    """What a restored database must answer to count as recovered."""

    expectations: str | None = None
    """A Great Expectations suite in YAML, relative to the service's file."""
    questions: list[Question] = Field(default_factory=list)
    constraints: int | None = Field(default=None, ge=0)
    """The least number of constraints (primary, foreign and unique keys, checks) that its user schemas must have."""
    statement_timeout: Duration = timedelta(seconds=60)


class Datastore(Entry):
    """What every database has, wherever it runs. Each cloud's room adds its own fields in a subclass."""

    name: Name
    cloud: str
    region: Name
    engine: Literal["postgresql"] = "postgresql"
    database: str
    business_time: str
    """One SELECT that gives the newest committed business timestamp (timestamptz). RPO is measured with it."""
    size_hint_gb: Decimal = Decimal("1")
    """For forecasts until the first measurement."""
    encrypted: bool = False
    """The store of its backups must be encrypted."""
    validation: Validation = Field(default_factory=Validation)


class Queue(Entry):
    """A queue of the service, and where its undeliverable messages go."""

    name: Name
    cloud: str
    region: Name
    kind: str
    dead_letter: str | None = None


class Traffic(Entry):
    """How users reach the service: read by failover drills."""

    hostname: str
    primary: Name
    standby: Name | None = None


class Requests(Entry):
    """Who may ask for a drill of this service by hand, and who may keep a sandbox."""

    may_drill: list[Name] = Field(default_factory=list)
    """People or teams. Empty: anyone whom Airflow lets trigger the DAG."""
    may_keep: list[Name] = Field(default_factory=list)


class Service(Entry):
    """services/NAME.yaml: one service of the business."""

    service: Name
    description: str = ""
    tier: Name
    owner: Name
    """A team: at least one person of platform.yaml is in it. Its people are told of every change of verdict."""
    contacts: list[Name] = Field(default_factory=list)
    """People or teams who are told besides the owner."""
    environment: Name = "production"
    tenants: list[Name] = Field(default_factory=list)
    depends_on: list[Name] = Field(default_factory=list)
    datastores: list[Any] = Field(default_factory=list)
    """Items of the clouds' own datastore models (a union by `cloud`, built by `include.catalog.load`)."""
    queues: list[Queue] = Field(default_factory=list)
    traffic: list[Traffic] = Field(default_factory=list)
    requests: Requests = Field(default_factory=Requests)


# ---- tenants.yaml, environments/*.yaml, rates.yaml ----------------------------------------------------------------


class Tenant(Entry):
    """A customer of the platform: small ones share, large or regulated ones have their own or a fixed region."""

    name: Name
    tenant_class: Literal["shared", "dedicated", "regulated"] = Field(alias="class")
    region: Name | None = None
    """Regulated tenants' data is restored only here and cannot be kept."""
    contacts: list[str] = Field(default_factory=list)


class Tenants(Entry):
    """tenants.yaml: who uses the platform. Services name them."""

    tenants: list[Tenant] = Field(default_factory=list)


class Environment(Entry):
    """environments/NAME.yaml"""

    environment: Name
    production: bool = False
    owner: Name
    cloud: str | None = None
    suspension: Suspension | None = None
    """How it is put to sleep while nobody uses it. Absent: never."""


class Rate(Entry):
    """What a restore costs on one cloud, in the platform's currency."""

    compute_per_hour: Decimal = Decimal("0")
    sizes: dict[str, Decimal] = Field(default_factory=dict)
    """Per hour, by machine type, database class or SKU: what a machine that sleeps does not cost."""
    storage_per_gb_month: Decimal = Decimal("0")
    transfer_per_gb: Decimal = Decimal("0")


class Rates(Entry):
    """rates.yaml: prices for forecasts and caps. The bill settles them later."""

    rates: dict[str, Rate]
    """By cloud."""
    source: str
    as_of: datetime | None = None
