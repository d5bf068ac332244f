"""Distributions of the app's own values: a histogram of each gauge and timer."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import numpy
from matplotlib.figure import Figure

from profileapp.judge.digest import has_distribution
from profileapp.judge.percentiles import percentile
from profileapp.judge.summary import measured_spans
from profileapp.judge.weights import values_in
from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.digest import Ranked
from profileapp.record.series_data import SeriesData
from profileapp.report.clean import one_line
from profileapp.report.format import quantity, scale_of
from profileapp.report.plot.plain import BLUE, ORANGE, TEXT, dress, finished, plot_style
from profileapp.report.plot.series import SAFE_MAGNITUDE, Plot

DISTRIBUTIONS_LIMIT = 8
FEWEST_VALUES = 20
"""A histogram of fewer samples shows nothing."""
_BINS = 40


def distributions(
    series: Mapping[Series, SeriesData], repeats: Sequence[Repeat], known: Mapping[Series, Ranked] | None = None
) -> list[Plot]:
    """A plot per series of the app whose values differ, by name; derived series (rates) are skipped.

    `known`: distributions of series of which not all samples are here.
    """
    own = [one for one in series if has_distribution(one)]
    spans = measured_spans(repeats) or [(0, None)]
    plots: list[Plot] = []
    for one in sorted(own, key=lambda each: (each.name, each.labels)):
        if len(plots) >= DISTRIBUTIONS_LIMIT:
            continue
        whole = (known or {}).get(one)
        found = whole.values if whole else values_in(series[one], spans)
        values = numpy.sort(numpy.clip(found, -SAFE_MAGNITUDE, SAFE_MAGNITUDE))
        count = whole.count if whole else len(values)
        if count >= FEWEST_VALUES and len(values) and values[0] < values[-1]:
            plots.append(_histogram(f"distribution-{len(plots) + 1}", one, array("d", values.tobytes()), count))
    return plots


def _histogram(key: str, one: Series, ranked: array[float], count: int) -> Plot:
    factor, unit = scale_of(one.unit, max(abs(ranked[0]), abs(ranked[-1])))
    figure = Figure(figsize=(5.0, 1.9))
    with plot_style():
        axes = figure.add_axes((0.11, 0.2, 0.86, 0.7))
        each = numpy.full(len(ranked), count / len(ranked))
        axes.hist(numpy.asarray(ranked) / factor, bins=_BINS, weights=each, color=BLUE)
        marks = [(name, percentile(ranked, percent)) for name, percent in (("p50", 50), ("p95", 95))]
        for (name, value), dashes in zip(marks, ((5, 1.5), (1, 1.2)), strict=True):
            axes.axvline(value / factor, color=ORANGE, linewidth=1.0, linestyle=(0, dashes))
            # On opposite sides if they are close to each other.
            side, at = ("right", -2) if name == "p50" else ("left", 2)
            axes.annotate(
                name, (value / factor, 1), (at, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha=side, fontsize=7, color=TEXT,
            )  # fmt: skip
        dress(axes, "values")
        axes.set_xlabel(one_line(unit, 24), fontsize=8, color=TEXT, labelpad=1)
        alt_text = ", ".join(f"{name} {quantity(value, one.unit)}" for name, value in marks)
        span = f"between {quantity(ranked[0], one.unit)} and {quantity(ranked[-1], one.unit)}"
        description = f"{count} values of {one.title} {span}, {alt_text}"
        return finished(figure, key, one_line(one.title, 80), one_line(description, 300))
