"""The table that ends a run on a terminal or in a build log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profileapp.judge.verdict import JudgedRun
from profileapp.model.text import printable
from profileapp.report.format import ABSENT, duration, quantity
from profileapp.report.page_data import count_met, duration_s, headline_labels

_STYLES = {"passed": "green", "over budget": "yellow", "worse": "yellow", "aborted": "magenta"}
PLAIN_WIDTH = 160


def print_table(judged: Sequence[JudgedRun], console: Console | None = None) -> None:
    """One row per target: verdict, time, headline numbers, budgets, and remarks."""
    if not judged:
        return
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=PLAIN_WIDTH, color_system=None)
    labels = headline_labels(judged)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("target", "verdict", "time", *labels, "budgets", ""):
        table.add_column(Text(printable(title, 40)), overflow="fold")
    for each in judged:
        numbers = {headline.label: quantity(headline.value, headline.unit) for headline in each.headline}
        budgets = each.run.budgets
        table.add_row(
            Text(printable(each.run.target.name, 64)),
            Text(each.verdict, style=_STYLES.get(each.verdict, "red")),
            duration(duration_s(each)),
            *(Text(printable(numbers.get(label, ABSENT), 40)) for label in labels),
            f"{count_met(budgets)}/{len(budgets)} met" if budgets else ABSENT,
            Text(printable(each.run.message or "; ".join(each.problems), 200)),
        )
    console.print(table)
