"""One delivered table, asked for by meaning: columns under any spelling, nested fields, JSON maps and tags."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.headers import canonical

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir

_TAG_COLUMN = re.compile(r"^(?:resourceTags/(?:user|aws):|resource_tags_(?:user|aws)_|label_|tag_)(.+)$", re.IGNORECASE)
_TAG_BAGS = ("tags", "resourcetags", "labels", "xtags")
"""Columns that hold all tags of a row at once: JSON text, a map, or a list of key and value."""


class WrongKind(ValueError):
    """A column that money or time depends on holds something else: the file cannot be used."""


def flatten(schema: Any) -> list[str]:
    """Column names with the fields of structs behind a dot: ``sku.description``. Their order is the table's."""
    names = []
    for name, kind in schema.items():
        names.append(name)
        if kind.is_struct():
            names += [f"{name}.{inner}" for inner in flatten(kind.fields)]
    return names


def first(*values: ir.Value) -> ir.Value:
    """Coalesce, without the NULL literals and repetitions that an export's missing columns leave behind."""
    import ibis

    kept: list[ir.Value] = []
    for value in values:
        if not is_null(value) and not any(value.equals(other) for other in kept):
            kept.append(value)
    if not kept:
        return values[0]
    return ibis.coalesce(*kept) if len(kept) > 1 else kept[0]


def is_null(value: ir.Value) -> bool:
    """True for a NULL literal, cast or not."""
    import ibis.expr.operations as ops

    node = value.op()
    while isinstance(node, ops.Cast):
        node = node.arg
    return isinstance(node, ops.Literal) and node.value is None


