"""From a document to its model: pydantic's findings told with line, field and the nearest valid value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from include.catalog.errors import Problem, nearest
from include.catalog.source import Document, Loc

M = TypeVar("M", bound=BaseModel)


def parse(document: Document, model: type[M], prefix: Loc = (), data: Any = None) -> tuple[M | None, list[Problem]]:
    """The model of a document (or of `data`, its part at `prefix`), or None; and every problem found on the way.

    A document with a problem in its writing (a variable that is not set, a repeated key) gives no model either.
    """
    if document.data is None:
        return None, list(document.problems)
    value = data if prefix else document.data
    if not isinstance(value, Mapping):
        return None, [*document.problems, document.problem(prefix, "needs fields (name: value) here, and has none")]
    problems = [] if prefix else list(document.problems)
    try:
        found = model.model_validate(value)
    except ValidationError as error:
        return None, _distinct([*problems, *explain(document, error, model, prefix)])
    return (None if problems else found), problems


def explain(document: Document, error: ValidationError, model: type[BaseModel], prefix: Loc = ()) -> list[Problem]:
    """Pydantic's errors as problems of the document."""
    schema = model.model_json_schema(by_alias=True)
    problems = []
    for detail in error.errors(include_url=False):
        loc = list(detail["loc"])
        what, near = _text(document, dict(detail), [*prefix, *loc], _fields(schema, loc[:-1]))
        if detail["type"].startswith("union_tag"):
            loc.append(str(detail["ctx"]["discriminator"]).strip("'"))
        problems.append(document.problem([*prefix, *loc], what, near))
    return problems


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    """The first problem of each field: what follows from it would only repeat it (each arm of a union, say)."""
    first: dict[tuple[str, int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.file, problem.line, problem.field), problem)
    return list(first.values())


_PLAIN = {
    "missing": "is required",
    "union_tag_not_found": "is required",
    "timezone_aware": "has no offset; write for example 2026-11-23T00:00:00+01:00, or Z for UTC",
    "model_type": "needs fields (name: value) here",
    "model_attributes_type": "needs fields (name: value) here",
    "dict_type": "needs fields (name: value) here",
    "list_type": "needs a list (- item) here",
}
_CHOICES = ("literal_error", "enum", "union_tag_invalid")


def _text(document: Document, detail: Mapping[str, Any], loc: Loc, fields: Sequence[str]) -> tuple[str, str | None]:
    """What is wrong, in words, and the nearest valid value. Shows values as written: a variable's value may be a secret."""
    kind, context, written = str(detail["type"]), detail.get("ctx", {}), document.written(loc)
    near: str | None = None
    if kind in _PLAIN:
        what = _PLAIN[kind]
    elif kind == "extra_forbidden":
        what, near = f"no field named {loc[-1]!r} here", _first(str(loc[-1]), fields)
    elif kind in _CHOICES:
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
        value = str(context.get("tag", written or ""))
        what, near = f"{value!r} is not one of: {', '.join(allowed)}", _first(value, allowed)
    elif kind == "string_pattern_mismatch" and str(context["pattern"]).startswith("^[a-z][a-z0-9-]"):
        what = f"{written or loc[-1]!r} is not a name: lower case, digits and dashes, 2 to 40 characters, a letter first"
        near = _as_name(written or str(loc[-1]))
    elif kind == "string_type" and type(detail["input"]) in _YAML_WORDS:
        what = f"should be text, and YAML reads {written or ''!r} as {_YAML_WORDS[type(detail['input'])]}; put it in quotes"
    elif kind == "value_error":
        what = str(context["error"])
    else:
        text = str(detail["msg"])
        what = f"{text[:1].lower()}{text[1:]}{f' (found {written!r})' if written is not None else ''}"
    return what, near


def _first(word: str, known: Sequence[str]) -> str | None:
    close = nearest(word, known)
    return close[0] if close else None


def _as_name(text: str) -> str | None:
    """The name that somebody meant: ``Order_Intake`` is ``order-intake``."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")
    return name if re.fullmatch(r"[a-z][a-z0-9-]+", name) else None


_YAML_WORDS: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}


def _fields(schema: Mapping[str, Any], loc: Loc) -> list[str]:
    """The fields that the model has at a place, by walking its JSON Schema."""
    definitions = schema.get("$defs", {})
    here: Mapping[str, Any] = schema
    for step in (*loc, None):
        while "$ref" in here:
            here = definitions[str(here["$ref"]).rpartition("/")[2]]
        if step is None:
            break
        tags = here.get("discriminator", {}).get("mapping", {})
        if isinstance(step, int):
            here = here.get("items", {})
        elif step in tags:
            here = {"$ref": tags[step]}
        elif step in here.get("properties", {}):
            here = here["properties"][step]
        else:
            patterns = list(here.get("patternProperties", {}).values())
            more = here.get("additionalProperties") or (patterns[0] if patterns else {})
            here = more if isinstance(more, Mapping) else {}
        here = next((arm for arm in here.get("anyOf", []) if arm.get("type") != "null"), here)
    return list(here.get("properties", {}))
