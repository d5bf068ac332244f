"""The weight of each sample: the time for which its value holds, or equal weights.

A level (memory, temperature, power) holds from its sample until the next one. A rate over an interval (CPU, bytes per
second, frames per second) covers the time since the previous sample. A duration, like any other app-reported value,
describes one event, whenever it was reported.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from profileapp.model.series import Series
from profileapp.model.vector import differences, extremes, limited, median
from profileapp.record.series_data import SeriesData

Standing = Literal["event", "until next", "since last"]
GAP_LIMIT = 10
"""A level holds for at most this many typical intervals: in a longer gap its value is unknown."""
FEW_SPANS = 8

Span = tuple[int, int | None]
"""Start and end in UTC nanoseconds since 1970, inclusive; None: no end."""

_SHARES = (".cpu.util", ".cpu.user", ".cpu.system")


class Weighted(msgspec.Struct, frozen=True):
    """Values and their weights in nanoseconds; `weights` is None if all weights are equal.

    `typical_ns` is the median time between two samples, 0 if unknown or irrelevant.
    """

    values: array[float]
    weights: array[int] | None = None
    typical_ns: int = 0


class _Part(msgspec.Struct, frozen=True):
    """The samples in one span; `before_ns` is the time of the preceding sample, 0 if there is none."""

    times_ns: array[int]
    values: array[float]
    gaps_ns: array[int]
    span: Span
    before_ns: int


def standing_of(series: Series) -> Standing:
    """The time that a value of the series covers."""
    if series.kind != "gauge":
        return "event"
    if series.unit.endswith("/s"):
        return "since last"
    if series.metric == "custom":
        # Many apps report a frame rate without a unit.
        return "since last" if "fps" in series.name.lower() else "event"
    if series.unit == "%" and (series.name.endswith(_SHARES) or ".pressure." in series.name):
        return "since last"
    return "until next"


def weighted_in(series: Series, data: SeriesData, spans: Sequence[Span]) -> Weighted:
    """The values in `spans`, which must be in order, weighted by the time that each covers within its span.

    No value from outside a span counts in it, and no value counts beyond the span's end.
    """
    standing = standing_of(series)
    if standing == "event":
        return Weighted(values_in(data, spans))
    parts = list(_parts(*in_order(data, is_whole=len(spans) >= FEW_SPANS), spans))
    values: array[float] = array("d")
    gaps_ns: array[int] = array("q")
    for part in parts:
        values.extend(part.values)
        gaps_ns.extend(part.gaps_ns)
    typical_ns = median(gaps_ns) if gaps_ns else 0
    weights: array[int] = array("q")
    for part in parts:
        weights.extend(_until_next(part, typical_ns) if standing == "until next" else _since_last(part, typical_ns))
    if not weights or (of := extremes(weights))[0] == of[1]:
        return Weighted(values, None, typical_ns)
    return Weighted(values, weights, typical_ns)


def values_in(data: SeriesData, spans: Sequence[Span]) -> array[float]:
    """The values in `spans`, which must be in order, in file order."""
    # Many spans are searched in memory, a few in the file that may contain the samples.
    is_short = len(spans) < FEW_SPANS
    times, values = (data.times_ns, data.values) if is_short else (data.times_ns[:], data.values[:])
    selected: array[float] = array("d")
    if data.is_in_order:
        for from_ns, to_ns in spans:
            end = len(times) if to_ns is None else bisect_right(times, to_ns)
            selected.extend(values[bisect_left(times, from_ns) : end])
        return selected
    starts = [from_ns for from_ns, _ in spans]
    for at_ns, value in zip(times, values, strict=True):
        place = bisect_right(starts, at_ns) - 1
        if place >= 0 and ((to_ns := spans[place][1]) is None or at_ns <= to_ns):
            selected.append(value)
    return selected


def in_order(data: SeriesData, *, is_whole: bool = True) -> tuple[Sequence[int], Sequence[float]]:
    """Times and values ordered by time; with `is_whole`, both are in memory."""
    if data.is_in_order:
        return (data.times_ns[:], data.values[:]) if is_whole else (data.times_ns, data.values)
    times_ns, values = data.times_ns[:], data.values[:]
    order = sorted(range(len(times_ns)), key=times_ns.__getitem__)
    return array("q", map(times_ns.__getitem__, order)), array("d", map(values.__getitem__, order))


def _parts(times: Sequence[int], values: Sequence[float], spans: Sequence[Span]) -> Iterator[_Part]:
    for from_ns, to_ns in spans:
        first = bisect_left(times, from_ns)
        end = len(times) if to_ns is None else bisect_right(times, to_ns)
        if first < end:
            own = array("q", times[first:end])
            before_ns = times[first - 1] if first else 0
            yield _Part(own, array("d", values[first:end]), differences(own), (from_ns, to_ns), before_ns)


def _until_next(part: _Part, typical_ns: int) -> array[int]:
    weights = array("q", part.gaps_ns)
    to_ns = part.span[1]
    weights.append(typical_ns if to_ns is None else to_ns - part.times_ns[-1])
    return limited(weights, typical_ns * GAP_LIMIT) if typical_ns else weights


def _since_last(part: _Part, typical_ns: int) -> array[int]:
    first_ns = part.times_ns[0]
    since_ns = first_ns - max(part.span[0], part.before_ns)
    if typical_ns and first_ns - part.before_ns > typical_ns * GAP_LIMIT:
        # The first sample of a repeat: before it, the source or the app had not started.
        since_ns = min(since_ns, typical_ns)
    weights = array("q", [since_ns])
    weights.extend(part.gaps_ns)
    return weights
