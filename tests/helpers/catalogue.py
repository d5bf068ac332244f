"""Compares samples with the catalogue of series."""

from profileapp.model.catalogue import CATALOGUE
from profileapp.model.series import Series


def is_known(series: Series) -> bool:
    """Whether a series is as the catalogue says: its name, unit, kind, metric, and no other labels."""
    return any(
        (known.name, known.unit, known.kind) == (series.name, series.unit, series.kind)
        and {label for label, _ in series.labels} <= set(known.labels)
        for known in CATALOGUE.get(series.metric, ())
    )
