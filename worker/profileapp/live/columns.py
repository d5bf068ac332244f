"""The columns that the views show for a target, and the summary line of the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from profileapp.live.snapshot import Snapshot, TargetRow
from profileapp.report.format import quantity

Values = Mapping[str, float]


class Column(NamedTuple):
    """A column of a target's values: its title and unit. `value` returns None if it is not measured."""

    title: str
    unit: str
    value: Callable[[Values], float | None]


def _of(name: str) -> Callable[[Values], float | None]:
    return lambda values: values.get(name)


def _sum(name: str) -> Callable[[Values], float | None]:
    """The sum over the GPUs of a series with labels."""

    def value(values: Values) -> float | None:
        found = _labelled(values, name)
        return sum(found) if found else None

    return value


def _labelled(values: Values, name: str) -> list[float]:
    return [value for title, value in values.items() if title == name or title.startswith(f"{name}[")]


_COLUMNS = (
    Column("CPU", "%", _of("container.cpu.util")),
    Column("memory", "bytes", _of("container.memory.used")),
    Column("GPU memory", "bytes", _sum("gpu.memory.allocated")),
    Column("read", "bytes/s", _of("container.io.read")),
    Column("written", "bytes/s", _of("container.io.write")),
    Column("received", "bytes/s", _of("container.network.received")),
    Column("sent", "bytes/s", _of("container.network.sent")),
    Column("processes", "", _of("container.processes")),
)


def columns_of(snapshot: Snapshot) -> tuple[Column, ...]:
    """CPU and memory, and each column for which a running target has a value."""
    running = [row.values for row in snapshot.targets if row.state == "running"]
    return tuple(
        column
        for column in _COLUMNS
        if column in _COLUMNS[:2] or any(column.value(values) is not None for values in running)
    )


def cells_of(row: TargetRow, columns: Iterable[Column]) -> tuple[str, ...]:
    """A target's values as text; a dash if a value is not measured now."""
    return tuple(quantity(column.value(row.values), column.unit) for column in columns)


def is_throttled(values: Values) -> bool:
    """Whether the device or its GPU is throttled now, by heat, power or a limit."""
    return any(value > 0 for name in ("system.throttled", "gpu.throttled") for value in _labelled(values, name))


def device_text(snapshot: Snapshot) -> str:
    """The device's main numbers in one line: `CPU 12 %  memory 3.1 GiB  GPU 40 %  14.2 W  61 °C  throttled`."""
    values = snapshot.device
    utils = _labelled(values, "gpu.util") or _labelled(values, "system.gpu.util")
    powers = _labelled(values, "system.power") or _labelled(values, "gpu.power")
    temperatures = [*_labelled(values, "system.temperature"), *_labelled(values, "gpu.temperature")]
    parts = [
        f"CPU {quantity(values.get('system.cpu.util'), '%')}",
        f"memory {quantity(values.get('system.memory.used'), 'bytes')}",
    ]
    parts += [f"GPU {quantity(max(utils), '%')}"] if utils else []
    # Rails include one another: the largest is the input's.
    parts += [quantity(max(powers), "W")] if powers else []
    parts += [quantity(max(temperatures), "°C")] if temperatures else []
    parts += ["throttled"] if is_throttled(values) else []
    return "  ".join(parts)
