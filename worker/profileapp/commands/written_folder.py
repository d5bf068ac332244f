"""An option for a folder that a command writes to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from profileapp.record.files import without_links_above


class WrittenFolder(click.Path):
    """Refuses to follow links below the current folder, or at the end of the path, when it is written."""

    def __init__(self, *, file_okay: bool = False) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return without_links_above(Path(os.fsdecode(super().convert(value, param, ctx))))
