"""Joules per unit of an app-reported counter."""

from __future__ import annotations

import pytest

from profileapp.judge.energy import energy_per_unit
from profileapp.model.run import Repeat
from profileapp.model.series import series
from profileapp.record.series_data import SeriesData
from tests.helpers.samples import series_data

S = 1_000_000_000
TOTAL = series("energy.total", "J", "energy", kind="counter")
ABOVE = series("energy.above-idle", "J", "energy", kind="counter", gpu="0")
FRAMES = series("frames", "", "custom", kind="counter")


def data(*pairs: tuple[float, float]) -> SeriesData:
    return series_data((round(at_s * S), value) for at_s, value in pairs)


def repeat(index: int, start: float, end: float, measured_from: float | None = None, traced: bool = False) -> Repeat:
    begun = round((start if measured_from is None else measured_from) * S)
    return Repeat(index, round(start * S), begun, round(end * S), "completed", traced=traced)


def test_joules_per_frame_have_one_value_for_each_repeat() -> None:
    energy = data((0, 0), (1, 10), (2, 20), (10, 0), (11, 30))
    frames = data((0.5, 1), (1.5, 3), (2.0, 5), (10.5, 15))
    (per,) = energy_per_unit({TOTAL: energy, FRAMES: frames}, [repeat(1, 0, 2), repeat(2, 10, 11)])
    assert (per.name, per.unit, per.metric, per.count) == ("energy.total.per.frames", "J", "energy", 2)
    assert (per.min, per.max, per.mean) == (3, 4, 3.5)


def test_warm_up_and_tracing_do_not_count() -> None:
    energy = data((0, 0), (1, 100), (2, 110), (10, 0), (11, 1000))
    frames = data((0.5, 50), (1.5, 55), (10.5, 56))
    (per,) = energy_per_unit(
        {TOTAL: energy, FRAMES: frames}, [repeat(1, 0, 2, measured_from=1), repeat(2, 10, 11, traced=True)]
    )
    assert per.mean == pytest.approx(2)


def test_labels_of_both_series_are_preserved() -> None:
    lanes = series("frames", "", "custom", kind="counter", lane="left")
    (per,) = energy_per_unit({ABOVE: data((0, 0), (1, 4)), lanes: data((0.5, 2))}, [repeat(1, 0, 1)])
    assert (per.name, per.labels, per.mean) == ("energy.above-idle.per.frames", {"gpu": "0", "lane": "left"}, 2)


@pytest.mark.parametrize(
    ("energy", "frames"),
    [
        (data((0, 0)), data((0, 1))),
        (data(), data((0, 1))),
        (data((0, 0), (1, 5)), data()),
        (data((0, 0), (1, 5)), data((0, 3), (1, 3))),
        (data((0, 0), (1, 5)), data((5, 3))),
    ],
)
def test_without_counts_or_energy_there_is_no_value(energy: SeriesData, frames: SeriesData) -> None:
    assert not energy_per_unit({TOTAL: energy, FRAMES: frames}, [repeat(1, 0, 2)])


def test_gauges_are_not_counters() -> None:
    fps = series("fps", "", "custom")
    assert not energy_per_unit({TOTAL: data((0, 0), (1, 5)), fps: data((0, 1), (1, 30))}, [repeat(1, 0, 2)])
