"""Events of the device during a measurement, found in its series: throttling, a change of power mode."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from profileapp.model.run import Event, Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

EVENTS_LIMIT = 200
_THROTTLED = {"system.throttled": "the device was throttled", "gpu.throttled": "the GPU was throttled"}
_REASONS = {"heat": "by heat", "power": "by its power limit", "hardware": "by its hardware"}
_POWER_MODE = "system.power-mode"


def device_events(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat] = ()) -> tuple[Event, ...]:
    """At most EVENTS_LIMIT, in the order of their starts; without those of traced repeats, which run last."""
    traced_ns = min((each.started_ns for each in repeats if each.traced), default=None)
    found: list[Event] = []
    for one, data in series.items():
        if text := throttled_text(one):
            found += _spans(data, text)
        elif one.name == _POWER_MODE and one.metric != "custom":
            found += _changes(data)
    if traced_ns is not None:
        found = [event for event in found if event.started_ns < traced_ns]
    return tuple(sorted(found, key=lambda event: (event.started_ns, event.text))[:EVENTS_LIMIT])


def throttled_text(one: Series) -> str:
    """The meaning of a value above 0 of the series: `the device was throttled by heat`; "" for any other series."""
    if one.name not in _THROTTLED or one.metric == "custom":
        return ""
    reason = dict(one.labels).get("reason", "")
    return f"{_THROTTLED[one.name]} {_REASONS.get(reason, reason)}".strip()


def disturbance(series: Mapping[Series, SeriesData], repeat: Repeat) -> str:
    """What the device did in a repeat, by the samples in its measured time; "" for nothing."""
    for one, data in series.items():
        text = throttled_text(one)
        is_mode = one.name == _POWER_MODE and one.metric != "custom"
        if not (text or is_mode) or not repeat.ended_ns:
            continue
        first, end = bisect_left(data.times_ns, repeat.measured_from_ns), bisect_right(data.times_ns, repeat.ended_ns)
        values = data.values[first:end]
        if text and any(value > 0 for value in values):
            return text
        if is_mode and len(set(values)) > 1:
            return f"the power mode changed from {values[0]:g} to {values[-1]:g}"
    return ""


def _spans(data: SeriesData, text: str) -> Iterator[Event]:
    """Spans from the first sample that shows a state to the first that no longer does."""
    started_ns: int | None = None
    for at_ns, value in zip(data.times_ns, data.values, strict=True):
        if value > 0 and started_ns is None:
            started_ns = at_ns
        elif value <= 0 and started_ns is not None:
            yield Event(started_ns, at_ns, text)
            started_ns = None
    if started_ns is not None:
        yield Event(started_ns, 0, text)


def _changes(data: SeriesData) -> Iterator[Event]:
    for (_, before), (at_ns, now) in pairwise(zip(data.times_ns, data.values, strict=True)):
        if now != before:
            yield Event(at_ns, at_ns, f"the power mode changed from {before:g} to {now:g}")
