"""Which text columns of a query can hold a few known values only: told from the expressions, without looking at a row.

A file writer that knows them need not build a dictionary of its own from every row, which is most of its work.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import ibis.expr.types as ir

MOST = 1000
"""More values than this are not few: each row group of a file repeats its dictionary."""
Values = frozenset[str] | None
"""All values that an expression may have besides NULL; None where nobody knows."""


def few_values(table: ir.Table, known: Sequence[tuple[ir.Value, frozenset[str]]]) -> dict[str, tuple[str, ...]]:
    """The text columns of `table` with few values, and these, sorted. More values than the column holds are allowed.

    `known` are columns of steps below `table` with their values. Names mean nothing here: a later step may give the name of
    a known column to something else.
    """
    look = _Look({_origin(column.op()): values for column, values in known})
    found = {name: look.values(table[name].op()) for name, kind in table.schema().items() if kind.is_string()}
    return {name: tuple(sorted(values)) for name, values in found.items() if values and _writable(values)}


def _origin(node: object) -> object:
    """The expression behind a column that later steps only hand on; a delivered column, or one of a lookup, is its own."""
    import ibis.expr.operations as ops

    while isinstance(node, ops.Field) and not isinstance(node.rel, ops.PhysicalTable):
        node = node.rel.values[node.name]
    return node


def _writable(values: frozenset[str]) -> bool:
    """Few enough, and without the one character that no SQL text can hold."""
    return len(values) <= MOST and not any("\0" in value for value in values)


class _Look:
    def __init__(self, known: Mapping[object, frozenset[str]]) -> None:
        self._seen: dict[object, Values] = dict(known)

    def values(self, node: object) -> Values:
        """All values of an expression; None where they are not known."""
        origin = _origin(node)
        if origin not in self._seen:
            self._seen[origin] = self._values(origin)
        return self._seen[origin]

    def _values(self, node: object) -> Values:
        import ibis.expr.operations as ops

        if isinstance(node, ops.Literal):
            return frozenset() if node.value is None else frozenset((node.value,)) if isinstance(node.value, str) else None
        if isinstance(node, ops.Cast):
            return self.values(node.arg) if node.to.is_string() else None
        if isinstance(node, ops.Coalesce):
            return self._any(node.arg)
        if isinstance(node, (ops.SimpleCase, ops.SearchedCase)):
            return self._any((*node.results, node.default))
        if isinstance(node, ops.StringConcat):
            parts = [self.values(part) for part in node.arg]
            return _joined([part for part in parts if part is not None]) if None not in parts else None
        return None

    def _any(self, nodes: Iterable[object]) -> Values:
        each = [self.values(node) for node in nodes]
        return frozenset().union(*(values for values in each if values)) if None not in each else None


def _joined(parts: list[frozenset[str]]) -> Values:
    count = 1
    for part in parts:
        count *= len(part)
    return frozenset("".join(texts) for texts in product(*parts)) if count <= MOST else None