class Source:
    """A table as delivered, with the header that its file really had.

    `names` maps a column of the table to its name in the file (positional names for CSV, itself for Parquet).
    `fast` is True where a double may be converted without its text (see `money.from_double`).
    """

    def __init__(
        self, table: ir.Table, names: dict[str, str], *, fast: bool, day_first: bool = False, decimal_comma: bool = False
    ) -> None:
        self.table = table
        self.decimal_comma = decimal_comma
        self.fast = fast
        self.day_first = day_first
        self.names = names
        self._paths: dict[str, str] = {}
        for column, original in names.items():
            self._paths.setdefault(canonical(original), column)

    def at(self, numbers: ir.Table) -> Source:
        """Only the rows that have one of these numbers (`engines.ROW`)."""
        from include.costs.engines import ROW

        kept = self.table.semi_join(numbers, ROW)
        return Source(kept, self.names, fast=self.fast, day_first=self.day_first, decimal_comma=self.decimal_comma)

    def has(self, *names: str) -> bool:
        """True when one of the columns is there."""
        return any(name in self._paths for name in names)

    def column(self, name: str) -> ir.Value | None:
        """The column, a struct's field or a map's entry by its canonical name; None when there is none."""
        path = self._paths.get(name)
        if path is None:
            return None
        first, *rest = path.split(".") if path not in self.table.columns else [path]
        return reduce(lambda value, field: value[field], rest, self.table[first])

    def needed(self, name: str) -> ir.Value:
        """A column that `headers.recognise` asked for. Raises KeyError when it is not there."""
        value = self.column(name)
        if value is None:
            raise KeyError(f"no column {name}: the file was not recognised by its header")
        return self._pointed(value)

    def _pointed(self, value: ir.Value) -> ir.Value:
        """Numbers in text with a decimal point, where the file writes a comma: ``1.234,5`` → ``1234.5``.

        What is no such number, such as ``1.5``, must not become one by mistake: it gets a mark that no parser accepts.
        """
        if not self.decimal_comma or not value.type().is_string():
            return value
        import ibis

        written = r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)?(,[0-9]+)?([eE][+-]?[0-9]+)?$"
        pointed = value.replace(".", "").replace(",", ".")
        return ibis.cases((value.re_search(written), pointed), else_=ibis.literal("?") + value)

    def _first(self, names: tuple[str, ...]) -> list[ir.Value]:
        found = [self.column(name) for name in names]
        return [value for value in found if value is not None]

    def text(self, *names: str) -> ir.StringValue:
        """The first of these columns that is not empty, as text; NULL when none is."""
        import ibis

        values = [v.cast("string").nullif("") for v in self._first(names) if is_plain(v)]
        return first(*values, ibis.null("string"))

    def entry(self, bag: str, key: str) -> ir.StringValue:
        """One entry of a map column (a map in Parquet, JSON in CSV); NULL when there is none."""
        import ibis

        value = self.column(bag)
        if value is None:
            return ibis.null("string")
        if _is_text_map(value.type()):
            return value.get(key).nullif("")
        if value.type().is_string():
            return json_entry(value, key)
        return ibis.null("string")

    def amount(self, *names: str, kind: str = money.MONEY) -> ir.DecimalValue:
        """The first of these columns that is a number; NULL when none is."""
        import ibis

        values = [self._decimal(v, kind) for v in self._first(names) if may_be_number(v)]
        return first(*values, ibis.null(kind))

    def _decimal(self, value: ir.Value, kind: str) -> ir.Value:
        found: dt.DataType = value.type()
        if found.is_string():
            return money.from_text(self._pointed(value), kind)
        if found.is_floating():
            return money.from_double(value, fast=self.fast) if kind == money.MONEY else value.try_cast(kind)
        if found.is_decimal() and (found.scale or 0) > money.SCALE:
            return value.cast("string").try_cast(kind)
        return value.try_cast(kind)

    def quantity(self, *names: str) -> ir.DecimalValue:
        """The first of these columns as a quantity (twelve decimals)."""
        return self.amount(*names, kind=money.QUANTITY)

    def time(self, *names: str) -> ir.TimestampValue:
        """The first of these columns as a UTC timestamp without zone; NULL where it cannot be read.

        Text may be ISO 8601 with or without ``T`` and ``Z``, ``M/D/YYYY`` (or ``D/M/YYYY`` where the file shows a first
        number above 12), or ``YYYYMMDD``.
        """
        import ibis

        values = [self._instant(v) for v in self._first(names) if may_be_instant(v)]
        return first(*values, ibis.null("timestamp"))

    def _instant(self, value: ir.Value) -> ir.Value:
        found = value.type()
        if found.is_unknown():
            # Nanoseconds with a zone, which Ibis does not know and DuckDB casts by way of microseconds only.
            return value.cast("timestamp('UTC', 6)").cast("timestamp")
        if found.is_integer():
            # 20261003 as a number, as pandas and Athena read it from text.
            value = value.cast("string")
        elif not found.is_string():
            return value.cast("timestamp")
        import ibis

        day, month = (1, 2) if self.day_first else (2, 1)
        parts = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})"
        slashed = (
            value.re_extract(parts, 3)
            + ibis.literal("-")
            + value.re_extract(parts, month).lpad(2, "0")
            + ibis.literal("-")
            + value.re_extract(parts, day).lpad(2, "0")
        )
        clock = value.substr(11, 8).nullif("").fill_null("00:00:00")
        packed = value.substr(0, 4) + ibis.literal("-") + value.substr(4, 2) + ibis.literal("-") + value.substr(6, 2)
        return ibis.cases(
            (value.isnull(), ibis.null("timestamp")),
            (value.contains("/"), slashed.try_cast("timestamp")),
            (value.length() == 8, packed.try_cast("timestamp")),
            else_=(value.substr(0, 10) + ibis.literal(" ") + clock).try_cast("timestamp"),
        )

    def tag(self, *keys: str) -> ir.StringValue:
        """The value of the first of these tags that the row has: in a column of its own, a map, a list or JSON text."""
        import ibis

        found: list[ir.Value] = []
        for key in keys:
            found += [v.cast("string").nullif("") for v in self._tag_columns(key)]
            for bag in _TAG_BAGS:
                value = self.column(bag)
                if value is not None:
                    found.append(_from_bag(value, key))
        return first(*found, ibis.null("string"))

    def _tag_columns(self, key: str) -> list[ir.Value]:
        wanted = canonical(key)
        hits = []
        for column, original in self.names.items():
            match = _TAG_COLUMN.match(original)
            if match and canonical(match.group(1)) == wanted and self._has_plain(column):
                hits.append(self.table[column])
        return hits

    def _has_plain(self, column: str) -> bool:
        return column in self.table.columns and is_plain(self.table[column])

    def tags_json(self) -> ir.StringValue:
        """All tags of a row as a JSON object, as FOCUS wants them; NULL when there are none."""
        import ibis

        for bag in _TAG_BAGS:
            value = self.column(bag)
            if value is not None:
                return bag_json(value)
        own = [(m.group(1), c) for c, o in self.names.items() if (m := _TAG_COLUMN.match(o)) and self._has_plain(c)]
        if not own:
            return ibis.null("string")
        # Joining leaves out the tags that are NULL. Building and filtering a list for each row is ten times slower.
        joined = ibis.literal(", ").join([_named_tag(key, self.table[c]) for key, c in own])
        return ibis.literal("{") + joined.nullif("") + "}"


