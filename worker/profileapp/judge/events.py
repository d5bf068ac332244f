"""Events of the device during a measurement, found in its series: throttling, a change of power mode."""

from __future__ import annotations

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
        if one.name in _THROTTLED and one.metric != "custom":
            reason = dict(one.labels).get("reason", "")
            text = f"{_THROTTLED[one.name]} {_REASONS.get(reason, reason)}".strip()
            found += _spans(data, text)
        elif one.name == _POWER_MODE and one.metric != "custom":
            found += _changes(data)
    if traced_ns is not None:
        found = [event for event in found if event.started_ns < traced_ns]
    return tuple(sorted(found, key=lambda event: (event.started_ns, event.text))[:EVENTS_LIMIT])


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
