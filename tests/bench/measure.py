"""One measure and its verdict, and the table of measures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measure:
    """`value` must be at most `limit`, both as displayed. `ours` and `peer` are the values behind it."""

    name: str
    ours: str
    peer: str
    value: float
    limit: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.limit

    @property
    def value_text(self) -> str:
        return f"{self.value:.4g}{self.unit}"

    @property
    def limit_text(self) -> str:
        return f"{self.limit:.4g}{self.unit}"

    def __str__(self) -> str:
        """One line: `holds: start of profileapp --help: 1.2× (limit 3×); 90 ms; python: 75 ms`."""
        verdict = "holds" if self.holds else "missed"
        line = f"{verdict}: {self.name}: {self.value_text} (limit {self.limit_text})"
        return "; ".join(filter(None, (line, self.ours, self.peer)))


def show(measures: Sequence[Measure], load_before: float) -> None:
    """Prints one table. `load_before` is the load average of the minute before the first measure."""
    cores = os.cpu_count() or 1
    load = f"load average before: {load_before:.2f} on {cores} cores"
    busy = "; others were at work: these numbers are uncertain both ways" if load_before > 0.2 * cores else ""
    table = Table(title="What measuring costs", title_justify="left", caption=load + busy, caption_justify="left")
    for heading in ("measure", "ours", "peer"):
        table.add_column(heading, overflow="fold")
    for heading in ("value", "limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in measures:
        verdict = "[green]holds[/green]" if one.holds else "[red]missed[/red]"
        table.add_row(one.name, one.ours, one.peer, one.value_text, one.limit_text, verdict)
    Console(width=None if Console().is_terminal else 140).print(table)


def spread(ratios: Sequence[float]) -> str:
    """The quartiles of ratios: `0.998 … 1.004 (12 pairs)`."""
    ranked = sorted(ratios)
    return f"{ranked[len(ranked) // 4]:.3f} … {ranked[(3 * len(ranked)) // 4]:.3f} ({len(ranked)} pairs)"
