"""Distributions of the app's own values: a histogram of each gauge and timer."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import msgspec
import numpy
from matplotlib.figure import Figure

from profileapp.judge.digest import has_distribution
from profileapp.judge.summary import measured_spans, weighted_summary
from profileapp.judge.weights import Weighted, standing_of, weighted_in
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
        weighted = Weighted(array("d", whole.values)) if whole else weighted_in(one, series[one], spans)
        values = array("d", numpy.clip(weighted.values, -SAFE_MAGNITUDE, SAFE_MAGNITUDE).tobytes())
        count = whole.count if whole else len(values)
        if count >= FEWEST_VALUES and len(values) and min(values) < max(values):
            clipped = msgspec.structs.replace(weighted, values=values)
            plots.append(_histogram(f"distribution-{len(plots) + 1}", one, clipped, count))
    return plots


def _histogram(key: str, one: Series, weighted: Weighted, count: int) -> Plot:
    """Each value is weighted by the time that it covers, as in the summary; `count` is how many were measured."""
    values, weights = numpy.asarray(weighted.values), weighted.weights
    summary = weighted_summary(one, weighted)
    low, high = float(values.min()), float(values.max())
    factor, unit = scale_of(one.unit, max(abs(low), abs(high)))
    is_of_time = standing_of(one) != "event"
    each = numpy.ones(len(values)) if weights is None else numpy.asarray(weights, dtype="float64")
    whole = 100 if is_of_time else count
    figure = Figure(figsize=(5.0, 1.9))
    with plot_style():
        axes = figure.add_axes((0.11, 0.2, 0.86, 0.7))
        axes.hist(values / factor, bins=_BINS, weights=each / each.sum() * whole, color=BLUE)
        marks = [("p50", summary.p50), ("p95", summary.p95)]
        for (name, value), dashes in zip(marks, ((5, 1.5), (1, 1.2)), strict=True):
            axes.axvline(value / factor, color=ORANGE, linewidth=1.0, linestyle=(0, dashes))
            # On opposite sides if they are close to each other.
            side, at = ("right", -2) if name == "p50" else ("left", 2)
            axes.annotate(
                name, (value / factor, 1), (at, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha=side, fontsize=7, color=TEXT,
            )  # fmt: skip
        dress(axes, "% of time" if is_of_time else "values")
        axes.set_xlabel(one_line(unit, 24), fontsize=8, color=TEXT, labelpad=1)
        alt_text = ", ".join(f"{name} {quantity(value, one.unit)}" for name, value in marks)
        span = f"between {quantity(low, one.unit)} and {quantity(high, one.unit)}"
        description = f"{count} values of {one.title} {span}, {alt_text}"
        return finished(figure, key, one_line(one.title, 80), one_line(description, 300))
