"""Makes the digest of a judged run."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from profileapp.judge.summary import measured_spans
from profileapp.judge.verdict import JudgedRun
from profileapp.judge.weights import Span, Weighted, in_order, weighted_in
from profileapp.model.run import Run
from profileapp.model.series import Series
from profileapp.model.vector import ranked, ranked_with
from profileapp.record.artifacts import COMPRESSED_METRICS_FILE, METRICS_FILE
from profileapp.record.digest import Digest, SeriesDigest, encode_column
from profileapp.record.series_data import SeriesData

POINT_LIMIT = 1600
"""Limit of a series' points, besides those at the ends of repeats; plots draw no more."""
TOTAL_LIMIT = 400_000
"""Limit of all points, shared by the series."""
DISTRIBUTIONS_LIMIT = 32
_FEWEST_POINTS = 16


def digest_of(judged: JudgedRun) -> Digest:
    """The digest of a run whose samples have been read."""
    limit = max(_FEWEST_POINTS, min(POINT_LIMIT, TOTAL_LIMIT // max(1, len(judged.series))))
    spans = measured_spans(judged.run.repeats) or [(0, None)]
    ends_ns = _ends(judged.run, spans)
    long = [one for one, data in judged.series.items() if len(data) > limit and has_distribution(one)]
    shown = set(sorted(long, key=lambda one: (one.name, one.labels))[:DISTRIBUTIONS_LIMIT])
    return Digest(
        tuple(_digest(one, data, limit, ends_ns, spans if one in shown else ()) for one, data in judged.series.items()),
        judged.problems,
        tuple(name for name in (METRICS_FILE, COMPRESSED_METRICS_FILE) if (judged.folder / name).is_file()),
    )


def has_distribution(one: Series) -> bool:
    """Whether reports show the distribution of a series: an app-reported one, but no derived rate."""
    return one.metric == "custom" and one.kind in ("gauge", "timer") and not one.name.endswith((".rate", ".percentile"))


def decimated(values: Sequence[float], limit: int) -> list[int]:
    """Indices of at most `limit` values: the minimum and the maximum of each of `limit` / 2 parts, in order."""
    count, parts = len(values), limit // 2
    indices: list[int] = []
    for part in range(parts):
        start = part * count // parts
        some = values[start : (part + 1) * count // parts]
        places = {start + some.index(min(some)), start + some.index(max(some))}
        indices.extend(sorted(places))
    return indices


def _ends(run: Run, spans: Sequence[Span]) -> list[int]:
    """Times at which samples must be exact, for energy counters."""
    times = [at_ns for span in spans for at_ns in span if at_ns]
    return [*times, *(at_ns for each in run.repeats for at_ns in (each.started_ns, each.ended_ns) if at_ns)]


def _digest(
    one: Series, data: SeriesData, limit: int, ends_ns: Sequence[int], distribution_spans: Sequence[Span]
) -> SeriesDigest:
    times_ns, values = in_order(data)
    count = len(values)
    chosen = list(range(count))
    if count > limit:
        places = {0, count - 1, *decimated(values, limit)}
        for at_ns in ends_ns:
            after = bisect_right(times_ns, at_ns)
            places |= {bisect_left(times_ns, at_ns) - 1, bisect_left(times_ns, at_ns), after - 1, after}
        chosen = sorted(place for place in places if 0 <= place < count)
    weighted = weighted_in(one, data, distribution_spans) if distribution_spans else Weighted(array("d"))
    return SeriesDigest(
        one,
        encode_column(array("q", (times_ns[place] for place in chosen))),
        encode_column(array("d", (values[place] for place in chosen))),
        encode_column(array("d", _evenly(weighted, POINT_LIMIT))),
        len(weighted.values),
    )


def _evenly(weighted: Weighted, limit: int) -> Sequence[float]:
    """At most `limit` ascending quantiles of equal weight, including the extremes."""
    if weighted.weights is None:
        every = ranked(weighted.values)
        count = len(every)
        return every if count <= limit else [every[place * (count - 1) // (limit - 1)] for place in range(limit)]
    ascending, sums = ranked_with(weighted.values, weighted.weights)
    last = len(ascending) - 1
    middle = [ascending[min(last, bisect_left(sums, sums[-1] * place / (limit - 1)))] for place in range(1, limit - 1)]
    return [ascending[0], *middle, ascending[-1]]
