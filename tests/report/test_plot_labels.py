"""Placement of labels in a plot."""

from __future__ import annotations

import numpy as np
import pytest

from profileapp.model.run import BudgetResult
from profileapp.report.plot.labels import Box, crossings, freest, overlap
from profileapp.report.plot.series import PAGE, plot_target
from tests.report.sample_runs import FPS
from tests.report.test_plots import SVG, data, drawn, one_repeat

BOX: Box = (0.4, 0.4, 0.6, 0.6)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 0), (1, 1)], 1),
        ([(0, 0.5), (1, 0.5)], 1),
        ([(0.5, 0), (0.5, 1)], 1),
        ([(0.3, 0), (0.3, 1)], 0),
        ([(0, 0.7), (1, 0.7)], 0),
        ([(0, 0.9), (0.39, 0.5)], 0),
        ([(0.45, 0.45), (0.5, 0.5), (0.55, 0.45)], 2),
        ([(0, 0.5), (0.5, np.nan), (1, 0.5)], 0),
        ([(0.5, 0.5)], 1),
        ([(0.5, 0.9)], 0),
        ([], 0),
    ],
)
def test_line_segments_that_overlap_a_label(points: list[tuple[float, float]], expected: int) -> None:
    assert crossings(BOX, np.array(points, dtype=float).reshape(-1, 2)) == expected


def test_the_first_free_position_is_used_and_other_labels_weigh_most() -> None:
    boxes: list[Box] = [(0.0, 0.0, 0.2, 0.2), (0.4, 0.0, 0.6, 0.2), (0.8, 0.0, 1.0, 0.2)]
    line = np.array([(0.0, 0.1), (0.3, 0.1)])
    assert freest(boxes, []) == boxes[0]
    assert freest(boxes, [line]) == boxes[1]
    assert freest(boxes, [line], boxes[1:]) == boxes[0]
    assert overlap(boxes[0], boxes[1]) == 0 and overlap(BOX, BOX) == pytest.approx(0.04)


def label_at(values: list[float]) -> tuple[float, float]:
    """Position of the label of a budget at 10 in a plot with these values."""
    budget = BudgetResult("fps.mean", ">= 10", "met", 12.0, 10.0, 2.0, "frames/s")
    [plot], _ = plot_target({FPS: data(values)}, one_repeat(len(values)), [budget])
    [text] = [each for each in drawn(plot).iter(f"{SVG}text") if "budget" in "".join(each.itertext())]
    backs = [each for each in drawn(plot).iter(f"{SVG}path") if each.get("fill") == PAGE]
    assert len(backs) == 1
    return float(text.attrib["x"]), float(text.attrib["y"])


def test_the_label_of_a_budget_avoids_the_series() -> None:
    flat = label_at([20.0] * 100)
    assert flat[0] > 250, "nothing is in the way at the right end"
    # At the right end the series oscillates across the limit.
    busy = label_at([20.0] * 60 + [8.0, 12.0] * 20)
    assert busy[0] < 180
    # The series is above the limit everywhere: the label goes below it.
    above = label_at([10.4, 10.8] * 50)
    assert above[1] > label_at([9.0, 9.3] * 50)[1]


def test_labels_do_not_overlap() -> None:
    budgets = [
        BudgetResult(f"fps.{name}", ">= 10", "met", 12.0, 10.0, 2.0, "frames/s") for name in ("mean", "p50", "min")
    ]
    [plot], _ = plot_target({FPS: data([20.0] * 50)}, one_repeat(50), budgets)
    places = [
        (each.attrib["x"], each.attrib["y"])
        for each in drawn(plot).iter(f"{SVG}text")
        if "budget" in "".join(each.itertext())
    ]
    assert len(set(places)) == len(places)
