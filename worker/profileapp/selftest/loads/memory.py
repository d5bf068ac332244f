"""Memory that is allocated and held: the load knows how many bytes it wrote."""

from __future__ import annotations

import mmap
import os
import time

from profileapp.selftest.load import MIB, Account, Load, Quantity

CHARGE_BYTES = 64 * 4096 * (os.cpu_count() or 1)
"""The kernel charges memory to a cgroup in batches of up to 64 pages on each CPU (MEMCG_CHARGE_BATCH)."""
HALF_LIMIT_BYTES = 4 * 1024 * MIB
_BLOCK = bytes([1]) * MIB

_HELD = Quantity("memory, held less before", "bytes", "bytes", "growth", "container.memory.used", "", CHARGE_BYTES)
_SPIKE = Quantity("memory peak less before", "bytes", "bytes", "peak growth", "container.memory.peak", "", CHARGE_BYTES)


def _held(name: str, about: str, size: str, *, quick: bool) -> Load:
    return Load(name, about, "memory", (size, "1.5", "1.5"), (size, "0.8", "0.8") if quick else None, (_HELD,))


LOADS = (
    _held("memory-10", "10 MiB", "10", quick=True),
    _held("memory-256", "256 MiB", "256", quick=True),
    _held("memory-half", "half of the free memory, 4 GiB at most", "half", quick=False),
    Load(
        "spike",
        "256 MiB for 50 ms, between two samples a second apart",
        "memory",
        ("256", "1.5", "0.05"),
        ("256", "1.3", "0.05"),
        (_SPIKE,),
        interval_s=1.0,
    ),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: MiB (or `half`), seconds before, seconds held."""
    size = half_bytes() if args[0] == "half" else int(args[0]) * MIB
    before_s, held_s = float(args[1]), float(args[2])
    base = _rest(before_s)
    memory = mmap.mmap(-1, size)
    for start in range(0, size, MIB):
        memory[start : start + MIB] = _BLOCK
    held = _rest(held_s)
    memory.close()
    return Account({"bytes": float(size)}, {"before": base, "held": held})


def half_bytes() -> int:
    """Half of the memory that is free, in whole MiB, HALF_LIMIT_BYTES at most."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(free // 2, HALF_LIMIT_BYTES) // MIB * MIB


def _rest(length_s: float) -> tuple[int, int]:
    began_ns = time.time_ns()
    time.sleep(length_s)
    return began_ns, time.time_ns()
