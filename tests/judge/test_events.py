"""Events of the device, derived from its series."""

from __future__ import annotations

from profileapp.judge.events import EVENTS_LIMIT, device_events
from profileapp.model.run import Event, Repeat
from profileapp.model.series import series
from profileapp.record.series_data import SeriesData
from tests.helpers.samples import series_data

HEAT = series("system.throttled", "", "system", reason="heat")
GPU = series("gpu.throttled", "", "gpu-summary", gpu="0", reason="power")
MODE = series("system.power-mode", "", "system")


def data(*values: float) -> SeriesData:
    return series_data(enumerate(values, 10))


def test_spans_of_throttling() -> None:
    assert device_events({HEAT: data(0, 1, 1, 0, 0, 1), GPU: data(1, 0)}) == (
        Event(10, 11, "the GPU was throttled by its power limit"),
        Event(11, 13, "the device was throttled by heat"),
        Event(15, 0, "the device was throttled by heat"),
    )


def test_a_change_of_the_power_mode() -> None:
    assert device_events({MODE: data(2, 2, 0)}) == (Event(12, 12, "the power mode changed from 2 to 0"),)
    assert not device_events({MODE: data(2)})
    assert not device_events({MODE: data()})


def test_an_app_can_neither_forge_nor_flood_them() -> None:
    own = series("system.throttled", "", "custom", reason="heat")
    assert not device_events({own: data(1, 1)})
    assert len(device_events({HEAT: data(*([0, 1] * 1000))})) == EVENTS_LIMIT


def test_an_unknown_reason_is_named() -> None:
    other = series("gpu.throttled", "", "gpu-summary", reason="sync")
    assert device_events({other: data(1)})[0].text == "the GPU was throttled sync"


def test_events_of_the_traced_repeat_are_not_reported() -> None:
    repeats = (Repeat(1, 10, 10, 12), Repeat(2, 13, 13, 16, traced=True))
    assert device_events({HEAT: data(1, 0, 0, 1)}, repeats) == (Event(10, 11, "the device was throttled by heat"),)
