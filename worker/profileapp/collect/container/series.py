"""The series of the metric `container`, from any source."""

from __future__ import annotations

from profileapp.model.series import DeclaredSeries

CPU = DeclaredSeries(
    "container.cpu.util",
    "%",
    "container",
    "CPU time per second: 200 % is two cores. `processes` counts in ticks of 10 ms, ended processes too",
)
CPU_USER = DeclaredSeries(
    "container.cpu.user",
    "%",
    "container",
    "the part of `container.cpu.util` in the app's own code",
)
CPU_SYSTEM = DeclaredSeries(
    "container.cpu.system",
    "%",
    "container",
    "the part of `container.cpu.util` in the kernel",
)
CPU_THROTTLED = DeclaredSeries(
    "container.cpu.throttled",
    "s",
    "container",
    "time for which a quota throttled the app; only if there is a quota",
    kind="counter",
)
MEMORY_USED = DeclaredSeries(
    "container.memory.used",
    "bytes",
    "container",
    "`cgroup`: usage minus inactive file cache, as in `docker stats` and the kubelet; `processes`: "
    "resident memory, in which shared pages count once per process",
)
MEMORY_CACHE = DeclaredSeries(
    "container.memory.cache",
    "bytes",
    "container",
    "file pages, which the kernel can reclaim",
)
MEMORY_PEAK = DeclaredSeries(
    "container.memory.peak",
    "bytes",
    "container",
    "peak use with file cache, also between samples. Starting a container itself takes 4 to 5 MB: an app that "
    "needs less has that peak, a larger one about 1 MB more than its own memory (cgroup v2: Linux 5.19 or "
    "newer)",
)
CPU_TIME = DeclaredSeries(
    "container.cpu.time",
    "s",
    "container",
    "CPU seconds of a whole repeat, including warm-up and shutdown, as counted by the kernel; starting the "
    "container is excluded",
)
CPU_TIME_USER = DeclaredSeries(
    "container.cpu.time.user",
    "s",
    "container",
    "the part of `container.cpu.time` in the app's own code",
)
CPU_TIME_SYSTEM = DeclaredSeries(
    "container.cpu.time.system",
    "s",
    "container",
    "the part of `container.cpu.time` in the kernel",
)
CPU_TIME_THROTTLED = DeclaredSeries(
    "container.cpu.time.throttled",
    "s",
    "container",
    "time for which a quota throttled the app in a whole repeat; only if there is a quota",
)
IO_READ_TOTAL = DeclaredSeries(
    "container.io.read.total",
    "bytes",
    "container",
    "read from storage in a whole repeat; not on cgroup v1",
)
IO_WRITTEN_TOTAL = DeclaredSeries(
    "container.io.written.total",
    "bytes",
    "container",
    "written to storage in a whole repeat; not on cgroup v1",
)
OOM_KILLS = DeclaredSeries(
    "container.memory.oom-kills",
    "",
    "container",
    "processes that the kernel killed for lack of memory; cgroup v2",
)
CPU_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.cpu.total",
    "s",
    "container",
    "time for which some task waited for a CPU in a whole repeat (PSI)",
)
MEMORY_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.memory.total",
    "s",
    "container",
    "time for which some task waited for memory in a whole repeat (PSI)",
)
IO_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.io.total",
    "s",
    "container",
    "time for which some task waited for storage in a whole repeat (PSI)",
)
IO_READ = DeclaredSeries(
    "container.io.read",
    "bytes/s",
    "container",
    "read from storage, not from the page cache",
)
IO_WRITE = DeclaredSeries(
    "container.io.write",
    "bytes/s",
    "container",
    "written to storage, not only to the page cache",
)
NETWORK_RECEIVED = DeclaredSeries(
    "container.network.received",
    "bytes/s",
    "container",
    "received through all interfaces of the container but `lo`",
)
NETWORK_SENT = DeclaredSeries(
    "container.network.sent",
    "bytes/s",
    "container",
    "sent through all interfaces of the container but `lo`",
)
PROCESSES = DeclaredSeries(
    "container.processes",
    "",
    "container",
    "processes and threads",
)
CPU_PRESSURE = DeclaredSeries(
    "container.pressure.cpu",
    "%",
    "container",
    "share of the interval in which some task waited for a CPU (PSI; cgroup v2, or v2 beside v1)",
)
MEMORY_PRESSURE = DeclaredSeries(
    "container.pressure.memory",
    "%",
    "container",
    "share of the interval in which some task waited for memory (PSI; cgroup v2, or v2 beside v1)",
)
IO_PRESSURE = DeclaredSeries(
    "container.pressure.io",
    "%",
    "container",
    "share of the interval in which some task waited for storage (PSI; cgroup v2, or v2 beside v1)",
)

PROCESS_TOTALS = (CPU_TIME, CPU_TIME_USER, CPU_TIME_SYSTEM, IO_READ_TOTAL, IO_WRITTEN_TOTAL)
CGROUP_TOTALS = (
    *PROCESS_TOTALS,
    CPU_TIME_THROTTLED,
    MEMORY_PEAK,
    OOM_KILLS,
    CPU_PRESSURE_TOTAL,
    MEMORY_PRESSURE_TOTAL,
    IO_PRESSURE_TOTAL,
)
"""The totals of a whole repeat."""
