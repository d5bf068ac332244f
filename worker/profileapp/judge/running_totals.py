"""Running totals of energy at the very end of each repeat: between the last sample before it and the one after it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

GAP_LIMIT_NS = 20 * 10**9
"""Samples further apart are no evidence of the time between them."""
LENGTH_LIMIT = 1_000_000
"""Of a longer series, the last interval is a small part."""


def completed(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> dict[Series, SeriesData]:
    """The energy series (in J) with one more value at each repeat's end, in proportion to the time."""
    ends_ns = [repeat.ended_ns for repeat in repeats if repeat.ended_ns and not repeat.traced]
    return {
        one: _completed(data, ends_ns) for one, data in series.items() if one.metric == "energy" and one.unit == "J"
    }


def _completed(data: SeriesData, ends_ns: Sequence[int]) -> SeriesData:
    if not data.is_in_order or len(data) > LENGTH_LIMIT:
        return data
    times_ns, values = array("q", data.times_ns), array("d", data.values)
    for end_ns in ends_ns:
        after = bisect_right(times_ns, end_ns)
        if not 0 < after < len(times_ns) or times_ns[after - 1] == end_ns:
            continue
        gap_ns, rise = times_ns[after] - times_ns[after - 1], values[after] - values[after - 1]
        # A total that falls begins anew: the sample after the end is the next repeat's.
        if gap_ns <= GAP_LIMIT_NS and rise >= 0:
            times_ns.insert(after, end_ns)
            values.insert(after, values[after - 1] + rise * (end_ns - times_ns[after - 1]) / gap_ns)
    return SeriesData(times_ns, values)
