"""Rows of the tables that accompany the series: the functions and kernels that took the time."""

from __future__ import annotations

from typing import Literal

import msgspec

KernelKind = Literal["kernel", "memory time", "memory size", "api"]
"""What ran on the GPU; how long copies took; how much they moved; calls of the app into CUDA."""


class FunctionRow(msgspec.Struct, frozen=True):
    """One function over all threads, as TAU (`metric` "tau") or py-spy ("functions") saw it.

    `file` is "" and `line` 0 where unknown. `calls` is None where functions were sampled, `samples` None
    where they were not. Exclusive time is the function's own, inclusive time has that of what it called in it; both in
    seconds over all threads, None where only samples are known. The shares, 0 to 1, are the same parts of all time (of
    all samples): `self_share` of the exclusive, `total_share` of the inclusive one, recursion counted once; the latter
    is None where samples have no callers.
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
    """One kernel, memory operation or CUDA call over all of its calls.

    `total`, `mean`, `min` and `max` are in `unit`. `share`, 0 to 1, is the part of the total of its kind.
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
