"""The YAML on the pages of Google Cloud and Azure is what the catalog takes."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from include.settings import PROJECT

CLOUDS = ["google", "azure"]


def example(cloud: str) -> dict[str, Any]:
    """The example of a cloud's page: its part of platform.yaml and of a service, as one document."""
    text = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs" / f"{cloud}.md").read_text(), re.DOTALL)[0]
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_example_is_valid(cloud: str) -> None:
    settings = import_module(f"include.clouds.{cloud}.settings")
    read = example(cloud)
    made = settings.SETTINGS.model_validate(read["clouds"][cloud]["settings"])
    assert made.port == 5432
    assert made.patience.total_seconds() == 900
    store = settings.Datastore.model_validate(read["datastores"][0])
    assert store.cloud == cloud
    assert store.region in {one["name"] for one in read["clouds"][cloud]["regions"]}
    assert store.customer_key


@pytest.mark.parametrize(
    ("cloud", "field", "value"),
    [
        ("google", "network", "default"),
        ("google", "network", None),
        ("google", "project", None),
        ("azure", "networks", {}),
        ("azure", "networks", {"westeurope": {"subnet": "default", "dns_zone": "none"}}),
        ("azure", "resource_group", None),
        ("azure", "public_access", True),
    ],
)
def test_a_sandbox_without_a_private_network_of_its_own_is_no_setting(cloud: str, field: str, value: Any) -> None:
    settings = import_module(f"include.clouds.{cloud}.settings")
    known = dict(example(cloud)["clouds"][cloud]["settings"])
    with pytest.raises(ValidationError, match=field):
        settings.SETTINGS.model_validate(known | {field: value})
