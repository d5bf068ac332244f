"""The series of the metrics `gpu-memory` and `gpu-summary`, from any source.

The label `gpu` is the number of the GPU.
"""

from __future__ import annotations

from profileapp.model.series import DeclaredSeries

HEAT = "heat"
POWER_LIMIT = "power"
HARDWARE = "hardware"
"""Why a GPU is throttled: its temperature, its power limit, or a reason that its hardware does not report."""

MEMORY_USED = DeclaredSeries(
    "gpu.memory.used",
    "bytes",
    "gpu-memory",
    "memory in use on the device, by any process; `nvmap`: memory allocated by all processes through the GPU's driver",
    ("gpu",),
)
MEMORY_TOTAL = DeclaredSeries(
    "gpu.memory.total",
    "bytes",
    "gpu-memory",
    "memory of the device; on a Jetson, the memory that CPU and GPU share",
    ("gpu",),
)
MEMORY_ALLOCATED = DeclaredSeries(
    "gpu.memory.allocated",
    "bytes",
    "gpu-memory",
    "memory allocated by the app, including its CUDA contexts. `nvml`, `nvmap`: the sum over the app's "
    "processes; `pycuda`: the increase since before the app's start",
    ("gpu",),
)
UTIL = DeclaredSeries(
    "gpu.util",
    "%",
    "gpu-summary",
    "share of time in which a kernel ran, whatever part of the GPU it occupied",
    ("gpu",),
)
MEMORY_UTIL = DeclaredSeries(
    "gpu.memory.util",
    "%",
    "gpu-summary",
    "share of time in which memory was read or written",
    ("gpu",),
)
CLOCK_SM = DeclaredSeries(
    "gpu.clock.sm",
    "Hz",
    "gpu-summary",
    "clock of the streaming multiprocessors",
    ("gpu",),
)
CLOCK_MEMORY = DeclaredSeries(
    "gpu.clock.memory",
    "Hz",
    "gpu-summary",
    "clock of the GPU's memory",
    ("gpu",),
)
POWER = DeclaredSeries(
    "gpu.power",
    "W",
    "gpu-summary",
    "power of the GPU with its memory; on most GPUs since Ampere, a mean over one second",
    ("gpu",),
)
TEMPERATURE = DeclaredSeries(
    "gpu.temperature",
    "°C",
    "gpu-summary",
    "temperature of the die",
    ("gpu",),
)
THROTTLED = DeclaredSeries(
    "gpu.throttled",
    "",
    "gpu-summary",
    "1 while the GPU is throttled, else 0, so the mean is a fraction of time: because of `heat` or `power`, or "
    "by the `hardware`, which does not report why",
    ("gpu", "reason"),
)

MEMORY = (MEMORY_USED, MEMORY_TOTAL, MEMORY_ALLOCATED)
SUMMARY = (UTIL, MEMORY_UTIL, CLOCK_SM, CLOCK_MEMORY, POWER, TEMPERATURE, THROTTLED)
"""All series of a metric."""
