"""The way back on RDS: the home region's control plane refuses every connection, and the copy in the other region is restored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aws_account import COPY, HOME, ID, SECRET, AwsAccount, aws, datastore, desk
from fires import after_a_fire

from include.catalog.loaded import Loaded
from include.connections import ConnectionInfo, parse
from include.evidence.kit import Kit
from include.evidence.packing import Seen, pack
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.recovery import recover
from include.recovery.model import Verdict
from include.values import utcnow

__all__ = ["aws"]


@pytest.fixture
def known(aws: AwsAccount, tmp_path: Path) -> tuple[Loaded, Kit]:
    """The catalog, and the kit that the night before left."""
    loaded = desk(aws, tmp_path).loaded
    # The account is as old as the run of the tests: its copy may be older than a tier that takes a copy a day would say.
    platform = loaded.catalog.platform
    tiers = {name: tier.model_copy(update={"rpo": timedelta(days=1)}) for name, tier in platform.tiers.items()}
    platform = platform.model_copy(update={"tiers": tiers})
    loaded = replace(loaded, catalog=replace(loaded.catalog, platform=platform, settings={"aws": aws.settings()}))
    survey, now = aws.source().survey({ID: datastore()}, utcnow()), utcnow()
    return loaded, pack(loaded, {}, {}, {ID: Seen(points=survey.points[ID], at=now)}, {}, now)


@pytest.fixture
def burning(aws: AwsAccount, known: object) -> Iterator[None]:
    """Nobody answers in the home region."""
    del known
    aws.lab.fault(kind="refused", region=HOME, count=None)
    try:
        yield
    finally:
        aws.lab.clear_faults()


def survivors(aws: AwsAccount, conn_id: str) -> ConnectionInfo:
    """The same roles, assumed in the region that is left: the home region's STS is gone too."""
    return parse(conn_id, aws.lab.connection(role=f"drillyard-{conn_id.removeprefix('aws_')}", region=COPY))


@pytest.mark.usefixtures("burning")
@pytest.mark.parametrize("lost", [(HOME,), ()])
def test_a_region_burns_and_the_copy_in_the_other_is_restored_there(
    aws: AwsAccount, known: tuple[Loaded, Kit], tmp_path: Path, lost: tuple[str, ...]
) -> None:
    loaded, kit = known
    assert kit.problems == ()
    said: list[str] = []
    left = Stores([LocalStore("one", tmp_path / "left")])
    job = after_a_fire(kit, loaded, left, lambda conn_id: survivors(aws, conn_id), SECRET, lost, said)
    (done,) = recover.recover(job, kit.services)
    assert done.usable, "\n".join(said)
    assert any(f"from {COPY}" in line for line in said)
    # What may be left in a region that is gone, nobody can prove: that is said, and the lease stays open.
    assert done.verdict is Verdict.PARTIAL and any("its lease stays open" in line for line in said)
    assert [one.event for one in job.stores.stores[0].records() if one.kind == "lease"] == ["opened"]
    (note,) = [one for one in job.stores.stores[0].records() if one.kind == "note"]
    assert note.detail["domain"] == COPY and note.detail["drill"]["region"] == COPY
    aws.lab.clear_faults()
    assert aws.gone()
