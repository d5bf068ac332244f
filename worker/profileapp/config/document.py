"""A part of a YAML file as plain data, with the position of each value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

DataPath = tuple[str | int, ...]
"""The path of a value in the data: keys and indices from the top."""
Place = Callable[[str], DataPath]
"""The path of an entry of a mapping."""


class Position(msgspec.Struct, frozen=True):
    """A position in a file; line and column count from 1."""

    line: int
    column: int


class Document(msgspec.Struct, frozen=True):
    """A part of a YAML file as plain data.

    `positions` has the position of every value by its path, `key_positions` that of every key, `raw_scalars` the text
    of every scalar as in the file (`on`, `0x10`, `1.10`).
    """

    data: Any
    positions: dict[DataPath, Position]
    key_positions: dict[DataPath, Position]
    raw_scalars: dict[DataPath, str]

    def position(self, path: DataPath, *, of_key: bool = False) -> Position:
        """The position of a value, or of its key; if it has none, that of the nearest enclosing value."""
        places = self.key_positions if of_key else self.positions
        while path and path not in places:
            path, places = path[:-1], self.positions
        return places.get(path, Position(1, 1))
