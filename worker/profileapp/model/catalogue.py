"""Every series that our own sources give: the one table of names and units, from which the docs' is made."""

from __future__ import annotations

import msgspec

from profileapp.model.series import Kind


class Known(msgspec.Struct, frozen=True):
    """A series by its name. `labels` are the names of those it may have; `sources` words of docs/collectors.md."""

    name: str
    unit: str
    text: str
    sources: tuple[str, ...]
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"


_CGROUP = ("cgroup",)
_CONTAINER = ("cgroup", "processes")
_KERNEL = ("jetson-kernel",)
_TEGRASTATS = ("tegrastats",)
_JETSON = ("jetson-kernel", "tegrastats")
_SYSTEM = ("psutil", "jetson-kernel", "tegrastats")
_GPU = ("nvml", "jetson-kernel", "tegrastats")
_NVML = ("nvml",)
_MEMORY = ("nvml", "nvmap", "pycuda")
_ENERGY = ("nvml", "jetson-kernel", "tegrastats")

CATALOGUE: dict[str, tuple[Known, ...]] = {
    "container": (
        Known(
            "container.cpu.util",
            "%",
            "CPU time a second of time: 200 % is two cores. `processes` counts in ticks of 10 ms, ended processes too",
            _CONTAINER,
        ),
        Known("container.cpu.user", "%", "the part of it in the app's own code", _CGROUP),
        Known("container.cpu.system", "%", "the part of it in the kernel", _CGROUP),
        Known(
            "container.cpu.throttled",
            "s",
            "time kept from the CPU by a quota; only where there is one",
            _CGROUP,
            kind="counter",
        ),
        Known(
            "container.memory.used",
            "bytes",
            "`cgroup`: usage less inactive file cache, as `docker stats` and the kubelet have it; `processes`: "
            "resident memory, shared pages once for each",
            _CONTAINER,
        ),
        Known("container.memory.cache", "bytes", "pages of files, which the kernel can take back", _CGROUP),
        Known(
            "container.memory.peak",
            "bytes",
            "the most that was ever used, between samples too; with file cache, and a few MB for the container's own "
            "start (cgroup v2: Linux 5.19 on)",
            _CGROUP,
        ),
        Known(
            "container.cpu.time",
            "s",
            "CPU seconds of a whole repeat, warm-up and end included, by the kernel's count, however short; "
            "of a container with the hundredths of a second that starting it takes",
            _CONTAINER,
        ),
        Known("container.cpu.time.user", "s", "the part of it in the app's own code", _CONTAINER),
        Known("container.cpu.time.system", "s", "the part of it in the kernel", _CONTAINER),
        Known("container.io.read.total", "bytes", "storage, of a whole repeat; not on cgroup v1", _CONTAINER),
        Known("container.io.written.total", "bytes", "storage, of a whole repeat; not on cgroup v1", _CONTAINER),
        Known("container.memory.oom-kills", "", "processes that the kernel ended for memory; cgroup v2", _CGROUP),
        Known("container.pressure.cpu.total", "s", "how long some task waited, of a whole repeat (PSI)", _CGROUP),
        Known("container.pressure.memory.total", "s", "the same, for memory", _CGROUP),
        Known("container.pressure.io.total", "s", "the same, for storage", _CGROUP),
        Known("container.io.read", "bytes/s", "from storage, behind the page cache", _CONTAINER),
        Known("container.io.write", "bytes/s", "to storage, behind the page cache", _CONTAINER),
        Known("container.network.received", "bytes/s", "all interfaces of the container but `lo`", _CGROUP),
        Known("container.network.sent", "bytes/s", "all interfaces of the container but `lo`", _CGROUP),
        Known("container.processes", "", "processes and threads", _CONTAINER),
        Known(
            "container.pressure.cpu",
            "%",
            "share of the interval in which some task waited for a CPU (PSI; cgroup v2, or v2 beside v1)",
            _CGROUP,
        ),
        Known("container.pressure.memory", "%", "the same, for memory", _CGROUP),
        Known("container.pressure.io", "%", "the same, for storage", _CGROUP),
    ),
    "system": (
        Known(
            "system.cpu.util",
            "%",
            "share of all cores' time that is not idle, 0 to 100 (waiting for storage is idle); with the label, of "
            "that core. `tegrastats`: the mean of the cores that are on",
            _SYSTEM,
            ("core",),
        ),
        Known(
            "system.cpu.frequency",
            "Hz",
            "clock of the cores: their mean without a label, of each with it",
            _SYSTEM,
            ("core",),
        ),
        Known(
            "system.memory.used",
            "bytes",
            "total less available; `tegrastats`: as the board says it",
            _SYSTEM,
        ),
        Known(
            "system.cpu.frequency.limit",
            "Hz",
            "the highest clock that the power supply allows the cores (TX1)",
            _TEGRASTATS,
        ),
        Known("system.memory.available", "bytes", "what a new program could be given", ("psutil", "jetson-kernel")),
        Known("system.memory.total", "bytes", "of the board", _TEGRASTATS),
        Known("system.memory.largest-block", "bytes", "the largest free block", _TEGRASTATS),
        Known("system.memory.largest-blocks", "", "how many free blocks are as large", _TEGRASTATS),
        Known("system.swap.used", "bytes", "only where there is swap", _SYSTEM),
        Known("system.swap.total", "bytes", "", _TEGRASTATS),
        Known("system.swap.cached", "bytes", "in memory and in swap alike", _TEGRASTATS),
        Known("system.iram.used", "bytes", "memory of the video engines (TX1, Nano)", _TEGRASTATS),
        Known("system.iram.total", "bytes", "", _TEGRASTATS),
        Known("system.iram.largest-block", "bytes", "the largest free block of it", _TEGRASTATS),
        Known("system.temperature", "°C", "sensors are the board's own, in lower case", _SYSTEM, ("sensor",)),
        Known("system.temperature.peak", "°C", "as JetPack 7 tells it", _TEGRASTATS, ("sensor",)),
        Known(
            "system.gpu.util",
            "%",
            "share of time in which the GPU was busy; a label for its second graphics cluster (AGX Orin), or, where "
            "the board has one, a second GPU",
            _JETSON,
            ("gpc", "gpu"),
        ),
        Known("system.gpu.clock", "Hz", "of several clocks the highest", _JETSON, ("gpc", "gpu")),
        Known("system.emc.util", "%", "memory controller", _TEGRASTATS),
        Known("system.emc.clock", "Hz", "memory controller; `jetson-kernel`: for root", _JETSON),
        Known(
            "system.engine.util",
            "%",
            "`nvenc`, `nvdec`, `vic`, `ape`, …; nothing while it is off",
            _TEGRASTATS,
            ("engine",),
        ),
        Known("system.engine.clock", "Hz", "of such an engine", _JETSON, ("engine",)),
        Known(
            "system.power",
            "W",
            "at the moment of the sample; rails are the board's own, in lower case",
            _JETSON,
            ("rail",),
        ),
        Known("system.power.mean", "W", "since tegrastats was started, before the app was", _TEGRASTATS, ("rail",)),
        Known("system.power.peak", "W", "as JetPack 7 tells it", _TEGRASTATS, ("rail",)),
        Known("system.fan.drive", "%", "what the fan is told to do", _KERNEL),
        Known("system.fan.speed", "rpm", "what the fan does", _KERNEL),
        Known("system.mts.util", "%", "CPU's own translation of instructions: `fg`, `bg`", _TEGRASTATS, ("ground",)),
        Known(
            "system.throttled",
            "",
            "1 while the device is slowed down, else 0, so that the mean is a share of time: for `heat` (a cooling "
            "device that lowers clocks is at work) or `power` (over-current events in the last second)",
            _JETSON,
            ("reason",),
        ),
        Known("system.power-mode", "", "number of the power mode that nvpmodel has set", _JETSON),
        Known(
            "system.raw",
            "",
            "a word of tegrastats that we do not know, with the number behind it",
            _TEGRASTATS,
            ("word",),
        ),
    ),
    "gpu-memory": (
        Known(
            "gpu.memory.used",
            "bytes",
            "of the device, whoever uses it; `nvmap`: what all have allocated through the GPU's driver",
            _MEMORY,
            ("gpu",),
        ),
        Known(
            "gpu.memory.total", "bytes", "of the device; on a Jetson that of CPU and GPU together", _MEMORY, ("gpu",)
        ),
        Known(
            "gpu.memory.allocated",
            "bytes",
            "what the app holds, with what CUDA takes for it. `nvml`, `nvmap`: the sum over the app's processes; "
            "`pycuda`: the rise since before the app's start",
            _MEMORY,
            ("gpu",),
        ),
    ),
    "gpu-summary": (
        Known(
            "gpu.util",
            "%",
            "share of time in which something ran; says nothing of how much of the GPU it took",
            _GPU,
            ("gpu",),
        ),
        Known("gpu.memory.util", "%", "share of time in which memory was read or written", _NVML, ("gpu",)),
        Known("gpu.clock.sm", "Hz", "streaming multiprocessors", _GPU, ("gpu",)),
        Known("gpu.clock.memory", "Hz", "the GPU's memory", _NVML, ("gpu",)),
        Known("gpu.power", "W", "with its memory; on most GPUs since Ampere a mean over a second", _NVML, ("gpu",)),
        Known("gpu.temperature", "°C", "of the die", _GPU, ("gpu",)),
        Known(
            "gpu.throttled",
            "",
            "1 while it is slowed down, else 0: for `heat`, `power`, or by `hardware`, which does not say why",
            _NVML,
            ("gpu", "reason"),
        ),
    ),
    "energy": (
        Known(
            "energy.total",
            "J",
            "from 0 at each start of the app: of the whole device with its discrete GPUs, or, with the label, of each "
            "GPU alone",
            _ENERGY,
            ("gpu",),
            "counter",
        ),
        Known(
            "energy.above-idle",
            "J",
            "the same, less what the idle device would have used in that time",
            _ENERGY,
            ("gpu",),
            "counter",
        ),
        Known(
            "energy.idle.power",
            "W",
            "power of the idle device: its mean over the 2 s before the first start of the app",
            _ENERGY,
            ("gpu",),
        ),
        Known(
            "energy.board",
            "J",
            "the part of it that the board's own rails saw, where there is a discrete GPU beside them",
            _JETSON,
            kind="counter",
        ),
        Known("energy.rail", "J", "through a rail of the board, from 0 at each start", _JETSON, ("rail",), "counter"),
    ),
}
"""By metric, in the order of the docs. Series of `custom` are the app's own."""
