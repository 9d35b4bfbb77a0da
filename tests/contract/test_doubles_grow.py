"""The doubles take more of their vendors' APIs than a drill needs: each from the vendor's own models, seconds of import."""

from __future__ import annotations

import pytest

from include.lab.azure import contract
from include.lab.google import discovery
from include.lab.google.plane import GooglePlane


@pytest.mark.parametrize("api", [("compute", "v1"), ("dns", "v1"), ("container", "v1"), ("monitoring", "v3")])
def test_other_apis_can_join(api: tuple[str, str]) -> None:
    methods = discovery.api(*api).methods
    assert len(methods) > 20
    plane = GooglePlane(api)
    plane.join({methods[0].id: lambda _: {}})


def test_other_sdks_can_join() -> None:
    routes = contract.routes("azure.mgmt.compute")
    assert any(route.operation == "virtual_machines_get" for route in routes)
    assert all(route.pattern.pattern.startswith("/") for route in routes)
