"""The formats that samples are exported in."""

from __future__ import annotations

from typing import Literal

Format = Literal["csv", "sage", "parquet"]

BY_EXTENSION: dict[str, Format] = {".csv": "csv", ".ndjson": "sage", ".json": "sage", ".parquet": "parquet"}
