"""The rule table: every example, every real string, and what must not be transfer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from include.costs.classify import NOT_TRANSFER, UNCLASSIFIED, Key, Rule, RuleTable, table
from include.costs.units import gb_factor, is_data_unit

PROVIDERS = {"aws": "AWS", "azure": "Microsoft", "google": "Google Cloud", "other": "Oracle"}


def key_of(rule: Rule, example: str) -> Key:
    """Examples are ``service|usage|operation``, ``text:…`` or ``transfer:…``."""
    parts = example.removeprefix("Oracle:").split("|") if "|" in example else ["", example.removeprefix("Oracle:")]
    what: dict[str, str] = {"provider": PROVIDERS[rule.id.split("-")[0]], "service": parts[0], "region": "here", "unit": "GB"}
    if parts[1].startswith("text:"):
        what["text"] = parts[1][5:]
    elif parts[1].startswith("transfer:"):
        what |= {"transfer": parts[1][9:], "usage": "XX-Strange"}
    else:
        what["usage"] = parts[1]
    if len(parts) > 2:
        what["operation"] = parts[2]
    return Key(**what)


@pytest.mark.parametrize("rule", table().rules, ids=lambda rule: rule.id)
def test_each_rule_decides_its_own_examples(rule: Rule) -> None:
    for example in rule.examples:
        verdict = table().classify(key_of(rule, example))
        assert verdict.transfer_class == rule.transfer_class, example
        if rule.transfer_class != NOT_TRANSFER:
            assert verdict.rule == rule.id, (example, verdict)


def aws(usage: str, **more: str) -> Key:
    return Key(**{"provider": "AWS", "usage": usage, "unit": "GB", "region": "eu-west-1"} | more)


def test_routes_are_regions_whatever_the_code_looks_like() -> None:
    verdict = table().classify(aws("USE1-EU-AWS-Out-Bytes"))
    assert (verdict.transfer_class, verdict.origin, verdict.to) == ("inter_region", "us-east-1", "eu-west-1")
    bare = table().classify(aws("DataTransfer-Out-Bytes", region="us-east-1"))
    assert (bare.origin, bare.to) == ("us-east-1", "internet")


@pytest.mark.parametrize(
    ("usage", "unit"),
    [
        ("NatGateway-Hours", "Hrs"),
        ("TimedStorage-ByteHrs", "GB-Mo"),
        ("USE1-VpcEndpoint-Hours", "Hrs"),
        ("USE1-BoxUsage:m5.large", "Hrs"),
        ("USW2-Requests-Tier1", "Requests"),
        ("CW:Logs-Bytes", "GB"),
        ("USE1-DataTransfer-Out-Bytes", "Requests"),
    ],
)
def test_what_is_not_transfer_never_is(usage: str, unit: str) -> None:
    assert table().classify(aws(usage, unit=unit)).transfer_class == NOT_TRANSFER


def test_what_looks_like_transfer_and_is_unknown_gets_its_own_line() -> None:
    assert table().classify(aws("EU-MediaMesh-Out-Bytes")).transfer_class == UNCLASSIFIED


def test_an_undeclared_class_matches_nothing_silently() -> None:
    rule = Rule.model_validate({"id": "x", "provider": "AWS", "usage": "Odd", "class": "odd", "source": "s", "examples": ["Odd"]})
    assert RuleTable([rule], {}, {}).classify(aws("Odd-Bytes")).transfer_class == "odd"


@pytest.mark.parametrize(
    ("unit", "gb"),
    [
        ("GB", "1"),
        ("10 GB", "10"),
        ("1 TB", "1000"),
        ("gibibyte", "1.073741824"),
        ("byte", "1E-9"),
        ("Bytes", "1E-9"),
        ("GiBy.", None),
        ("Hrs", None),
        ("GB-Mo", None),
        ("GB Hours", None),
        ("GigaBytes", "1"),
        ("1 GB/Month", None),
        ("", "1"),
        ("MiB", "0.001048576"),
    ],
)
def test_units(unit: str, gb: str | None) -> None:
    assert gb_factor(unit) == (None if gb is None else Decimal(gb))
    assert is_data_unit(unit) is (gb is not None)
