"""A part of a YAML file as plain data, with the place of each value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

DataPath = tuple[str | int, ...]
"""The path of a value in the data: keys and indices from the top."""
Place = Callable[[str], DataPath]
"""The path of an entry of a mapping."""


class Position(msgspec.Struct, frozen=True):
    """A place in a file; line and column count from 1."""

    line: int
    column: int


class Document(msgspec.Struct, frozen=True):
    """A part of a YAML file as plain data.

    `positions` has the place of every value by its path, `key_positions` that of every key, `raw_scalars` the text of
    every scalar as it is written in the file (`on`, `0x10`, `1.10`).
    """

    data: Any
    positions: dict[DataPath, Position]
    key_positions: dict[DataPath, Position]
    raw_scalars: dict[DataPath, str]

    def position(self, path: DataPath, *, of_key: bool = False) -> Position:
        """The place of a value, or of its key; of the nearest one around it where it has none itself."""
        places = self.key_positions if of_key else self.positions
        while path and path not in places:
            path, places = path[:-1], self.positions
        return places.get(path, Position(1, 1))
