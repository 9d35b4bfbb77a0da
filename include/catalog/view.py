"""What a file says, readable or not as its model: so that one wrong field does not hide what is wrong with another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class View:
    """A value as YAML gave it. Whatever is missing or of another kind is simply not there."""

    value: Any

    def at(self, *keys: str) -> View:
        """The field below, or a view of nothing."""
        value = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return View(value)

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def items(self) -> list[tuple[int, View]]:
        """The items of a list, each with its place."""
        return [(index, View(item)) for index, item in enumerate(self.value)] if isinstance(self.value, list) else []

    def fields(self) -> dict[str, View]:
        """The fields of a mapping."""
        return {str(key): View(item) for key, item in self.value.items()} if isinstance(self.value, Mapping) else {}

    def texts(self, *keys: str) -> list[tuple[int, str]]:
        """Of a list, every text with its place: the items themselves, or their field at `keys`."""
        found = [(index, item.at(*keys).text) for index, item in self.items()]
        return [(index, text) for index, text in found if text is not None]
