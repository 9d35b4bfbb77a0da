"""Resources, environments and moments for the tests of suspension."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from include.catalog.model import Environment
from include.suspension.decide import decide
from include.suspension.decision import Decision, Facts, Memory, Wish, WishAction
from include.suspension.model import Family, Power, Resource

NIGHT = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OFFICE = {"timezone": "UTC", "periods": [{"weekdays": "mon-fri", "begintime": "07:00", "endtime": "19:00"}]}


def machine(**changes: Any) -> Resource:
    known: dict[str, Any] = {
        "id": "i-1",
        "name": "build-1",
        "cloud": "aws",
        "account": "1",
        "region": "eu-central-1",
        "kind": "ec2-instance",
        "family": Family.MACHINE,
        "power": Power.ON,
        "word": "running",
        "instance_type": "m5.large",
        "launched_at": NOON - timedelta(days=3),
    }
    return Resource.model_validate(known | changes)


def environment(*, production: bool = False, **suspension: Any) -> Environment:
    known: dict[str, Any] = {
        "accounts": [{"cloud": "aws", "account": "1", "connection": "aws_staging", "regions": ["eu-central-1"]}],
        "schedules": {"office": OFFICE},
        "schedule": "office",
    }
    return Environment.model_validate(
        {"environment": "staging", "owner": "platform", "production": production, "suspension": known | suspension}
    )


def wish(action: WishAction, at: datetime, hours: float = 4) -> Wish:
    return Wish(
        wish_id=f"{action}-{at}",
        environment="staging",
        action=action,
        by="ann",
        why="release",
        at=at,
        until=at + timedelta(hours=hours),
    )


def decision(
    resource: Resource | None = None,
    now: datetime = NIGHT,
    memory: Memory | None = None,
    env: Environment | None = None,
    **facts: Any,
) -> Decision:
    return decide(resource or machine(), env or environment(), memory, Facts(now=now, **facts))
