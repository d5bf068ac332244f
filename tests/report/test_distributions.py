"""Histograms of app-reported metrics."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from profileapp.collect.container import series as container
from profileapp.model.run import Repeat
from profileapp.model.series import Series, series
from profileapp.record.series_data import SeriesData
from profileapp.report.plot.distributions import DISTRIBUTIONS_LIMIT, FEWEST_VALUES, distributions
from tests.helpers.samples import series_data
from tests.report.sample_runs import FPS, INFERENCE, OBJECTS, SECOND_NS, START_NS
from tests.report.test_plots import SVG, drawn


def data(values: list[float]) -> SeriesData:
    return series_data((START_NS + second * SECOND_NS, value) for second, value in enumerate(values))


def test_only_gauges_and_timers_of_the_app_have_histograms() -> None:
    many = [float(number) for number in range(100)]
    found: dict[Series, SeriesData] = {
        FPS: data(many),
        INFERENCE: data([value / 1000 for value in many]),
        OBJECTS: data(many),
        container.CPU.series: data(many),
        series("objects.rate", "1/s", "custom"): data(many),
        series("steady", "", "custom"): data([5.0] * 100),
        series("few", "", "custom"): data(many[: FEWEST_VALUES - 1]),
    }
    plots = distributions(found, ())
    assert [plot.title for plot in plots] == ["fps", "inference"]
    assert plots[0].description == (
        "100 values of fps between 0 frames/s and 99 frames/s, p50 49.5 frames/s, p95 94 frames/s"
    )
    texts = ["".join(each.itertext()) for each in drawn(plots[1]).iter(f"{SVG}text")]
    assert {"p50", "p95", "ms"} <= set(texts)


def test_only_measured_samples_count() -> None:
    start_ns = START_NS + 50 * SECOND_NS
    repeats = (Repeat(1, START_NS, start_ns, START_NS + 200 * SECOND_NS, "completed"),)
    [plot] = distributions({FPS: data([float(number) for number in range(100)])}, repeats)
    assert plot.description.startswith("50 values of fps between 50 frames/s")


def test_a_rate_counts_for_the_time_it_stands_for() -> None:
    """As in the summary: 30 s at 10 frames/s and 3 s at 100, reported more often."""
    slow = [(START_NS + number * SECOND_NS, 10.0 + number % 2) for number in range(31)]
    fast = [(slow[-1][0] + (number + 1) * SECOND_NS // 10, 100.0) for number in range(40)]
    [plot] = distributions({FPS: series_data(slow + fast)}, ())
    assert "p50 10 frames/s" in plot.description or "p50 11 frames/s" in plot.description, plot.description
    texts = ["".join(each.itertext()) for each in drawn(plot).iter(f"{SVG}text")]
    assert "% of time" in texts


def test_the_number_of_histograms_is_bounded() -> None:
    many = {series(f"s{number}", "", "custom"): data([1.0, 2.0] * 20) for number in range(30)}
    assert len(distributions(many, ())) == DISTRIBUTIONS_LIMIT


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=25)
@given(st.lists(FINITE, min_size=FEWEST_VALUES, max_size=60), st.text(max_size=20))
def test_any_values_can_be_drawn(values: list[float], name: str) -> None:
    for plot in distributions({series(name, "s", "custom"): data(values)}, ()):
        drawn(plot)


def test_without_samples_there_is_no_histogram() -> None:
    assert distributions({}, ()) == []
    assert distributions({FPS: data([])}, ()) == []
    assert distributions({FPS: data([1.0])}, ()) == []
