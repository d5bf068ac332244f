"""Pages of trends over runs, and of two sides compared. They need the report extra, like the other pages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from profileapp.errors import AgentError
from profileapp.judge.compare import Difference
from profileapp.model.history import Trend
from profileapp.record.artifacts import REPORT_FOLDER
from profileapp.record.files import make_folder, write_atomic
from profileapp.report.clean import one_line
from profileapp.report.format import quantity, scale_of
from profileapp.report.page.pages import page_templates, write_plot
from profileapp.report.plot.plain import BLUE, ORANGE, TEXT, dress, finished, plot_style
from profileapp.report.plot.series import Plot

PLOTS_LIMIT = 40
_BARS_LIMIT = 40


def write_history(out: Path, trends: Sequence[Trend]) -> Path:
    """Writes a page with a plot of each trend and its changes. Returns its path. Raises AgentError."""
    plots = [_trend_plot(number, trend) for number, trend in enumerate(trends[:PLOTS_LIMIT], start=1)]
    return _write(out, "history.html", plots, {"trends": trends})


def write_comparison(out: Path, first: str, second: str, differences: Sequence[Difference]) -> Path:
    """Writes a page with a table and a plot of relative changes. Returns its path. Raises AgentError."""
    known = [each for each in differences if each.ratio is not None][:_BARS_LIMIT]
    plots = [_bars_plot(known)] if known else []
    return _write(out, "comparison.html", plots, {"first": first, "second": second, "differences": differences})


def _write(out: Path, template: str, plots: Sequence[Plot], values: dict[str, object]) -> Path:
    index = out / "index.html"
    try:
        make_folder(out / REPORT_FOLDER)
        style = files("profileapp.report.page").joinpath("static/style.css").read_bytes()
        write_atomic(out / REPORT_FOLDER / "style.css", style)
        written = [write_plot(out / REPORT_FOLDER, number, plot) for number, plot in enumerate(plots, start=1)]
        html = page_templates().get_template(template).render(plots=written, **values)
        write_atomic(index, html.encode())
    except OSError as error:
        raise AgentError(f"{out}: the page cannot be written ({error.strerror})") from error
    return index


def _trend_plot(number: int, trend: Trend) -> Plot:
    values = [point.value for point in trend.points]
    factor, unit = scale_of(trend.unit, max(map(abs, values)))
    figure = Figure(figsize=(5.0, 1.9))
    with plot_style():
        axes = figure.add_axes((0.11, 0.2, 0.86, 0.76))
        axes.plot([value / factor for value in values], color=BLUE, linewidth=0.8, marker=".", markersize=2.5)
        edges = [0, *(change.index for change in trend.changes), len(values)]
        for start, end in pairwise(edges):
            mean = sum(values[start:end]) / (end - start) / factor
            axes.plot([start, end - 1], [mean, mean], color=TEXT, linewidth=1.0, linestyle=(0, (5, 1.5)))
        for change in trend.changes:
            axes.axvline(change.index, color=ORANGE, linewidth=1.0)
        dress(axes, one_line(unit, 24))
        axes.set_xlabel("run", fontsize=8, color=TEXT, labelpad=1)
        title = f"{trend.title} {trend.statistic}"
        span = f"between {quantity(min(values), trend.unit)} and {quantity(max(values), trend.unit)}"
        runs = f"{len(values)} runs: {span}, {len(trend.changes)} changes of level"
        description = f"{title} of {trend.target} over {runs}"
        return finished(figure, f"trend-{number}", one_line(title, 100), one_line(description, 300))


def _bars_plot(differences: Sequence[Difference]) -> Plot:
    ratios = [100 * (each.ratio or 0.0) for each in differences]
    # A thousandfold change would make the others invisible.
    shown = [max(-200.0, min(200.0, ratio)) for ratio in ratios]
    figure = Figure(figsize=(5.0, 0.5 + 0.22 * len(shown)))
    with plot_style():
        axes = figure.add_axes((0.42, 0.3 / (0.5 + 0.22 * len(shown)), 0.54, 1 - 0.4 / (0.5 + 0.22 * len(shown))))
        colours = [ORANGE if ratio > 0 else BLUE for ratio in ratios]
        axes.barh(range(len(shown)), shown, color=colours, height=0.6)
        labels = [one_line(f"{each.target} {each.title}", 34) for each in differences]
        axes.set_yticks(range(len(shown)), labels)
        axes.invert_yaxis()
        axes.axvline(0, color=TEXT, linewidth=0.8)
        dress(axes, "")
        description = f"Relative change of {len(shown)} numbers in percent, cut at 200"
        return finished(figure, "changes", "Relative change [%]", description)
