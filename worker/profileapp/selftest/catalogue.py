"""Every known load, in the order in which they run."""

from __future__ import annotations

from profileapp.selftest.load import Load
from profileapp.selftest.loads import children, cpu, energy, frames, gpu, memory, network, short, storage

LOADS: tuple[Load, ...] = (
    *short.LOADS,
    *cpu.LOADS,
    *children.LOADS,
    *memory.LOADS,
    *storage.LOADS,
    *network.LOADS,
    *frames.LOADS,
    *gpu.LOADS,
    *energy.LOADS,
)
