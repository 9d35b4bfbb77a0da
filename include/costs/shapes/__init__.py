"""One module an export shape: its columns as FOCUS columns. Each gives ``columns(source, keys) -> dict of expressions``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.settings import TagKeys
    from include.costs.source import Source

SHAPES = {
    "cur": "include.costs.shapes.cur",
    "focus": "include.costs.shapes.focus",
    "azure": "include.costs.shapes.azure",
    "google": "include.costs.shapes.google",
}


def columns(shape: str, source: Source, tags: TagKeys, mode: str) -> dict[str, ir.Value]:
    """The FOCUS columns of one delivered table, and our own ``x_`` columns. Columns that the export cannot give are absent."""
    module: Any = import_module(SHAPES[shape])
    if mode == "amortised":
        source.table = source.table.filter(module.committed(source))
    found: dict[str, ir.Value] = module.columns(source, mode)
    found.update(
        x_TagService=source.tag(*tags.service),
        x_TagEnvironment=source.tag(*tags.environment),
        x_TagTenant=source.tag(*tags.tenant),
        x_TagOwner=source.tag(*tags.owner),
        x_TagDestination=source.tag(*tags.destination),
        x_TagDrill=source.tag(*tags.drill),
    )
    return found
