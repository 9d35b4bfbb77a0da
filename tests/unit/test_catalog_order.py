from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.catalog.errors import nearest
from include.catalog.load import load
from include.catalog.model import Service
from include.catalog.order import critical_path, cycles, restore_order
from include.settings import PROJECT


def service(name: str, *depends_on: str) -> Service:
    return Service(service=name, tier="tier-1", owner="core", depends_on=list(depends_on), datastores=[{"name": "main"}])


def platform(**edges: str) -> dict[str, Service]:
    return {name: service(name, *others.split()) for name, others in edges.items()}


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, Service]:
    names = [f"s{number}" for number in range(draw(st.integers(0, 12)))]
    order = draw(st.permutations(names))
    return {name: service(name, *draw(st.sets(st.sampled_from(order[:i]))) if i else ()) for i, name in enumerate(order)}


def test_waves_by_hand():
    found = restore_order(platform(api="db queue", db="identity", queue="identity", identity="", bi="db"))
    assert found == [["identity"], ["db", "queue"], ["api", "bi"]]


def test_a_dependency_that_is_not_here_holds_nothing_up():
    assert restore_order(platform(api="db gone", db="")) == [["db"], ["api"]]


def test_a_circle_is_named():
    with pytest.raises(ValueError, match=r"s\d -> s\d -> s\d"):
        restore_order(platform(s1="s2", s2="s1"))


@settings(max_examples=25)
@given(acyclic())
def test_every_service_once_and_after_what_it_needs(services):
    waves = restore_order(services)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert sorted(name for wave in waves for name in wave) == sorted(services)
    for name, one in services.items():
        # In the earliest wave possible: just after the last of its dependencies.
        assert place[name] == max((place[other] + 1 for other in one.depends_on), default=0)


@settings(max_examples=25)
@given(acyclic(), st.data())
def test_the_critical_path_is_a_chain_and_no_chain_is_longer(services, data):
    seconds = {name: data.draw(st.integers(0, 1000)) for name in services}
    path, total = critical_path(services, seconds)
    assert total == sum(seconds[name] for name in path)
    assert all(before in services[after].depends_on for before, after in pairwise(path))

    def longest(name: str) -> int:
        return seconds[name] + max((longest(other) for other in services[name].depends_on), default=0)

    assert total == max(map(longest, services), default=0)


def test_an_unknown_time_is_not_none():
    with pytest.raises(LookupError, match="no restore time is known for db"):
        critical_path(platform(api="db", db=""), {"api": 1.0})
    bare = {"web": Service(service="web", tier="tier-1", owner="core")}
    assert critical_path(bare, {}) == (["web"], 0.0)


def test_a_chain_of_thousands_needs_no_recursion():
    chain = {f"s{i}": service(f"s{i}", *([f"s{i - 1}"] if i else [])) for i in range(3000)}
    assert len(restore_order(chain)) == 3000
    assert critical_path(chain, dict.fromkeys(chain, 1.0))[1] == 3000


def test_all_circles_are_found():
    found = cycles(platform(a1="b1", b1="a1", c1="d1", d1="e1", e1="c1", me="me", ok="a1"))
    assert sorted(sorted(set(circle)) for circle in found) == [["a1", "b1"], ["c1", "d1", "e1"], ["me"]]
    assert all(circle[0] == circle[-1] for circle in found)


@settings(max_examples=25)
@given(acyclic())
def test_no_circle_where_there_is_none(services):
    assert cycles(services) == []


def test_the_example_brings_identity_back_first():
    services = load(PROJECT / "include" / "platforms" / "example", {}).catalog.services
    waves = restore_order(services)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert place["identity"] == 0 and place["order-intake"] > place["inventory"]


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("teir-1", ["tier-1", "tier-2"], ["tier-1"]),
        ("ORDERS", ["orders", "identity"], ["orders"]),
        ("xyz", ["orders"], []),
        ("anything", [], []),
    ],
)
def test_nearest(word, known, expected):
    assert nearest(word, known) == expected
