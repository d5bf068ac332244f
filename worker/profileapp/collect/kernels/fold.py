"""Sums the kernels, memory operations and CUDA calls that tools report into rows."""

from __future__ import annotations

import math
import re

import msgspec

from profileapp.model.table import KernelKind, KernelRow
from profileapp.model.text import printable

ROWS_LIMIT = 10_000
"""Limit of rows; any more are counted."""
NAME_LIMIT = 1000

_ORDER: tuple[KernelKind, ...] = ("kernel", "memory time", "memory size", "api")
# Nsight Systems prints `Host-to-Device` since 2023.4; before, like nvprof, `HtoD`.
_DIRECTION = re.compile(r"\b([HDAP])[a-z]{3,5}-to-([HDAP])[a-z]{3,5}\b")
_MEMORY = ("[CUDA mem", "[CUDA Unified", "[Unified Memory")


class KernelReport(msgspec.Struct, frozen=True):
    """Rows by kind, then by total, the largest first.

    `unread_lines` counts truncated or garbled lines of tables, `omitted` rows beyond the limit.
    """

    rows: tuple[KernelRow, ...] = ()
    unread_lines: int = 0
    omitted: int = 0


class KernelFold:
    """Sums by kind and name: of several processes, runs, or sizes of a grid."""

    def __init__(self) -> None:
        # calls, total, min, max
        self._sums: dict[tuple[KernelKind, str], list[float]] = {}
        self.unread_lines = 0
        self.omitted = 0

    def add(self, kind: KernelKind, name: str, calls: int, total: float, least: float, most: float) -> bool:
        """Adds one row, all in seconds or bytes; False for an invalid one: a value below zero, no call, no name."""
        name = one_name(name)
        sound = all(0 <= value < 1e30 for value in (total, least, most))
        if not sound or not name or not 1 <= calls < 2**62:
            return False
        known = self._sums.get((kind, name))
        if known is not None:
            known[:] = known[0] + calls, known[1] + total, min(known[2], least), max(known[3], most)
        elif len(self._sums) >= ROWS_LIMIT:
            self.omitted += 1
        else:
            self._sums[kind, name] = [calls, total, least, most]
        return True

    def report(self) -> KernelReport:
        """The rows of everything added so far."""
        totals = {kind: math.fsum(sums[1] for (of, _), sums in self._sums.items() if of == kind) for kind in _ORDER}
        rows = [
            KernelRow(kind, name, int(calls), total, total / calls, least, most, _share(total, totals[kind]))
            for (kind, name), (calls, total, least, most) in self._sums.items()
        ]
        rows.sort(key=lambda row: (_ORDER.index(row.kind), -row.total, row.name))
        return KernelReport(tuple(rows), self.unread_lines, self.omitted)


def one_name(name: str) -> str:
    """The name on one line, with the direction of a copy spelled alike for all tool versions."""
    name = " ".join(name[: 2 * NAME_LIMIT].split())
    if name.startswith(_MEMORY):
        name = _DIRECTION.sub(r"\1to\2", name)
    return printable(name, NAME_LIMIT)


def kind_on_gpu(name: str) -> KernelKind:
    """Whether the name of a GPU activity is that of a memory operation or a kernel."""
    return "memory time" if name.startswith(_MEMORY) else "kernel"


def _share(part: float, total: float) -> float:
    return min(1.0, part / total) if total > 0 else 0.0
