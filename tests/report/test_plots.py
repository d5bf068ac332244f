"""Plots as SVG: their content, and that they need no style sheet."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import Event, Mark, Phase, Repeat
from profileapp.model.series import series
from profileapp.record.series_data import SeriesData
from profileapp.report.plot.annotations import Annotations, reserve_phase_rows
from profileapp.report.plot.series import PAGE, Plot, plot_target
from tests.helpers.samples import series_data
from tests.report.sample_runs import FPS, SECOND_NS, START_NS

SVG = "{http://www.w3.org/2000/svg}"
LINE_COLOUR = "#0072b2"


def data(values: list[float], times_ns: list[int] | None = None) -> SeriesData:
    return series_data(
        zip(times_ns or [START_NS + step * SECOND_NS for step in range(len(values))], values, strict=True)
    )


def one_repeat(seconds: int, warmup_s: int = 0) -> tuple[Repeat, ...]:
    return (Repeat(1, START_NS, START_NS + warmup_s * SECOND_NS, START_NS + seconds * SECOND_NS),)


def drawn(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(plot.light)  # noqa: S314


def lines(plot: Plot, colour: str = LINE_COLOUR) -> list[list[tuple[float, float]]]:
    """Strokes of the thick line with this colour, each as points (x to the right, y down)."""
    strokes = []
    for path in drawn(plot).iter(f"{SVG}path"):
        if path.get("stroke") == colour and "clip-path" in path.attrib:
            for stroke in path.attrib["d"].split("M")[1:]:
                numbers = [float(number) for number in re.findall(r"-?[\d.]+", stroke)]
                strokes.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return strokes


def strokes(plot: Plot) -> list[ElementTree.Element]:
    """All drawn strokes, except those behind text."""
    return [path for path in drawn(plot).iter(f"{SVG}path") if path.get("fill") != PAGE]


def test_no_style_no_script_no_link_and_a_text_alternative(samples: list[JudgedRun]) -> None:
    plots, _ = plot_target(samples[0].series, samples[0].run.repeats, samples[0].run.budgets)
    for plot in plots:
        for text in (plot.light.decode(), plot.dark.decode()):
            root = ElementTree.fromstring(text)  # noqa: S314
            assert root.attrib["role"] == "img"
            assert (root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == (plot.title, plot.description)
            for element in root.iter():
                assert element.tag not in (f"{SVG}style", f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")
                assert "style" not in element.attrib
                assert "font" not in element.attrib
                for name, value in element.attrib.items():
                    assert not name.endswith("href") or value.startswith("#")


def test_a_plot_is_small(samples: list[JudgedRun]) -> None:
    noisy = {
        series("system.cpu.util", "%", "system", core=str(core)): data([(i * 7919 % 101) / 1.01 for i in range(36_000)])
        for core in range(12)
    }
    [plot], _ = plot_target(noisy, one_repeat(36_000), ())
    assert len(plot.light) < 60_000


def test_the_same_run_gives_the_same_bytes(samples: list[JudgedRun]) -> None:
    again = [plot_target(samples[1].series, samples[1].run.repeats, samples[1].run.budgets) for _ in range(2)]
    assert again[0] == again[1]


def test_the_dark_version_differs_only_in_colours(samples: list[JudgedRun]) -> None:
    plots, _ = plot_target(samples[1].series, samples[1].run.repeats, samples[1].run.budgets)
    for plot in plots:
        light, dark = plot.light.decode(), plot.dark.decode()
        assert light != dark
        assert re.sub("#[0-9a-f]{6}", "", light) == re.sub("#[0-9a-f]{6}", "", dark)
        assert not {"#0072b2", "#59616a"} & set(re.findall("#[0-9a-f]{6}", dark))


def test_a_single_peak_is_drawn() -> None:
    values = [1.0] * 50_000
    values[31_415] = 100.0
    [plot], _ = plot_target({FPS: data(values)}, one_repeat(50_000), ())
    heights = [y for stroke in lines(plot) for _, y in stroke]
    assert max(heights) - min(heights) > 70


def test_repeats_are_separate_lines_with_the_warm_up_shaded() -> None:
    repeats = (
        Repeat(1, START_NS, START_NS + 5 * SECOND_NS, START_NS + 20 * SECOND_NS),
        Repeat(2, START_NS + 30 * SECOND_NS, START_NS + 35 * SECOND_NS, START_NS + 50 * SECOND_NS),
    )
    steps = [*range(20), *range(30, 50)]
    found = {FPS: data([10.0] * 40, [START_NS + step * SECOND_NS for step in steps])}
    [plot], _ = plot_target(found, repeats, ())
    assert len(lines(plot)) == 2
    assert sum(path.get("fill") == "#edeff2" for path in drawn(plot).iter(f"{SVG}path")) == 2


def test_samples_out_of_order_are_drawn_in_the_order_of_time() -> None:
    times = [START_NS + step * SECOND_NS for step in (3, 1, 2, 0, 9)]
    [plot], _ = plot_target({FPS: data([1.0, 9.0, 5.0, 3.0, 2.0], times)}, one_repeat(10), ())
    across = [x for stroke in lines(plot) for x, _ in stroke]
    assert across == sorted(across)
    assert len(across) == 5


def test_a_time_outside_of_the_run_does_not_stretch_the_plot() -> None:
    times = [0, *(START_NS + step * SECOND_NS for step in range(10)), 2**62]
    [plot], _ = plot_target({FPS: data([9.0] + [5.0] * 10 + [9.0], times)}, one_repeat(10), ())
    [stroke] = lines(plot)
    assert stroke[-1][0] - stroke[0][0] > 250
    assert plot.description == "fps over 10 s: between 5 frames/s and 5 frames/s"


def test_an_unfinished_run_extends_to_its_last_sample() -> None:
    cpu = series("container.cpu.util", "%", "container")
    late = {FPS: data([1.0, 2.0], [START_NS, 2**62]), cpu: data([1.0] * 30)}
    plots, _ = plot_target(late, (Repeat(1, START_NS, START_NS),), ())
    assert all("29 s" in plot.description for plot in plots)
    assert plot_target({cpu: data([1.0] * 30)}, (), ())[0][0].description.startswith("Container CPU use over 29 s")


def test_without_samples_there_is_no_plot() -> None:
    assert plot_target({}, one_repeat(10), ()) == ([], 0)
    assert plot_target({FPS: data([])}, one_repeat(10), ()) == ([], 0)
    [plot], _ = plot_target({FPS: data([5.0])}, one_repeat(10), ())
    assert "5 frames/s" in plot.description


@pytest.mark.parametrize(
    "label",
    [
        r"$\frac{$",
        "$x$",
        "_hidden",
        "</text><script>alert(1)</script>",
        '" style="fill: red',
        "物体 🚀",
        "A" * 200,
    ],
)
def test_labels_are_escaped(label: str) -> None:
    pair = {series("queue", label[:16], "custom", where=label): data([1.0, 2.0]), FPS: data([1.0, 2.0])}
    pair |= {series("queue", label[:16], "custom", where="b"): data([1.0, 2.0])}
    plots, _ = plot_target(pair, one_repeat(10), ())
    plot = next(each for each in plots if each.title == "queue")
    texts = {(text.text or "").strip() for text in drawn(plot).iter(f"{SVG}text")}
    assert (label if len(label) <= 32 else label[:31] + "…") in texts
    assert label[:16].strip() in texts


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.sampled_from(["bytes", "%", "s", "", "°C"]),
)
def test_any_values_can_be_drawn(values: list[float], unit: str) -> None:
    [plot], _ = plot_target({series("any", unit, "custom"): data(values)}, one_repeat(20), ())
    assert drawn(plot).tag == f"{SVG}svg"


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2, 1.4.3)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_line_has_sufficient_contrast() -> None:
    eight = {series("queue", "", "custom", n=str(n)): data([float(n)] * 3) for n in range(8)}
    [plot], _ = plot_target(eight, one_repeat(3), ())
    for svg, page, least in ((plot.light, ("#ffffff", "#f7f8fa"), 3.0), (plot.dark, ("#14171a", "#1b1f23"), 3.0)):
        root = ElementTree.fromstring(svg)  # noqa: S314
        thick = [path for path in root.iter(f"{SVG}path") if path.get("stroke-width") in ("0.8", "1.6")]
        strokes = [path.attrib["stroke"] for path in thick if "clip-path" in path.attrib]
        colours = {text.attrib["fill"] for text in root.iter(f"{SVG}text")}
        assert len(set(strokes)) >= 8
        for background in page:
            assert all(contrast(colour, background) >= least for colour in strokes)
            assert all(contrast(colour, background) >= 4.5 for colour in colours)


def test_the_style_sheet_uses_the_backgrounds_of_the_plots() -> None:
    import profileapp.report.page

    style = (Path(profileapp.report.page.__file__).parent / "static" / "style.css").read_text()
    for background in ("--page: #ffffff", "--card: #f7f8fa", "--page: #14171a", "--card: #1b1f23"):
        assert background in style


def test_lines_differ_not_only_in_colour() -> None:
    four = {series("queue", "", "custom", n=str(n)): data([float(n + 1)] * 3) for n in range(4)}
    [plot], _ = plot_target(four, one_repeat(3), ())
    dashes = {
        path.get("stroke-dasharray")
        for path in drawn(plot).iter(f"{SVG}path")
        if "clip-path" in path.attrib and path.get("stroke-width") in ("1.6", "1.1")
    }
    assert len(dashes) == 4


def test_legend_and_lines_have_the_same_order() -> None:
    memory = {
        series(f"container.memory.{name}", "bytes", "container"): data([1.0, 1.0]) for name in ("peak", "used", "a")
    }
    [plot], _ = plot_target(memory, one_repeat(3), ())
    labels = [text.text for text in drawn(plot).iter(f"{SVG}text") if text.text in ("peak", "used", "a")]
    assert labels == ["used", "a", "peak"]


def test_phases_and_events_are_in_each_plot() -> None:
    phase = Phase("warm <up>", ((START_NS, START_NS + 30 * SECOND_NS), (START_NS + 60 * SECOND_NS, 0)))
    annotations = Annotations((phase,), (Mark("model loaded", START_NS + 40 * SECOND_NS),))
    phase_series = series("warm <up>", "", "custom", "phase")
    plots, _ = plot_target({FPS: data([1.0] * 100), phase_series: data([1, 0])}, one_repeat(100), (), annotations)
    assert [plot.key for plot in plots] == ["fps"]
    texts = ["".join(each.itertext()) for each in drawn(plots[0]).iter(f"{SVG}text")]
    assert "warm <up>" in texts
    assert "model loaded" in texts
    plain, _ = plot_target({FPS: data([1.0] * 100)}, one_repeat(100), ())
    assert len(strokes(plots[0])) == len(strokes(plain[0])) + 3


def test_throttling_is_shaded_and_labelled_once() -> None:
    heat = "the device was throttled by heat"
    events = tuple(Event(START_NS + at * SECOND_NS, START_NS + (at + 9) * SECOND_NS, heat) for at in (10, 40))
    [plot], _ = plot_target({FPS: data([1.0] * 100)}, one_repeat(100), (), Annotations(events=events))
    texts = ["".join(each.itertext()) for each in drawn(plot).iter(f"{SVG}text")]
    assert texts.count(heat) == 1
    [plain], _ = plot_target({FPS: data([1.0] * 100)}, one_repeat(100), ())
    assert len(strokes(plot)) == len(strokes(plain)) + 4


def test_phases_are_above_all_lines() -> None:
    phases = tuple(Phase(name, ((START_NS, START_NS + 50 * SECOND_NS),)) for name in "abc")
    axes = Figure().add_axes((0, 0, 1, 1))
    axes.set_ylim(0, 64)
    reserve_phase_rows(axes, Annotations(phases))
    assert axes.get_ylim() == pytest.approx((0, 100))


def test_totals_of_repeats_have_no_plots() -> None:
    used = series("container.memory.used", "bytes", "container")
    total = series("container.cpu.time", "s", "container")
    plots, _ = plot_target({used: data([1.0] * 100), total: data([9.0])}, one_repeat(100), ())
    assert [plot.key for plot in plots] == ["container.memory.used"]
