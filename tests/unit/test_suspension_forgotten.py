"""What sleeps while no environment would wake it is found, and only that is brought back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from include.suspension.decision import Memory, Phase
from include.suspension.forgotten import Only, asleep_of, outside, places
from include.suspension.model import Batch, FormerState, Survey
from tests.unit.suspension_samples import NIGHT, environment, machine


def memory(phase: Phase = Phase.ASLEEP, **resource: Any) -> Memory:
    one = machine(**resource)
    former = FormerState(key=one.key, generation=1, environment="staging", taken_at=NIGHT, resource=one)
    return Memory(key=one.key, environment="staging", generation=1, phase=phase, changed_at=NIGHT, former=former)


def test_only_what_sleeps_where_no_environment_lies_is_a_finding() -> None:
    here, elsewhere, up = memory(), memory(id="i-2", account="2"), memory(Phase.AWAKE, id="i-3", account="2")
    found = outside([here, elsewhere, up], {"staging": environment()})
    assert set(found) == {elsewhere.key}
    assert "bring-back staging" in found[elsewhere.key] and "build-1" in found[elsewhere.key]
    assert set(outside([here], {})) == {here.key}


def test_a_kind_that_is_looked_at_no_more_is_a_finding() -> None:
    scope = {"cloud": "aws", "account": "1", "connection": "a", "regions": ["eu-central-1"], "kinds": ["rds-instance"]}
    assert set(outside([memory()], {"staging": environment(accounts=[scope])})) == {memory().key}


def test_what_is_brought_back_is_one_environments_and_its_account_must_be_opened_by_something() -> None:
    mine = asleep_of("staging", {memory().key: memory()})
    with pytest.raises(LookupError, match="did you mean 'staging'"):
        asleep_of("stagin", {memory().key: memory()})
    with pytest.raises(LookupError, match="--connection"):
        places(mine, {}, None)
    (batch,) = places(mine, {}, "aws_old")
    assert (batch.account, batch.connection, batch.kinds) == ("1", "aws_old", ("ec2-instance",))
    (batch,) = places(mine, {"staging": environment()}, None)
    assert batch.connection == "aws_staging"


def test_nothing_else_of_the_account_is_seen() -> None:
    both = Survey(resources=(machine(), machine(id="i-2")))
    power: Any = SimpleNamespace(survey=lambda _: both)
    batch = Batch(cloud="aws", account="1", region="eu-central-1", connection="a")
    assert [one.id for one in Only(power, [machine().key]).survey(batch).resources] == ["i-1"]
