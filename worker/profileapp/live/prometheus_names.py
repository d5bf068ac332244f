"""Names of our series in Prometheus: base units as suffixes, `_total` for counters, percent as a ratio.

Source: Prometheus documentation, "Metric and label naming"; "Data model" (which characters a name may have).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from profileapp.model.series import DeclaredSeries, Series

PREFIX = "profileapp"
# Unit of a series: suffix, and the factor to the base unit.
_UNITS: dict[str, tuple[str, float]] = {
    "": ("", 1.0),
    "%": ("ratio", 0.01),
    "bytes": ("bytes", 1.0),
    "bytes/s": ("bytes_per_second", 1.0),
    "s": ("seconds", 1.0),
    "Hz": ("hertz", 1.0),
    "W": ("watts", 1.0),
    "J": ("joules", 1.0),
    "V": ("volts", 1.0),
    "A": ("amperes", 1.0),
    "°C": ("celsius", 1.0),
    "rpm": ("rotations_per_minute", 1.0),
}
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_]+")
_NAME_LIMIT = 200


class PrometheusName(msgspec.Struct, frozen=True):
    """A metric's name, and the factor that converts a value of the series to its unit. A counter only grows, and
    its name ends in `_total`.
    """

    name: str
    factor: float = 1.0
    is_counter: bool = False


def prometheus_name(series: Series | DeclaredSeries) -> PrometheusName:
    """`container.cpu.util` in % is `profileapp_container_cpu_util_ratio`, divided by 100."""
    suffix, factor = _UNITS.get(series.unit, (_plain(series.unit.replace("/", "_per_")), 1.0))
    is_counter = series.kind == "counter"
    stem = _plain(series.name)[:_NAME_LIMIT]
    parts = [PREFIX, stem.removesuffix("_total") if is_counter else stem]
    parts += [suffix] if suffix and not stem.endswith(f"_{suffix}") else []
    parts += ["total"] if is_counter else []
    return PrometheusName("_".join(parts), factor, is_counter)


def label_name(name: str) -> str:
    """A valid Prometheus label name; `target` and names reserved by Prometheus get a prefix."""
    plain = _plain(name) or "label"
    return f"label_{plain}" if plain == "target" or plain.startswith("__") or plain[0].isdigit() else plain


def mapping(declared: Iterable[DeclaredSeries]) -> list[tuple[str, str, PrometheusName]]:
    """Each series' name and unit, and its name in Prometheus, for the documentation."""
    return [(each.name, each.unit, prometheus_name(each)) for each in declared]


def _plain(text: str) -> str:
    return _NOT_IN_NAME.sub("_", text).strip("_")
