"""The series of the metrics `gpu-memory` and `gpu-summary`, from any source.

Each function takes the number of the GPU, which becomes the label `gpu`.
"""

from __future__ import annotations

from profileapp.model.series import Series, series

HEAT = "heat"
POWER = "power"
HARDWARE = "hardware"
"""Why a GPU is throttled: it is too hot, it would draw too much power, or the hardware does not report which."""


def memory_used(gpu: str) -> Series:
    """Memory of the device in use by all processes."""
    return series("gpu.memory.used", "bytes", "gpu-memory", gpu=gpu)


def memory_total(gpu: str) -> Series:
    """All memory of the device; on a Jetson, that of CPU and GPU together."""
    return series("gpu.memory.total", "bytes", "gpu-memory", gpu=gpu)


def memory_allocated(gpu: str) -> Series:
    """Memory allocated by the app on the device, including CUDA's own overhead for the app."""
    return series("gpu.memory.allocated", "bytes", "gpu-memory", gpu=gpu)


def util(gpu: str) -> Series:
    """Fraction of time in which any kernel ran on the GPU, however little of the GPU it used."""
    return series("gpu.util", "%", "gpu-summary", gpu=gpu)


def memory_util(gpu: str) -> Series:
    """Fraction of time in which GPU memory was read or written."""
    return series("gpu.memory.util", "%", "gpu-summary", gpu=gpu)


def clock_sm(gpu: str) -> Series:
    """Clock of the streaming multiprocessors."""
    return series("gpu.clock.sm", "Hz", "gpu-summary", gpu=gpu)


def clock_memory(gpu: str) -> Series:
    """Clock of the GPU's memory."""
    return series("gpu.clock.memory", "Hz", "gpu-summary", gpu=gpu)


def power(gpu: str) -> Series:
    """Power drawn by the GPU and its memory."""
    return series("gpu.power", "W", "gpu-summary", gpu=gpu)


def temperature(gpu: str) -> Series:
    """Temperature of the GPU's die."""
    return series("gpu.temperature", "°C", "gpu-summary", gpu=gpu)


def throttled(gpu: str, reason: str) -> Series:
    """1 while the GPU is throttled for `reason` (HEAT, POWER, HARDWARE), else 0: the mean is a fraction of time."""
    return series("gpu.throttled", "", "gpu-summary", gpu=gpu, reason=reason)
