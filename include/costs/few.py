"""Which text columns of a query can hold a few known values only: told from the expressions, without looking at a row.

A file writer that knows them need not build a dictionary of its own from every row, which is most of its work.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.operations as ops
    import ibis.expr.types as ir

MOST = 1000
"""More values than this are not few: each row group of a file repeats its dictionary."""
Values = frozenset[str] | None
"""All values that an expression may have besides NULL; None where nobody knows."""


def few_values(table: ir.Table, known: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """The text columns of `table` with few values, and these, sorted. More values than the column holds are allowed.

    `known` are the values of columns by name, wherever a step of the query (not a delivered file) has a column of this name.
    """
    look = _Look(known)
    found = {name: look.values(table[name].op()) for name, kind in table.schema().items() if kind.is_string()}
    return {name: tuple(sorted(values)) for name, values in found.items() if values and _writable(values)}


def _writable(values: frozenset[str]) -> bool:
    """Few enough, and without the one character that no SQL text can hold."""
    return len(values) <= MOST and not any("\0" in value for value in values)


class _Look:
    def __init__(self, known: Mapping[str, frozenset[str]]) -> None:
        self.known = known
        self._seen: dict[object, Values] = {}

    def values(self, node: object) -> Values:
        """All values of an expression; None where they are not known."""
        if node not in self._seen:
            self._seen[node] = self._values(node)
        return self._seen[node]

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
        return self._field(node) if isinstance(node, ops.Field) else None

    def _any(self, nodes: Iterable[object]) -> Values:
        each = [self.values(node) for node in nodes]
        return frozenset().union(*(values for values in each if values)) if None not in each else None

    def _field(self, node: ops.Field) -> Values:
        import ibis.expr.operations as ops

        if isinstance(node.rel, ops.PhysicalTable):
            # A column of a file may have a name of ours and hold anything.
            return None
        if node.name in self.known:
            return self.known[node.name]
        mine = node.rel.values[node.name]
        # The same expression under a name whose values are known: SkuId is the usage type in a CUR.
        twin = next((n for n in self.known if n in node.rel.values and node.rel.values[n] == mine), None)
        return self.known[twin] if twin is not None else self.values(mine)


def _joined(parts: list[frozenset[str]]) -> Values:
    count = 1
    for part in parts:
        count *= len(part)
    return frozenset("".join(texts) for texts in product(*parts)) if count <= MOST else None
