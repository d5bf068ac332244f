"""Rows of the tables of functions and kernels that accompany the series."""

from __future__ import annotations

from typing import Literal

import msgspec

KernelKind = Literal["kernel", "memory time", "memory size", "api"]
"""Kernels; memory operations by time, and by size; CUDA API calls of the app."""


class FunctionRow(msgspec.Struct, frozen=True):
    """One function over all threads, from TAU (`metric` "tau") or py-spy ("functions").

    `file` is "" and `line` 0 if unknown. `calls` is None if functions were sampled, `samples` None if they were not.
    Exclusive time is the function's own, inclusive time includes its callees; both in seconds over all threads, None if
    only samples are known. The shares, 0 to 1, are fractions of all time (or samples): `self_share` of the exclusive,
    `total_share` of the inclusive time, with recursion counted once; the latter is None if samples have no callers.
    """

    metric: Literal["tau", "functions"]
    name: str
    self_share: float
    total_share: float | None = None
    file: str = ""
    line: int = 0
    group: str = ""
    calls: int | None = None
    samples: int | None = None
    exclusive_s: float | None = None
    inclusive_s: float | None = None


class KernelRow(msgspec.Struct, frozen=True):
    """One kernel, memory operation or CUDA call, summed over its calls.

    `total`, `mean`, `min` and `max` are in `unit`. `share`, 0 to 1, is the fraction of the total of its kind.
    """

    kind: KernelKind
    name: str
    calls: int
    total: float
    mean: float
    min: float
    max: float
    share: float

    @property
    def unit(self) -> str:
        """`bytes` for memory by size, else `s`."""
        return "bytes" if self.kind == "memory size" else "s"
