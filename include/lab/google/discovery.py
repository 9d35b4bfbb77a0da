"""Google's discovery documents as routes and schemas: what a real method is, and what a body may hold.

The documents ship inside google-api-python-client. They say nothing of defaults, states and timing: those are the services'.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

_EXPANSION = re.compile(r"\{(\+?)(\w+)\}")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
}


class Invalid(ValueError):
    """A body or a parameter that Google's schema does not know. The text says which field and why."""


@dataclass(frozen=True)
class Method:
    """One method of one API version."""

    id: str
    """Google's name, such as ``sql.instances.get``."""
    api: str
    http: str
    pattern: re.Pattern[str]
    parameters: frozenset[str]
    request: str | None
    response: str | None


class Api:
    """One API in one version, such as ``sqladmin`` ``v1``."""

    def __init__(self, name: str, version: str) -> None:
        from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR  # type: ignore[import-untyped]

        with open(f"{DISCOVERY_DOC_DIR}/{name}.{version}.json", encoding="utf-8") as file:  # noqa: PTH123
            self._document: dict[str, Any] = json.load(file)
        self.name = f"{name}.{version}"
        self._schemas: dict[str, Any] = self._document["schemas"]
        common = frozenset(self._document.get("parameters", {}))
        self.methods = [self._method(raw, common) for raw in _methods(self._document)]

    def _method(self, raw: dict[str, Any], common: frozenset[str]) -> Method:
        path = self._document["servicePath"] + raw["path"]
        return Method(
            id=raw["id"],
            api=self.name,
            http=raw["httpMethod"],
            pattern=re.compile("/" + _as_regex(path, raw.get("parameters", {})) + "$"),
            parameters=common | frozenset(raw.get("parameters", {})),
            request=raw.get("request", {}).get("$ref"),
            response=raw.get("response", {}).get("$ref"),
        )

    def check(self, schema: str, value: Any, where: str = "") -> None:
        """Raise Invalid unless a value fits one of the document's schemas: no unknown name, right types, known enum words."""
        self._object(self._schemas[schema], value, where or schema)

    def _object(self, schema: dict[str, Any], value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise Invalid(f"{where}: an object is expected, not {type(value).__name__}")
        known, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            rule = known.get(name, more)
            if rule is None:
                raise Invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field.")
            self._value(rule, inner, f"{where}.{name}")

    def _value(self, rule: dict[str, Any], value: Any, where: str) -> None:
        if "$ref" in rule:
            self._object(self._schemas[rule["$ref"]], value, where)
            return
        kind = str(rule.get("type", "any"))
        if kind == "object":
            self._object(rule, value, where)
        elif kind != "any":
            self._simple(rule, kind, value, where)

    def _simple(self, rule: dict[str, Any], kind: str, value: Any, where: str) -> None:
        if not isinstance(value, _TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool)):
            raise Invalid(f"Invalid value at '{where}' ({kind}), {value!r}")
        if "enum" in rule and value not in rule["enum"]:
            raise Invalid(f"Invalid value at '{where}' (one of {', '.join(rule['enum'][:8])}), {value!r}")
        if rule.get("format") in ("int64", "uint64") and kind == "string" and not re.fullmatch(r"-?\d+", str(value)):
            raise Invalid(f"Invalid value at '{where}' (int64 as a string), {value!r}")
        items: list[Any] = value if kind == "array" else []  # type: ignore[assignment]
        for number, item in enumerate(items):
            self._value(rule["items"], item, f"{where}[{number}]")


def _methods(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(node.get("methods", {}).values())
    for resource in node.get("resources", {}).values():
        found += _methods(resource)
    return found


def _as_regex(path: str, parameters: dict[str, Any]) -> str:
    """A path template as a pattern: ``{name}`` is one segment, ``{+name}`` what its own pattern in the document says."""
    pieces, end = [], 0
    for match in _EXPANSION.finditer(path):
        own = parameters.get(match[2], {}).get("pattern", "^.+$").strip("^$") if match[1] else "[^/:]+"
        pieces += [re.escape(path[end : match.start()]), f"(?P<{match[2]}>{own})"]
        end = match.end()
    return "".join([*pieces, re.escape(path[end:])])


@cache
def api(name: str, version: str) -> Api:
    """One API, read once."""
    return Api(name, version)


@dataclass(frozen=True)
class Route:
    """What a request is for."""

    method: Method
    variables: dict[str, str]


def find(apis: list[Api], http: str, path: str) -> Route | None:
    """The method that a request calls, or None when Google has none there."""
    for one in apis:
        for method in one.methods:
            if method.http == http and (match := method.pattern.match(path)):
                return Route(method, match.groupdict())
    return None
