"""Catalog files as they are written: YAML with the line of every field, and ``${NAME}`` taken from the environment."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from include.catalog.errors import Problem, Severity, unknown

# libyaml when the wheel has it: a catalog of 1,000 services loads some ten times faster than with the Python scanner.
_FAST = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_DEEP = 5000
"""libyaml nests without a limit until the process dies. A file that could nest this deep is left to the Python scanner."""

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")

Loc = Sequence[int | str]
"""Where in a document: keys and indexes from the top, as pydantic gives them."""


def variables_in(text: str) -> frozenset[str]:
    """The names of all ``${NAME}`` in a catalog file's text."""
    return frozenset(found[1] for found in _VARIABLE.finditer(text) if found[1])


class Document:
    """One YAML file: its values, its lines and what is wrong with its writing. `data` is None when it could not be read.

    Semantics are YAML's safe loader's, except: keys are always text (``18:`` and ``on:`` mean "18" and "on"), a repeated
    key is a problem, and text values have their ``${NAME}`` replaced (with `environ` None: stay as they are).
    """

    def __init__(self, path: Path, base: Path, environ: Mapping[str, str] | None) -> None:
        self.path = path
        self.file = path.relative_to(base).as_posix()
        self.raw = b""
        self.data: Any = None
        self.problems: list[Problem] = []
        self._node: yaml.Node | None = None
        self._environ = environ
        self._read()

    def problem(self, loc: Loc, what: str, nearest: str | None = None, severity: Severity = "error") -> Problem:
        """A problem at a place of this document, with its line and its field path."""
        field, line = self.locate(loc)
        return Problem(self.file, line, field, what, nearest, severity)

    def unknown(self, loc: Loc, kind: str, word: str, known: Any) -> Problem:
        """A problem: what is named at this place does not exist."""
        what, near = unknown(kind, word, known)
        return self.problem(loc, what, near)

    def locate(self, loc: Loc) -> tuple[str, int]:
        """Field path and line of a place. Of a field that is missing: its path, and the line of what it is missing in.

        Pydantic puts the tag of a union (``selfhosted``, ``base_backup``) between the keys: it is no field, and skipped.
        """
        node, path, line = self._node, "", 1
        if node is not None:
            line = node.start_mark.line + 1
        for depth, step in enumerate(loc):
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in reversed(node.value) if pair[0].value == str(step)), None)
                if pair is None and (step == "[key]" or (depth < len(loc) - 1 and _has_value(node, step))):
                    continue
                path += f".{step}" if path else str(step)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                path += f"[{step}]"
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return path, line

    def written(self, loc: Loc) -> str | None:
        """The text of a single value as it stands in the file, before ``${NAME}`` was replaced: safe to print."""
        node: Any = self._node
        for step in loc:
            if isinstance(node, yaml.MappingNode):
                found = [pair[1] for pair in node.value if pair[0].value == str(step)]
                node = found[-1] if found else (node if _has_value(node, step) else None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def _read(self) -> None:
        try:
            self.raw = self.path.read_bytes()
            text = self.raw.decode("utf-8")
            loader = (yaml.SafeLoader if sum(map(text.count, ("[", "{", "- ", "? "))) > _DEEP else _FAST)(text)
            self._node = loader.get_single_node()
            if self._node is None:
                self.problems.append(Problem(self.file, 1, "", "is empty"))
                return
            self.data = self._build(loader, self._node, (), {})
        except OSError as error:
            self.problems.append(Problem(self.file, 1, "", f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError as error:
            line = self.raw[: error.start].count(b"\n") + 1
            self.problems.append(Problem(self.file, line, "", "is not UTF-8; save the file in that encoding"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = "; ".join(part for part in (error.problem, error.context) if part)
            self.problems.append(Problem(self.file, mark.line + 1 if mark else 1, "", f"is not valid YAML: {what}"))
        except (yaml.YAMLError, RecursionError) as error:
            self.problems.append(Problem(self.file, 1, "", f"is not valid YAML: {str(error).splitlines()[0]}"))

    def _build(self, loader: yaml.SafeLoader, node: yaml.Node, loc: tuple[int | str, ...], seen: dict[int, Any]) -> Any:
        """The value of a node. `seen` keeps the value of anchors, and finds an alias that contains itself."""
        if id(node) in seen:
            if seen[id(node)] is _OPEN:
                self.problems.append(self.problem(loc, "contains itself through an alias"))
                return None
            return seen[id(node)]
        seen[id(node)] = _OPEN
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(loader, node, loc, seen)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._build(loader, item, (*loc, index), seen) for index, item in enumerate(node.value)]
        else:
            value = self._scalar(loader, node, loc)
        seen[id(node)] = value
        return value

    def _mapping(self, loader: yaml.SafeLoader, node: yaml.MappingNode, loc: tuple[int | str, ...], seen: dict[int, Any]) -> Any:
        first: dict[Hashable, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a single word", problem_mark=key.start_mark)
            line = key.start_mark.line + 1
            if key.value in first:
                what = f"is written twice, first in line {first[key.value]}; keep one"
                field = self.locate((*loc, key.value))[0]
                self.problems.append(Problem(self.file, line, field, what))
            first.setdefault(key.value, line)
        loader.flatten_mapping(node)
        return {key.value: self._build(loader, value, (*loc, key.value), seen) for key, value in node.value}

    def _scalar(self, loader: yaml.SafeLoader, node: yaml.Node, loc: tuple[int | str, ...]) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return str(node.value) if self._environ is None else self._expand(str(node.value), loc, self._environ)
        try:
            return loader.construct_object(node)
        except ValueError as error:
            self.problems.append(self.problem(loc, f"{node.value!r} cannot be read: {error}"))
            return None

    def _expand(self, text: str, loc: tuple[int | str, ...], environ: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            name, default = match[1], match[2]
            if name is None:
                what = "'${' starts no variable; write ${NAME} or ${NAME:-default}, or $${ for the two characters themselves"
                self.problems.append(self.problem(loc, what))
                return match[0]
            found = environ.get(name)
            if default is not None:
                return found or default
            if found is None:
                what = f"variable {name} is not set; set it, or give a default: ${{{name}:-value}}"
                self.problems.append(self.problem(loc, what))
                return match[0]
            return found

        return _VARIABLE.sub(value, text)


_OPEN = object()


def _has_value(node: yaml.MappingNode, step: int | str) -> bool:
    return any(isinstance(value, yaml.ScalarNode) and value.value == str(step) for _, value in node.value)
