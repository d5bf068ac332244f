"""The series of the metric `system`, from any source."""

from __future__ import annotations

from profileapp.model.series import DeclaredSeries

CPU_UTIL = DeclaredSeries(
    "system.cpu.util",
    "%",
    "system",
    "share of all cores' time that is not idle, 0 to 100 (waiting for storage counts as idle); with the label, "
    "of that core. `tegrastats`: the mean of the online cores",
    ("core",),
)
CPU_FREQUENCY = DeclaredSeries(
    "system.cpu.frequency",
    "Hz",
    "system",
    "clock of each core; without a label, their mean",
    ("core",),
)
MEMORY_USED = DeclaredSeries(
    "system.memory.used",
    "bytes",
    "system",
    "total minus available; `tegrastats`: as the board reports it",
)
CPU_FREQUENCY_LIMIT = DeclaredSeries(
    "system.cpu.frequency.limit",
    "Hz",
    "system",
    "the highest clock that the power supply allows the cores (TX1)",
)
MEMORY_AVAILABLE = DeclaredSeries(
    "system.memory.available",
    "bytes",
    "system",
    "memory available to a new program without swapping",
)
MEMORY_TOTAL = DeclaredSeries(
    "system.memory.total",
    "bytes",
    "system",
    "memory of the board",
)
MEMORY_LARGEST_BLOCK = DeclaredSeries(
    "system.memory.largest-block",
    "bytes",
    "system",
    "the largest free block",
)
MEMORY_LARGEST_BLOCKS = DeclaredSeries(
    "system.memory.largest-blocks",
    "",
    "system",
    "number of free blocks of the largest size",
)
SWAP_USED = DeclaredSeries(
    "system.swap.used",
    "bytes",
    "system",
    "swap space in use; only if there is swap",
)
SWAP_TOTAL = DeclaredSeries(
    "system.swap.total",
    "bytes",
    "system",
    "size of the swap space",
)
SWAP_CACHED = DeclaredSeries(
    "system.swap.cached",
    "bytes",
    "system",
    "pages that are both in memory and in swap",
)
IRAM_USED = DeclaredSeries(
    "system.iram.used",
    "bytes",
    "system",
    "memory of the video engines (TX1, Nano)",
)
IRAM_TOTAL = DeclaredSeries(
    "system.iram.total",
    "bytes",
    "system",
    "size of the video engines' memory (TX1, Nano)",
)
IRAM_LARGEST_BLOCK = DeclaredSeries(
    "system.iram.largest-block",
    "bytes",
    "system",
    "the largest free block of the video engines' memory",
)
TEMPERATURE = DeclaredSeries(
    "system.temperature",
    "°C",
    "system",
    "temperature of a sensor; sensors are named by the board, in lower case",
    ("sensor",),
)
TEMPERATURE_PEAK = DeclaredSeries(
    "system.temperature.peak",
    "°C",
    "system",
    "highest temperature of a sensor, as JetPack 7 reports it",
    ("sensor",),
)
GPU_UTIL = DeclaredSeries(
    "system.gpu.util",
    "%",
    "system",
    "share of time in which the GPU was busy; the label identifies a second graphics cluster (AGX Orin) or a "
    "second GPU",
    ("gpc", "gpu"),
)
GPU_CLOCK = DeclaredSeries(
    "system.gpu.clock",
    "Hz",
    "system",
    "clock of the GPU; the highest of several",
    ("gpc", "gpu"),
)
EMC_UTIL = DeclaredSeries(
    "system.emc.util",
    "%",
    "system",
    "load of the memory controller",
)
EMC_CLOCK = DeclaredSeries(
    "system.emc.clock",
    "Hz",
    "system",
    "clock of the memory controller; `jetson-kernel`: only as root",
)
ENGINE_UTIL = DeclaredSeries(
    "system.engine.util",
    "%",
    "system",
    "load of a video or vision engine (`nvenc`, `nvdec`, `vic`, `ape`, …); no samples while it is off",
    ("engine",),
)
ENGINE_CLOCK = DeclaredSeries(
    "system.engine.clock",
    "Hz",
    "system",
    "clock of a video or vision engine",
    ("engine",),
)
POWER = DeclaredSeries(
    "system.power",
    "W",
    "system",
    "power of a rail at the moment of the sample; rails are named by the board, in lower case",
    ("rail",),
)
POWER_MEAN = DeclaredSeries(
    "system.power.mean",
    "W",
    "system",
    "mean power of a rail since tegrastats was started, shortly before the app",
    ("rail",),
)
POWER_PEAK = DeclaredSeries(
    "system.power.peak",
    "W",
    "system",
    "highest power of a rail, as JetPack 7 reports it",
    ("rail",),
)
FAN_DRIVE = DeclaredSeries(
    "system.fan.drive",
    "%",
    "system",
    "speed to which the fan is set, as a share of full speed",
)
FAN_SPEED = DeclaredSeries(
    "system.fan.speed",
    "rpm",
    "system",
    "speed of the fan",
)
MTS_UTIL = DeclaredSeries(
    "system.mts.util",
    "%",
    "system",
    "binary translation by the CPU (Denver): `fg` (foreground), `bg` (background)",
    ("ground",),
)
THROTTLED = DeclaredSeries(
    "system.throttled",
    "",
    "system",
    "1 while the device is throttled, else 0, so the mean is a fraction of time: because of `heat` (an active "
    "cooling device reduces clocks) or `power` (over-current events in the last second)",
    ("reason",),
)
POWER_MODE = DeclaredSeries(
    "system.power-mode",
    "",
    "system",
    "number of the power mode set by nvpmodel",
)
RAW = DeclaredSeries(
    "system.raw",
    "",
    "system",
    "the number after an unrecognised name in tegrastats' output",
    ("word",),
)
