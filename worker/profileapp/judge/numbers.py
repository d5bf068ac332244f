"""The headline numbers of each repeat: their spread is the noise within one build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from profileapp.judge.cold_start import cold_start
from profileapp.judge.energy import energy_per_unit
from profileapp.judge.headline import Headline
from profileapp.judge.scatter import standard_error
from profileapp.judge.summary import summarise_in
from profileapp.judge.weights import Span, weighted_in
from profileapp.model.run import HeadlineValue, Repeat, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData


def numbers_of(
    headline: Sequence[Headline], series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]
) -> tuple[HeadlineValue, ...]:
    """Each headline number over all repeats, and in each measured repeat that has it."""
    meant = {each.series_title for each in headline}
    chosen = {one: data for one, data in series.items() if _title(one.name, dict(one.labels)) in meant}
    spans = [((repeat.measured_from_ns, repeat.ended_ns or None), repeat) for repeat in repeats if not repeat.traced]
    # Energy per unit and the cold start derive from other series, and have no samples themselves.
    found = [
        _titled((*summarise_in(chosen, [span]), *energy_per_unit(series, [each]), *cold_start(series, [each])))
        for span, each in spans
    ]
    return tuple(
        HeadlineValue(
            title=each.series_title,
            statistic=each.statistic,
            unit=each.unit,
            value=each.value,
            repeats=tuple(
                float(getattr(one[each.series_title], each.statistic)) for one in found if each.series_title in one
            ),
            errors=_errors(each, chosen, [span for span, _ in spans]) if each.statistic == "mean" else (),
        )
        for each in headline
    )


def _errors(headline: Headline, series: Mapping[Series, SeriesData], spans: Sequence[Span]) -> tuple[float, ...]:
    for one, data in series.items():
        if _title(one.name, dict(one.labels)) == headline.series_title:
            errors = (standard_error(weighted_in(one, data, [span])) for span in spans)
            return tuple(error for error in errors if error is not None)
    return ()


def _titled(summaries: Iterable[SeriesSummary]) -> dict[str, SeriesSummary]:
    return {_title(one.name, one.labels): one for one in summaries}


def _title(name: str, labels: Mapping[str, str]) -> str:
    """The title that `headlines` uses."""
    return f"{name}[{','.join(labels.values())}]" if labels else name
