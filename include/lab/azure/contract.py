"""The Azure SDKs as routes and schemas: which calls exist, and which JSON keys their models know.

The generated clients hold both: ``build_…_request`` functions with method and URL template, and models whose
`_attr_to_rest_field` names every key and when it may be sent. An SDK drops unknown keys silently; here they are errors.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import EnumMeta
from functools import cache, partial
from importlib import import_module
from typing import Any

_BUILDER = re.compile(r"^def build_(\w+)_request\((.*?)(?=^def |\Z)", re.MULTILINE | re.DOTALL)
_URL = re.compile(r'_url = (?:kwargs\.pop\("template_url", |\()?\s*((?:"[^"]*"\s*)+)')
_METHOD = re.compile(r'method="([A-Z]+)"')
_VERSION = re.compile(r'"api-version", "([\d-]+(?:-preview)?)"')


OPEN = ("vmSize",)
"""Enums that the SDK itself calls incomplete (``VirtualMachineSizeTypes``)."""


class Invalid(ValueError):
    """A body with a key or a word that the SDK's model does not know."""


@dataclass(frozen=True)
class Route:
    """One call of one SDK."""

    operation: str
    """``servers_get``: the operation group and its method."""
    http: str
    pattern: re.Pattern[str]
    api_version: str


@cache
def routes(package: str) -> tuple[Route, ...]:
    """Every call of an SDK such as ``azure.mgmt.postgresqlflexibleservers``, or of one of its modules of operations."""
    module = package if ".operations." in package else f"{package}.operations._operations"
    source = inspect.getsource(import_module(module))
    found = []
    for name, body in _BUILDER.findall(source):
        url = "".join(re.findall(r'"([^"]*)"', _URL.search(body)[1]))  # type: ignore[index]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(url))
        version, method = _VERSION.search(body), _METHOD.search(body)
        found.append(
            Route(
                operation=name,
                http=method[1] if method else "GET",
                # ARM compares paths without regard to case.
                pattern=re.compile(pattern + "$", re.IGNORECASE),
                api_version=version[1] if version else "",
            )
        )
    return tuple(found)


def find(known: Iterable[Route], http: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The call that a request makes, with its variables."""
    for route in known:
        if route.http == http and (match := route.pattern.match(path)):
            return route, match.groupdict()
    return None


def check(model: Any, value: Any, visibility: str, where: str = "") -> None:
    """Raise Invalid unless JSON fits an SDK model: known keys only, each allowed at that time, known words for enums.

    `visibility`: ``create`` (PUT), ``update`` (PATCH) or ``read`` (an answer).
    """
    where = where or model.__name__
    if not isinstance(value, dict):
        raise Invalid(f"{where}: an object is expected, not {type(value).__name__}")
    fields = {field._rest_name: field for field in model()._attr_to_rest_field.values()}
    for key, inner in value.items():
        field = fields.get(key)
        if field is None:
            raise Invalid(f"{where}: {model.__name__} knows no key {key!r}")
        if visibility not in (field._visibility or [visibility]):
            raise Invalid(f"{where}.{key} cannot be part of a {visibility}; it may be of {', '.join(field._visibility)}")
        kind = field._class_type
        if isinstance(kind, type) and hasattr(kind, "_is_model"):
            check(kind, inner, visibility, f"{where}.{key}")
        elif key not in OPEN and (words := _words(kind)):
            if inner not in words:
                raise Invalid(f"{where}.{key}: {inner!r} is none of {', '.join(words)}")
        elif kind is int and (not isinstance(inner, int) or isinstance(inner, bool)):
            raise Invalid(f"{where}.{key}: a number is expected, not {inner!r}")


def _words(kind: Any) -> list[str]:
    """The words of an enum field; empty for any other."""
    for option in kind if isinstance(kind, list) else ():
        for argument in option.args if isinstance(option, partial) else ():
            if isinstance(argument, EnumMeta):
                return [str(word.value) for word in argument]  # type: ignore[var-annotated]
    return []
