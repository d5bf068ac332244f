"""The series of metric `container`, from any source."""

from __future__ import annotations

from profileapp.model.series import series

CPU = series("container.cpu.util", "%", "container")
"""CPU time a second of time; 200 % is two cores."""
CPU_USER = series("container.cpu.user", "%", "container")
"""CPU time in user mode: the app's code and its libraries."""
CPU_SYSTEM = series("container.cpu.system", "%", "container")
"""CPU time in the kernel on behalf of the app."""
CPU_THROTTLED = series("container.cpu.throttled", "s", "container", "counter")
"""Time since its start in which the quota prevented the app from running; only with a quota."""
MEMORY_USED = series("container.memory.used", "bytes", "container")
"""Memory that cannot be reclaimed at once: usage less inactive file cache."""
MEMORY_CACHE = series("container.memory.cache", "bytes", "container")
"""File pages, which the kernel can reclaim."""
MEMORY_PEAK = series("container.memory.peak", "bytes", "container")
"""Peak usage, including file cache and the container's start (a few MB)."""
IO_READ = series("container.io.read", "bytes/s", "container")
IO_WRITE = series("container.io.write", "bytes/s", "container")
"""Storage I/O below the page cache: reads served from memory do not count."""
NETWORK_RECEIVED = series("container.network.received", "bytes/s", "container")
NETWORK_SENT = series("container.network.sent", "bytes/s", "container")
"""All interfaces of the container but `lo`."""
CPU_TIME = series("container.cpu.time", "s", "container")
CPU_TIME_USER = series("container.cpu.time.user", "s", "container")
CPU_TIME_SYSTEM = series("container.cpu.time.system", "s", "container")
"""CPU seconds of a whole repeat, including warm-up and end, counted by the kernel; user and system may be in ticks."""
IO_READ_TOTAL = series("container.io.read.total", "bytes", "container")
IO_WRITTEN_TOTAL = series("container.io.written.total", "bytes", "container")
OOM_KILLS = series("container.memory.oom-kills", "", "container")
CPU_PRESSURE_TOTAL = series("container.pressure.cpu.total", "s", "container")
MEMORY_PRESSURE_TOTAL = series("container.pressure.memory.total", "s", "container")
IO_PRESSURE_TOTAL = series("container.pressure.io.total", "s", "container")
"""Totals of a whole repeat."""
PROCESSES = series("container.processes", "", "container")
"""Processes and threads."""
CPU_PRESSURE = series("container.pressure.cpu", "%", "container")
MEMORY_PRESSURE = series("container.pressure.memory", "%", "container")
IO_PRESSURE = series("container.pressure.io", "%", "container")
"""Fraction of the last interval in which some task of the app waited for the resource (PSI)."""
