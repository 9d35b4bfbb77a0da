"""Transfer classes: the rule table, read once, applied once to each distinct key of a bill."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from include.costs.units import gb_factor, is_data_unit
from include.values import Frozen

RULES = Path(__file__).parent / "rules"
UNCLASSIFIED = "unclassified"
"""Looks like transfer, and no rule knows it: its own line in every report."""
NOT_TRANSFER = "not_transfer"

_SIEVE = re.compile(
    r"transfer|bandwidth|egress|ingress|bytes|xfer|peering|interconnect|data process|processed|traffic|download|\bcdn\b|network"
    r"|firewall|replication|per gb|front door",
    re.IGNORECASE,
)
"""What any rule could match: keys that do not pass are not looked at further."""
_SUSPECT = re.compile(
    r"data ?transfer|bandwidth|\begress\b|\bingress\b|data ?xfer|-(?:in|out)-[a-z]*bytes|bytes-?(?:in|out)\b|\bpeering\b",
    re.IGNORECASE,
)
"""What makes a key that no rule matches `unclassified` instead of `not_transfer`."""

Pattern = Literal["provider", "service", "usage", "operation", "transfer", "text"]
PATTERNS: tuple[Pattern, ...] = ("provider", "service", "usage", "operation", "transfer", "text")


class Rule(Frozen):
    """One line of rules/transfer.yaml."""

    id: str
    provider: str
    service: str | None = None
    usage: str | None = None
    operation: str | None = None
    transfer: str | None = None
    text: str | None = None
    transfer_class: str = Field(alias="class")
    origin: str = Field(default="", alias="from")
    to: str = ""
    source: str
    examples: tuple[str, ...] = Field(min_length=1)


class Key(Frozen):
    """What a class depends on, cleaned for matching."""

    provider: str = ""
    service: str = ""
    usage: str = ""
    operation: str = ""
    transfer: str = ""
    text: str = ""
    """The charge description, where the bill has no usage type."""
    region: str = ""
    from_region: str = ""
    to_region: str = ""
    unit: str = ""


class Verdict(Frozen):
    """The class of a key, its route, and what one unit of its quantity is in GB (None where the unit is no data)."""

    transfer_class: str
    origin: str = ""
    to: str = ""
    rule: str = ""
    gb: str | None = None


class RuleTable:
    """The rules in their order, compiled."""

    def __init__(self, rules: Iterable[Rule], classes: dict[str, str], places: dict[tuple[str, str], str]) -> None:
        self.rules = tuple(rules)
        self.classes = classes
        self._places = places
        self._compiled = [
            (rule, [(name, re.compile(value, re.IGNORECASE)) for name in PATTERNS if (value := getattr(rule, name))])
            for rule in self.rules
        ]

    def classify(self, key: Key) -> Verdict:
        """The first rule that matches decides; without one the key is `unclassified` or `not_transfer`."""
        factor = gb_factor(key.unit)
        amount = None if factor is None else str(factor)
        what = f"{key.usage} {key.text} {key.transfer}"
        if not is_data_unit(key.unit) or not (_SIEVE.search(what) or key.transfer):
            return Verdict(transfer_class=NOT_TRANSFER)
        for rule, patterns in self._compiled:
            groups = _match(patterns, key)
            if groups is None:
                continue
            if rule.transfer_class == NOT_TRANSFER:
                return Verdict(transfer_class=NOT_TRANSFER, rule=rule.id)
            origin = key.from_region or self._place(rule.origin, groups, key)
            to = key.to_region or self._place(rule.to, groups, key)
            return Verdict(transfer_class=rule.transfer_class, origin=origin, to=to, rule=rule.id, gb=amount)
        if _SUSPECT.search(what):
            return Verdict(transfer_class=UNCLASSIFIED, origin=key.region, gb=amount)
        return Verdict(transfer_class=NOT_TRANSFER)

    def _place(self, template: str, groups: dict[str, str], key: Key) -> str:
        """Fill ``{from}``, ``{to}``, ``{region}``; a group without a match is the word behind ``|``, or the charge's region."""
        found = re.sub(r"\{(\w+)(?:\|([^}]*))?\}", lambda m: groups.get(m[1], "") or m[2] or key.region, template).strip()
        return self._places.get((key.provider.lower(), found.lower()), found)


def _match(patterns: list[tuple[Pattern, re.Pattern[str]]], key: Key) -> dict[str, str] | None:
    groups: dict[str, str] = {}
    for name, pattern in patterns:
        value = getattr(key, name)
        if name == "usage" and not value:
            value = key.text
        hit = pattern.search(value)
        if hit is None:
            return None
        groups.update({k: v for k, v in hit.groupdict().items() if v})
    return groups


@lru_cache
def table() -> RuleTable:
    """The rule table of this version. Raises ValueError naming the rule whose class or source is not declared."""
    # The parser in C, where PyYAML has it: half a second of every report otherwise.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: dict[str, Any] = yaml.load((RULES / "transfer.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both loaders are safe ones
    rules = [Rule.model_validate(entry) for entry in raw["rules"]]
    for rule in rules:
        if rule.transfer_class not in {*raw["classes"], NOT_TRANSFER}:
            raise ValueError(f"rules/transfer.yaml, rule {rule.id}: class {rule.transfer_class!r} is not under `classes`")
        if rule.source not in raw["sources"]:
            raise ValueError(f"rules/transfer.yaml, rule {rule.id}: source {rule.source!r} is not under `sources`")
    with (RULES / "places.csv").open(encoding="utf-8", newline="") as file:
        places = {(row["provider"].lower(), row["alias"].lower()): row["region"] for row in csv.DictReader(file)}
    return RuleTable(rules, raw["classes"], places)
