"""The series of the metrics `gpu-memory` and `gpu-summary`, whichever source they come from.

Each function takes the number of the GPU, which stands in the label `gpu`.
"""

from __future__ import annotations

from profileapp.model.series import Series, series

HEAT = "heat"
POWER = "power"
HARDWARE = "hardware"
"""Why a GPU is slowed down: it is too hot, it would draw too much, or its hardware does not say which."""


def memory_used(gpu: str) -> Series:
    """Memory of the device in use by anybody."""
    return series("gpu.memory.used", "bytes", "gpu-memory", gpu=gpu)


def memory_total(gpu: str) -> Series:
    """All memory of the device; on a Jetson, that of CPU and GPU together."""
    return series("gpu.memory.total", "bytes", "gpu-memory", gpu=gpu)


def memory_allocated(gpu: str) -> Series:
    """Memory that the app holds on the device, what CUDA itself takes for the app included."""
    return series("gpu.memory.allocated", "bytes", "gpu-memory", gpu=gpu)


def util(gpu: str) -> Series:
    """Share of time in which something ran on the GPU; says nothing of how much of the GPU it took."""
    return series("gpu.util", "%", "gpu-summary", gpu=gpu)


def memory_util(gpu: str) -> Series:
    """Share of time in which memory of the GPU was read or written."""
    return series("gpu.memory.util", "%", "gpu-summary", gpu=gpu)


def clock_sm(gpu: str) -> Series:
    """Clock of the streaming multiprocessors."""
    return series("gpu.clock.sm", "Hz", "gpu-summary", gpu=gpu)


def clock_memory(gpu: str) -> Series:
    """Clock of the GPU's memory."""
    return series("gpu.clock.memory", "Hz", "gpu-summary", gpu=gpu)


def power(gpu: str) -> Series:
    """Power the GPU and its memory draw."""
    return series("gpu.power", "W", "gpu-summary", gpu=gpu)


def temperature(gpu: str) -> Series:
    """Temperature of the GPU's die."""
    return series("gpu.temperature", "°C", "gpu-summary", gpu=gpu)


def throttled(gpu: str, reason: str) -> Series:
    """1 while the GPU is slowed down for `reason` (HEAT, POWER, HARDWARE), else 0: its mean is a share of time."""
    return series("gpu.throttled", "", "gpu-summary", gpu=gpu, reason=reason)
