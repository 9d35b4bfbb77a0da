import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from catalog_files import HARBOUR, harbour

from include.catalog import schema
from include.settings import PROJECT

EXAMPLE = PROJECT / "include" / "platforms" / "example"
KINDS = {"platform.yaml": "platform", "tenants.yaml": "tenants", "rates.yaml": "rates"}


def kind_of(path: Path) -> str:
    return KINDS.get(path.name) or path.parent.name.removesuffix("s")


def as_json(path: Path) -> object:
    """The file as an editor sees it: text where YAML knows dates, text keys."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return json.loads(json.dumps(yaml.load(path.read_text(), loader), default=lambda value: value.isoformat()))


def files(base: Path) -> list[Path]:
    """The catalog's own files; costs.yaml is read by the room of costs, with its own model."""
    return [path for path in sorted(base.rglob("*.yaml")) if ".expectations" not in path.name and path.name != "costs.yaml"]


@cache
def published(kind: str) -> jsonschema.Draft202012Validator:
    found = json.loads((schema.SCHEMA_DIR / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


RENDERED = schema.rendered()


@pytest.mark.parametrize("path", sorted(RENDERED), ids=lambda path: path.name)
def test_the_published_schema_is_current(path):
    assert path.read_text() == RENDERED[path], "run: drillyard catalog schema --write"


def test_nothing_else_is_published():
    assert sorted(schema.SCHEMA_DIR.iterdir()) == sorted(RENDERED)


@pytest.mark.parametrize("base", [HARBOUR, EXAMPLE], ids=["harbour", "example"])
def test_good_files_follow_their_schema(base):
    for path in files(base):
        assert [error.message for error in published(kind_of(path)).iter_errors(as_json(path))] == [], path.name


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("platform.yaml", "currency:", "curency:"),
        ("platform.yaml", "sandbox_root:", "sandbox:"),
        ("platform.yaml", "  selfhosted:", "  elsewhere:"),
        ("services/orders.yaml", "kind: base_backup", "kind: base_bakup"),
        ("services/orders.yaml", "cloud: selfhosted", "cloud: elsewhere"),
        ("services/orders.yaml", "tier: tier-1", "tier: Tier_1"),
        ("tenants.yaml", "class: shared", "class: sharde"),
        ("environments/staging.yaml", "owner: core", "owner: 5"),
        ("rates.yaml", "compute_per_hour: 0.12", "compute_per_hour: [cheap]"),
    ],
)
def test_an_editor_sees_the_mistake_too(tmp_path, file, old, new):
    path = harbour(tmp_path, (file, old, new)) / file
    assert list(published(kind_of(path)).iter_errors(as_json(path)))


def test_fields_are_described_for_editors():
    fields = json.loads((schema.SCHEMA_DIR / "platform.schema.json").read_text())["$defs"]["Tier"]["properties"]
    assert "lost" in fields["rpo"]["description"]
