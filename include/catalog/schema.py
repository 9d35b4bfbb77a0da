"""The models of the catalog's files with every cloud's part in them, and their published JSON Schemas."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, create_model

from include.catalog.model import Environment, Platform, Rates, Service, Tenants
from include.clouds import CLOUDS, datastore_models

SCHEMA_DIR = Path(__file__).parent / "schema"
ID = "https://drillyard.dev/schema/catalog/{kind}.schema.json"
"""Identifies a schema; nothing is fetched from there."""


@cache
def service_model() -> type[Service]:
    """`Service` whose datastores are a union, by `cloud`, of the clouds' own models."""
    models = datastore_models()
    item: Any = models[0] if len(models) == 1 else Annotated[Union[models], Field(discriminator="cloud")]  # noqa: UP007
    return create_model(
        "Service", __base__=Service, __doc__=Service.__doc__, datastores=(list[item], Field(default_factory=list))
    )


def settings_model(cloud: str) -> type[BaseModel] | None:
    """The model of ``clouds.NAME.settings``, or None where the cloud's room has none. Imports no SDK."""
    model: type[BaseModel] | None = getattr(import_module(f"{CLOUDS[cloud]}.settings"), "SETTINGS", None)
    return model


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of each kind of file: platform, service, tenants, environment, rates."""
    kinds: dict[str, type[BaseModel]] = {
        "platform": Platform,
        "service": service_model(),
        "tenants": Tenants,
        "environment": Environment,
        "rates": Rates,
    }
    found = {}
    for kind, model in kinds.items():
        schema = model.model_json_schema(by_alias=True)
        if kind == "platform":
            _add_settings(schema)
        found[kind] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID.format(kind=kind), **schema}
    return found


def rendered() -> dict[Path, str]:
    """The files to publish, with their text."""
    return {
        SCHEMA_DIR / f"{kind}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for kind, schema in schemas().items()
    }


def _add_settings(schema: dict[str, Any]) -> None:
    """Each known cloud gets its own `settings`, so that an editor completes them."""
    clouds = schema["properties"]["clouds"]
    clouds["properties"] = {}
    clouds["additionalProperties"] = False
    for cloud in sorted(CLOUDS):
        model = settings_model(cloud)
        if model is None:
            clouds["properties"][cloud] = {"$ref": "#/$defs/Cloud"}
            continue
        own = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{cloud}_{{model}}")
        for name, definition in own.pop("$defs", {}).items():
            schema["$defs"][f"{cloud}_{name}"] = definition
        schema["$defs"][f"{cloud}_settings"] = own
        entry = json.loads(json.dumps(schema["$defs"]["Cloud"]))
        entry["properties"]["settings"] = {"$ref": f"#/$defs/{cloud}_settings"}
        if own.get("required"):
            entry["required"] = [*entry.get("required", []), "settings"]
        schema["$defs"][f"{cloud}_cloud"] = entry
        clouds["properties"][cloud] = {"$ref": f"#/$defs/{cloud}_cloud"}
