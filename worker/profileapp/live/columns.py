"""Which numbers the views show of a target and of the device, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from profileapp.live.snapshot import Snapshot, TargetRow
from profileapp.report.format import quantity

Values = Mapping[str, float]


class Column(NamedTuple):
    """A column of a target's values: a title, and the number and its unit, None where it is not measured."""

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
    """The columns that any running target has a value for; CPU and memory always."""
    running = [row.values for row in snapshot.targets if row.state == "running"]
    return tuple(
        column
        for column in _COLUMNS
        if column in _COLUMNS[:2] or any(column.value(values) is not None for values in running)
    )


def cells_of(row: TargetRow, columns: Iterable[Column]) -> tuple[str, ...]:
    """A target's values as text; a dash for one that is not measured now."""
    return tuple(quantity(column.value(row.values), column.unit) for column in columns)


def is_throttled(values: Values) -> bool:
    """Whether heat, power or a limit slows the device or its GPU down now."""
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
    # Rails are parts of one another: the largest is the input's.
    parts += [quantity(max(powers), "W")] if powers else []
    parts += [quantity(max(temperatures), "°C")] if temperatures else []
    parts += ["throttled"] if is_throttled(values) else []
    return "  ".join(parts)
