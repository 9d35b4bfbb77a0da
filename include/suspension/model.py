"""What suspension talks about: resources, their power and size, former states, decisions. Frozen, serialisable, no I/O."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from include.values import Frozen, Instant


class Power(StrEnum):
    """Of one resource. Adapters map the vendor's words to these; an unknown word raises ValueError that names it."""

    ON = "on"
    OFF = "off"
    """Stopped, deallocated, or scaled to nothing."""
    STARTING = "starting"
    STOPPING = "stopping"
    BUSY = "busy"
    """The vendor refuses a stop and a start in this state (modifying, backing up, upgrading …): look again later."""
    BROKEN = "broken"
    """A person must look (failed, incompatible, inaccessible key …). Never stopped or started by us."""
    LEAVING = "leaving"
    """Being deleted. Soon it is not there."""


class Family(StrEnum):
    """What kind of thing it is, whatever the vendor calls it. Rules speak of families, never of a vendor's kind."""

    MACHINE = "machine"
    GROUP = "group"
    DATABASE = "database"
    SERVICE = "service"
    NODE_POOL = "node-pool"


class Batch(Frozen):
    """One account and region: what one sweep looks at, and what one mapped task gets."""

    cloud: str
    account: str
    """AWS account id, Google project, Azure subscription."""
    region: str
    connection: str
    """The connection id that opens the account."""
    kinds: tuple[str, ...] = ()
    """The vendor kinds to look at; empty: all that the adapter knows. A kind that is not asked for costs no call."""

    @property
    def label(self) -> str:
        return f"{self.cloud} {self.account} {self.region}"


class Resource(Frozen):
    """Something that can be put to sleep, as its control plane shows it in one look."""

    id: str
    """The vendor's own id, by which it is stopped; unique within account, region and kind."""
    name: str
    """What people call it: the Name tag, or the id."""
    cloud: str
    account: str
    region: str
    kind: str
    """The adapter's word, such as ``ec2-instance``, ``cloud-sql``, ``scale-set``: one of `Power.kinds`."""
    family: Family
    power: Power
    word: str = ""
    """The vendor's own word for `power`."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags or labels as the vendor gives them. What labels cannot hold (Google) is not invented."""
    size: dict[str, Any] = Field(default_factory=dict)
    """Everything that `start` needs to bring back exactly this state (min, max and desired, node counts, activation policy,
    autoscaler mode and limits, suspended processes …), as JSON types. `{}` where stop and start change nothing else."""
    instance_type: str | None = None
    """Machine type, database class, SKU: the key of its price and of its fallbacks. None: it has none of its own."""
    count: int = 1
    """How many machines it stands for now (0 when off)."""
    storage_gb: Decimal = Decimal(0)
    """Provisioned storage that stays, and is paid, while it sleeps; 0 where one look does not tell."""
    zone: str | None = None
    launched_at: Instant | None = None
    """When it last began to run; None where the vendor does not tell."""
    managed_by: str | None = None
    """Id of a group, cluster or service that runs it: then only that one is put to sleep."""
    refuses: str | None = None
    """Why the vendor never lets this one be stopped (read replica, instance store …). None: it can be stopped."""
    restarts_at: Instant | None = None
    """When the vendor starts a stopped one by itself (RDS: seven days after it was stopped)."""
    billed_as: str = ""
    """`ResourceId` of its rows in the FOCUS bill (EC2 ``i-…``, RDS its ARN, Azure its lower-case path …)."""
    billed_tag: tuple[str, str] | None = None
    """For groups, whose members' ids change: the tag (key, value) that the members' rows carry."""

    @property
    def key(self) -> str:
        """Unique over everything: ``cloud/account/region/kind/id``."""
        return f"{self.cloud}/{self.account}/{self.region}/{self.kind}/{self.id}"


class Survey(Frozen):
    """What one look at a batch found."""

    resources: tuple[Resource, ...]
    unreadable: dict[str, str] = Field(default_factory=dict)
    """By kind: why it could not be read. One unreadable kind hides no other."""


class Outcome(StrEnum):
    """What became of asking for one stop or start."""

    ACCEPTED = "accepted"
    """The vendor does it, or it was so already."""
    GONE = "gone"
    """Deleted meanwhile."""
    BUSY = "busy"
    """The vendor refuses it in the state it is in now: look again later."""
    NO_CAPACITY = "no-capacity"
    """The vendor has no machine of this size here now."""
    REFUSED = "refused"
    """Not allowed, not possible, wrong: asking again gives the same answer."""
    UNKNOWN = "unknown"
    """Throttled, timed out, an answer that was lost: it may have happened. Look before asking again."""


class Answer(Frozen):
    """Of one resource in one call."""

    outcome: Outcome
    detail: str = ""
    """The vendor's code and words. Empty when accepted."""


class Wake(Frozen):
    """One resource to start, and as what."""

    resource: Resource
    size: dict[str, Any]
    """The former state's size: restored exactly."""
    instance_type: str | None = None
    """Start as this type; None: as it is. Given when there is no capacity, and to return to the former type."""
    zones: tuple[str, ...] = ()
    """Start in these zones only; empty: as it is. A kind that cannot move answers `refused`."""


class FormerState(Frozen):
    """What a resource was before the first stop of one sleep. Written once, before that stop, in ledger and evidence."""

    key: str
    """`Resource.key`."""
    generation: int = Field(ge=1)
    """Counts the sleeps of this resource: a late writer of an old one cannot overwrite the newest."""
    environment: str
    taken_at: Instant
    resource: Resource
    """As seen when it was on: its size, count and type are what waking brings back."""
    expected_until: Instant | None = None
    """When it was planned to wake, as the decision said: the forecast of the saving counts until then."""


class Metric(StrEnum):
    """What idleness rules may ask. An adapter says which vendor metric stands for it; one it lacks is `unsupported`."""

    CPU = "cpu"
    """Percent, 0 to 100, average of the period."""
    NETWORK = "network"
    """Bytes in and out in a second, average of the period."""
    CONNECTIONS = "connections"
    """Open connections of a database, maximum of the period."""


class Span(Frozen):
    """What is measured: [start, end) by period, all whole multiples of a minute."""

    start: Instant
    end: Instant
    period: timedelta


class Readings(Frozen):
    """Measured values. What is not in `values` was not measured: nobody may read that as idle."""

    values: dict[str, dict[str, tuple[float, ...]]]
    """By `Resource.id`, by metric: one number for each period that has one, oldest first."""
    unsupported: dict[str, str] = Field(default_factory=dict)
    """By ``kind/metric``: what the vendor does not measure, and why."""
