"""What a cloud must fill for suspension. Adapters translate; retries, deadlines, thresholds and arithmetic live elsewhere.

A room of `include.clouds` gives ``power_switch(clients, settings) -> PowerSwitch`` and
``activity_reader(clients, settings) -> Activity``.
Errors are recovery's: `Transient` when an answer is not known (throttled, down, lost), `Unsupported` for what a cloud lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from include.recovery.contracts import Transient, Unsupported
from include.suspension.model import Answer, Batch, Metric, Readings, Resource, Span, Survey, Wake

__all__ = ["Activity", "PowerRoom", "PowerSwitch", "Transient", "Unsupported"]


class PowerSwitch(Protocol):
    """Reads and changes power. Every call returns at once (the vendor works on), and every call may be repeated."""

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds it knows, such as ``ec2-instance``."""
        ...

    def survey(self, batch: Batch) -> Survey:
        """Everything of the batch's kinds that could be put to sleep, whatever its tags.

        Calls grow with pages, never with resources (a vendor that lists names only is batched as far as its API lets).
        A kind that cannot be read goes to `Survey.unreadable` and hides no other. An unknown vendor word raises ValueError.
        Raises Transient only when nothing at all can be known (sign-in, the account).
        """
        ...

    def look(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Resource]:
        """These resources as they are now, by `Resource.id`, in batched calls. One that is not there any more is left out.

        Raises Transient when it cannot be known: an absent answer must never look like a deleted resource.
        """
        ...

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        """Ask for sleep; one answer for every resource, by `Resource.id`. Batched where the API batches.

        One deleted or busy resource must not fail the others: where a vendor refuses a whole call for one of them, the
        adapter takes that one out and asks again for the rest. Groups are scaled to nothing, their autoscaler told to rest;
        virtual machines are stopped without being paid (Azure: deallocated). Nothing is raised for a single resource.
        """
        ...

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        """Bring back, with exactly `Wake.size`; one answer for every resource, by `Resource.id`. Like `stop`."""
        ...


class Activity(Protocol):
    """Reads what resources did. Never writes."""

    def read(self, batch: Batch, resources: Sequence[Resource], metrics: Sequence[Metric], span: Span) -> Readings:
        """Values of the span by period, of many resources in few calls (CloudWatch: 500 queries a call; Cloud Monitoring:
        one filter for a kind; Azure Monitor: batch or list by region).

        A period without data is left out; nothing is filled in, interpolated or set to zero.
        Raises Transient when it cannot be known.
        """
        ...


@runtime_checkable
class PowerRoom(Protocol):
    """The part of a cloud's room that suspension asks for. A room without it is `Unsupported`."""

    def power_switch(self, clients: Any, settings: Any) -> PowerSwitch: ...

    def activity_reader(self, clients: Any, settings: Any) -> Activity: ...
