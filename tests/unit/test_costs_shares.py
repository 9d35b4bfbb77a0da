"""Every amount is given away exactly once, whatever the weights."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from include.costs import money
from include.costs.allocation import REMAINDER, ServiceFacts, allocate, with_destinations
from include.costs.bill import Fact
from include.costs.keys import Declared
from include.costs.parties import UNALLOCATED, Party, party_of
from include.costs.settings import CostSettings, Destination, Owned, SharedPart
from include.costs.split import split

amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=24, allow_nan=False)
weights = st.dictionaries(st.sampled_from("abcdefg"), st.decimals(min_value=-1, max_value=10**6, places=3), max_size=7)


@given(amounts, weights)
def test_shares_and_remainder_are_the_amount(amount: Decimal, by: dict[str, Decimal]) -> None:
    shares, rest = split(amount, by)
    assert money.EXACT.add(money.add(shares.values()), rest) == amount
    assert set(shares) <= {name for name, weight in by.items() if weight > 0}
    if shares:
        assert abs(rest) < Decimal(len(shares)) * Decimal("1e-24")


def fact(billed: Decimal, party: int = 0, **more: str) -> Fact:
    base = {
        "month": "2026-10",
        "provider": "AWS",
        "currency": "USD",
        "transfer_class": "internet_egress",
        "origin": "eu-west-1",
        "to": "internet",
        "rule": "r",
        "service_name": "EC2",
        "rows": 1,
        "party": party,
    }
    return Fact(**{**base, "billed": billed, "effective": billed, "listed": billed, "gb": Decimal(7), **more})  # type: ignore[arg-type]


@given(amounts, weights, weights)
def test_allocation_keeps_every_cent(billed: Decimal, services: dict[str, Decimal], tenants: dict[str, Decimal]) -> None:
    settings = CostSettings(shared=(SharedPart(name="net", tags=("net",), key="orders"),))
    declared = Declared(weights={("*", "orders", "service"): services, ("*", "orders", "tenant"): tenants})
    known = {name: ServiceFacts(owner="team", tenants=("a", "b")) for name in services}
    parties = [Party(how="none"), Party(shared="net", how="shared"), Party(service="a", how="tag")]
    facts = [fact(billed), fact(billed, 1), fact(billed, 2)]
    shares = allocate(facts, parties, declared, settings, known)
    assert money.add(s.billed for s in shares) == money.EXACT.multiply(billed, Decimal(3))
    assert money.add(s.gb for s in shares) == Decimal(21)
    assert {s.service for s in shares} <= {UNALLOCATED, REMAINDER, *services, "a"}


@given(amounts, st.decimals(min_value="0.01", max_value="1", places=2))
def test_a_declared_destination_makes_cross_cloud_and_loses_nothing(billed: Decimal, share: Decimal) -> None:
    settings = CostSettings(destinations=(Destination(service="a", to="google/europe-west3", share=share),))
    party = Party(service="a", destination="google/europe-west3", destination_share=str(share))
    found = with_destinations([fact(billed)], [party], settings)
    assert money.add(f.billed for f in found) == billed
    assert {f.transfer_class for f in found} == ({"cross_cloud"} if share == 1 else {"cross_cloud", "internet_egress"})
    own = Party(service="a", destination="aws/us-east-1")
    assert [f.transfer_class for f in with_destinations([fact(billed)], [own], settings)] == ["internet_egress"]


def row(**more: str) -> dict[str, str | None]:
    names = (
        "BillingAccountId",
        "SubAccountId",
        "x_TagService",
        "x_TagEnvironment",
        "x_TagTenant",
        "x_TagOwner",
        "x_TagDestination",
        "x_TagDrill",
        "x_Resource",
    )
    return {name: more.get(name) for name in names}


def test_a_tag_wins_over_a_resource_and_a_resource_over_an_account() -> None:
    settings = CostSettings(owned=(Owned(service="disk", resources=("*disk*",)), Owned(service="acc", accounts=("21*",))))
    everything = row(SubAccountId="2100", x_TagService="shop", x_Resource="0")
    assert party_of(everything, settings).service == "shop"
    assert party_of({**everything, "x_TagService": None}, settings).service == "disk"
    assert party_of(row(SubAccountId="2100"), settings).model_dump()["how"] == "account"
    assert party_of(row(SubAccountId="9"), settings).service == ""
