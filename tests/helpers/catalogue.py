"""Compares samples with the catalogue of series."""

from functools import cache

from profileapp.collect.catalogue import Entry, catalogue
from profileapp.model.series import Series


@cache
def _known() -> dict[str, tuple[Entry, ...]]:
    return catalogue()


def is_known(series: Series) -> bool:
    """Whether a source declares the series: its name, unit, kind, metric, and no other labels."""
    return any(
        (known.series.name, known.series.unit, known.series.kind) == (series.name, series.unit, series.kind)
        and {label for label, _ in series.labels} <= set(known.series.labels)
        for known in _known().get(series.metric, ())
    )
