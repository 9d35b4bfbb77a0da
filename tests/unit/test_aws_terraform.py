"""The Terraform example: it parses, everything it refers to is there, and it gives what the code demands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from include.clouds.aws.policy import CALLS, FOLDER
from include.clouds.aws.settings import HARMLESS
from include.settings import PROJECT

EXAMPLE = PROJECT / "docs" / "terraform" / "aws"
FILES = sorted(EXAMPLE.glob("*.tf"))
TEXT = "\n".join(path.read_text() for path in FILES)


def bare(name: Any) -> str:
    return str(name).strip('"')


@cache
def parsed(path: Path) -> dict[str, Any]:
    return hcl2.loads(path.read_text())


def blocks(kind: str) -> list[dict[str, Any]]:
    return [one for path in FILES for one in parsed(path).get(kind, [])]


def declared() -> set[str]:
    found = {f"var.{bare(name)}" for one in blocks("variable") for name in one}
    for prefix, kind in (("", "resource"), ("data.", "data")):
        found |= {f"{prefix}{bare(a)}.{bare(b)}" for one in blocks(kind) for a, inner in one.items() for b in inner}
    return found


def referred() -> set[str]:
    code = re.sub(r"#.*", "", TEXT)
    found = set(re.findall(r"\bvar\.\w+", code)) | set(re.findall(r"\bdata\.\w+\.\w+", code))
    return found | set(re.findall(r"(?<![\w.\"])aws_\w+\.\w+", re.sub(r"data\.\w+\.\w+", "", code)))


def test_the_files_parse_and_every_reference_is_declared() -> None:
    assert [path.name for path in FILES] == ["main.tf", "power.tf", "reader.tf"]
    assert referred() <= declared()
    assert {name for name in declared() if name.startswith("var.")} <= referred()


def test_a_reference_to_nothing_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.TEXT", TEXT + "\nvalue = aws_vpc.nowhere.id\n")
    assert referred() - declared() == {"aws_vpc.nowhere"}


def test_every_policy_is_attached_to_its_role() -> None:
    for role in {role for _, role in CALLS}:
        (attached,) = re.findall(r"toset\(\[([^\]]*)\]\)(?:(?!\n}).)*?\." + role + r"\.json", TEXT, re.DOTALL)
        assert {bare(one.strip()) for one in attached.split(",")} == {dag for dag, of in CALLS if of == role}
    assert all((FOLDER / f"{dag}.{role}.json").exists() for dag, role in CALLS)


def test_the_parameter_group_is_harmless() -> None:
    for name, values in HARMLESS.items():
        found = re.search(rf'name\s*=\s*"{re.escape(name)}"\s*value\s*=\s*"([^"]*)"', TEXT)
        assert found is not None, name
        assert found[1] in values


def test_nothing_gets_out_of_the_sandbox() -> None:
    assert "egress {" not in TEXT
    assert "0.0.0.0/0" not in TEXT
    assert not {"aws_internet_gateway", "aws_nat_gateway", "aws_route"} & set(re.findall(r'resource "(\w+)"', TEXT))