def is_plain(value: ir.Value) -> bool:
    """One value that has a text: no list, no struct, no bytes."""
    kind = value.type()
    return not (kind.is_nested() or kind.is_binary())


def may_be_number(value: ir.Value) -> bool:
    """Numbers, and texts that may be some. Whether each of them is shows in its row."""
    kind = value.type()
    return bool(kind.is_numeric() or kind.is_string()) and not kind.is_boolean()


def may_be_instant(value: ir.Value) -> bool:
    """Instants, dates, texts, and numbers such as 20261003."""
    kind = value.type()
    return bool(kind.is_timestamp() or kind.is_date() or kind.is_string() or kind.is_integer() or kind.is_unknown())


def _is_text_map(kind: Any) -> bool:
    return bool(kind.is_map() and kind.key_type.is_string() and kind.value_type.is_string())


def _is_pairs(kind: Any) -> bool:
    """A list of key and value, both text."""
    if not (kind.is_array() and kind.value_type.is_struct()):
        return False
    fields = kind.value_type
    return {"key", "value"} <= set(fields.names) and fields["key"].is_string() and fields["value"].is_string()


def _named_tag(key: str, value: ir.Value) -> ir.StringValue:
    import ibis

    return ibis.literal(f'"{key}": "') + _escaped(value.cast("string").nullif("")) + '"'


def _escaped(text: ir.StringValue) -> ir.StringValue:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def json_entry(text: ir.StringValue, key: str) -> ir.StringValue:
    """One entry of a flat JSON object in text, or of Azure's tags without braces; or of a JSON list of key and value."""
    import ibis

    name = re.escape(key)
    plain = text.re_extract(r'(?i)"(?:user:|user_|aws:)?' + name + r'"\s*:\s*"((?:[^"\\]|\\.)*)"', 1).nullif("")
    listed = text.re_extract(r'(?i)"key"\s*:\s*"' + name + r'"\s*,\s*"value"\s*:\s*"((?:[^"\\]|\\.)*)"', 1).nullif("")
    return ibis.coalesce(plain, listed)


def _from_bag(value: ir.Value, key: str) -> ir.Value:
    import ibis

    kind = value.type()
    if kind.is_string():
        return json_entry(value, key)
    if _is_text_map(kind):
        spellings = (key, f"user_{key}", f"user:{key}")
        return ibis.coalesce(*[value.get(spelling).nullif("") for spelling in spellings])
    if _is_pairs(kind):
        # The smallest of the values, because [0] of an empty list is an error in Spark.
        return value.filter(lambda pair: pair["key"] == key).map(lambda pair: pair["value"]).mins().nullif("")
    return ibis.null("string")


def bag_json(value: ir.Value) -> ir.StringValue:
    """A map, a list of key and value, or text, as a JSON object in text."""
    import ibis

    kind = value.type()
    if kind.is_string():
        bare = ~value.startswith("{") & ~value.startswith("[")
        return ibis.cases((value.isnull(), ibis.null("string")), (bare, ibis.literal("{") + value + "}"), else_=value)
    if _is_text_map(kind):
        pairs = value.keys().zip(value.values()).map(lambda p: _pair(p["f1"], p["f2"]))
    elif _is_pairs(kind):
        pairs = value.map(lambda p: _pair(p["key"], p["value"]))
    else:
        return ibis.null("string")
    return ibis.cases((value.isnull(), ibis.null("string")), else_=ibis.literal("{") + pairs.join(", ") + "}")


def _pair(key: ir.StringValue, value: ir.StringValue) -> ir.StringValue:
    import ibis

    return ibis.literal('"') + _escaped(key) + '": "' + _escaped(value.fill_null("")) + '"'
