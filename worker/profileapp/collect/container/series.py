"""The series of the metric `container`, from any source."""

from __future__ import annotations

from profileapp.model.series import DeclaredSeries

CPU = DeclaredSeries(
    "container.cpu.util",
    "%",
    "container",
    "CPU time a second of time: 200 % is two cores. `processes` counts in ticks of 10 ms, ended processes too",
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
    "time kept from the CPU by a quota; only where there is one",
    kind="counter",
)
MEMORY_USED = DeclaredSeries(
    "container.memory.used",
    "bytes",
    "container",
    "`cgroup`: usage less inactive file cache, as `docker stats` and the kubelet have it; `processes`: "
    "resident memory, shared pages once for each",
)
MEMORY_CACHE = DeclaredSeries(
    "container.memory.cache",
    "bytes",
    "container",
    "pages of files, which the kernel can take back",
)
MEMORY_PEAK = DeclaredSeries(
    "container.memory.peak",
    "bytes",
    "container",
    "the most that was ever used, between samples too, with file cache. Starting a container takes 4 to 5 MB "
    "itself: an app that needs less has that peak, a larger one about 1 MB more than its own memory (cgroup "
    "v2: Linux 5.19 on)",
)
CPU_TIME = DeclaredSeries(
    "container.cpu.time",
    "s",
    "container",
    "CPU seconds of a whole repeat, warm-up and end included, by the kernel's count, however short; what "
    "starting a container takes is left out",
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
    "time for which a quota kept the app from the CPU in a repeat; only where there is a quota",
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
    "processes that the kernel ended for memory; cgroup v2",
)
CPU_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.cpu.total",
    "s",
    "container",
    "how long some task waited for a CPU, of a whole repeat (PSI)",
)
MEMORY_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.memory.total",
    "s",
    "container",
    "how long some task waited for memory, of a whole repeat (PSI)",
)
IO_PRESSURE_TOTAL = DeclaredSeries(
    "container.pressure.io.total",
    "s",
    "container",
    "how long some task waited for storage, of a whole repeat (PSI)",
)
IO_READ = DeclaredSeries(
    "container.io.read",
    "bytes/s",
    "container",
    "read from storage, behind the page cache",
)
IO_WRITE = DeclaredSeries(
    "container.io.write",
    "bytes/s",
    "container",
    "written to storage, behind the page cache",
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
"""Those of a whole repeat."""
