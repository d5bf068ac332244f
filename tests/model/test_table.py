"""The rows of tables."""

from __future__ import annotations

from profileapp.model.table import KernelRow


def test_size_tables_are_in_bytes_and_others_in_seconds() -> None:
    units = {
        kind: KernelRow(kind, "x", 1, 1.0, 1.0, 1.0, 1.0, 1.0).unit
        for kind in ("kernel", "memory time", "memory size", "api")
    }
    assert units == {"kernel": "s", "memory time": "s", "memory size": "bytes", "api": "s"}
