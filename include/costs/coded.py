"""Which columns of a query follow from a bill's keys: they are worked out once for each key, not for each row.

A bill of ten million rows has some ten thousand keys. A file writer that has a column's values by key, and each row's key,
neither computes nor hashes a text for every row, which is most of its work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis.expr.types as ir

NUMBER = "x_Number"
"""Of keys: 0, 1, 2, ...; of a query: the number of its row's key."""


class Keyed(NamedTuple):
    """The keys of a bill, and what of a query's rows they tell."""

    table: ir.Table
    """`NUMBER` beside what a key holds."""
    known: tuple[tuple[ir.Value, ir.Value], ...]
    """Columns of steps below the query, each with the same value by key."""


class Split(NamedTuple):
    """The columns of a query, apart. Each is in one of the three."""

    by_key: dict[str, ir.Value]
    """Over the keys."""
    masked: dict[str, ir.Value]
    """Over the keys; in rows where the query's column is NULL it is NULL."""
    by_row: dict[str, ir.Value]
    """Over the query."""


def by_key(value: ir.Value, keyed: Keyed) -> ir.Value | None:
    """A value of the rows over the keys; None where they do not tell it."""
    return _Moving(keyed.known).to_keys(value)


def split(table: ir.Table, keyed: Keyed) -> Split:
    """Tell the columns of `table` apart, `NUMBER` left out.

    Names mean nothing here: a later step may give the name of a known column to something else.
    """
    apart = Split({}, {}, {})
    moving = _Moving(keyed.known)
    for name in table.columns:
        if name == NUMBER:
            continue
        value = moving.to_keys(table[name])
        masked = None if value is not None else moving.masked(table[name])
        if value is not None:
            apart.by_key[name] = value
        elif masked is not None:
            apart.masked[name] = masked
        else:
            apart.by_row[name] = table[name]
    return apart


def origin(node: object) -> object:
    """The expression behind a column that later steps only hand on; a delivered column, or one of a lookup, is its own."""
    import ibis.expr.operations as ops

    while isinstance(node, ops.Field) and not isinstance(node.rel, ops.PhysicalTable):
        node = node.rel.values[node.name]
    return node


class _OfTheRow(Exception):
    """An expression needs something that the keys do not have."""


class _Moving:
    """Expressions over rows as expressions over keys."""

    def __init__(self, known: Iterable[tuple[ir.Value, ir.Value]]) -> None:
        self._moved: dict[object, object] = {origin(here.op()): there.op() for here, there in known}

    def to_keys(self, value: ir.Value) -> ir.Value | None:
        try:
            moved: ir.Value = self._node(value.op()).to_expr()  # type: ignore[attr-defined]
        except _OfTheRow:
            return None
        return moved

    def masked(self, value: ir.Value) -> ir.Value | None:
        """What a key gives where a condition of the row holds; elsewhere the column is NULL."""
        import ibis.expr.operations as ops

        node = origin(value.op())
        if not isinstance(node, ops.SearchedCase) or len(node.cases) != 1 or not _is_nothing(node.default):
            return None
        return self.to_keys(node.results[0].to_expr())

    def _node(self, node: object) -> object:
        own = origin(node)
        if own not in self._moved:
            self._moved[own] = self._rebuilt(own)
        return self._moved[own]

    def _rebuilt(self, node: object) -> object:
        import ibis.expr.operations as ops

        if isinstance(node, ops.Literal):
            return node
        if not isinstance(node, ops.Value) or isinstance(node, (ops.Field, ops.Analytic, ops.Reduction, ops.Subquery)):
            raise _OfTheRow
        return node.copy(**{name: self._argument(value) for name, value in zip(node.argnames, node.args, strict=True)})

    def _argument(self, value: object) -> object:
        import ibis.expr.operations as ops

        if isinstance(value, tuple):
            return tuple(self._argument(one) for one in value)
        return self._node(value) if isinstance(value, ops.Node) else value


def _is_nothing(node: object) -> bool:
    from include.costs.source import is_null

    return is_null(node.to_expr())  # type: ignore[attr-defined]
