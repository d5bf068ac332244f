"""Series: named streams of samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

Kind = Literal["gauge", "counter", "timer", "phase", "event"]
MARKS: frozenset[str] = frozenset({"phase", "event"})
"""Kinds without a measured value: they mark points in time."""

METRICS: dict[str, str] = {
    "system": "the whole device: CPU per core, memory, swap, temperatures, power, clocks",
    "container": "CPU, memory, I/O, network and processes of the app",
    "gpu-memory": "GPU memory of the device and of the app",
    "gpu-summary": "GPU load, clocks, power and temperature, and the time of each CUDA kernel",
    "energy": "energy used, and energy per unit of a custom metric",
    "tau": "TAU profile of the app",
    "functions": "hot Python functions of the app, with a flame graph",
    "custom": "app-reported metrics; always on",
}
"""Every metric that a sage.yaml may list, with a description."""


MAIN_SERIES: dict[str, frozenset[str]] = {
    "gpu-memory": frozenset({"gpu.memory.used", "gpu.memory.allocated"}),
    "gpu-summary": frozenset({"gpu.util"}),
    "energy": frozenset({"energy.total", "energy.rail"}),
}
"""Without samples of one of these, a metric was not measured, whatever else its source emitted."""


class Series(msgspec.Struct, frozen=True, cache_hash=True):
    """A stream of samples.

    `name` is dotted (`container.cpu.util`), `unit` is the text after a number (`%`, `bytes`, `s`), `metric` is a key of
    `METRICS`, `labels` are sorted pairs that distinguish series of one name (`(("core", "0"),)`). The value of a
    `counter` is its running total; of a `timer`, one duration in seconds; of a `phase`, 1 at its beginning and 0 at its
    end; of an `event`, 1.
    """

    name: str
    unit: str
    metric: str
    labels: tuple[tuple[str, str], ...] = ()
    kind: Kind = "gauge"

    @property
    def title(self) -> str:
        """The name with the values of its labels: `system.cpu.util[0]`."""
        return f"{self.name}[{','.join(value for _, value in self.labels)}]" if self.labels else self.name


def series(name: str, unit: str, metric: str, kind: Kind = "gauge", **labels: str) -> Series:
    """A series with sorted labels."""
    return Series(name, unit, metric, tuple(sorted(labels.items())), kind)


@dataclass(frozen=True, slots=True)
class DeclaredSeries:
    """The declaration of a series by its source, for emitting samples and for the documentation.

    `labels` are the names of the labels that samples may have; `description` is one line of Markdown.
    """

    name: str
    unit: str
    metric: str
    description: str
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"
    series: Series = field(init=False, repr=False, compare=False)
    """The series without labels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", series(self.name, self.unit, self.metric, self.kind))

    def of(self, **labels: str) -> Series:
        """The series with these labels. Raises ValueError for one that is not declared."""
        undeclared = labels.keys() - set(self.labels)
        if undeclared:
            raise ValueError(f"{self.name} declares no label {', '.join(sorted(undeclared))}")
        return series(self.name, self.unit, self.metric, self.kind, **labels)
