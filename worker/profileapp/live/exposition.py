"""The Prometheus exposition: the newest values of every target and of the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from profileapp.live.prometheus_names import PREFIX, label_name, prometheus_name
from profileapp.live.snapshot import TargetState
from profileapp.model.series import Series

CACHED_S = 0.25
"""An exposition is cached for this long, for all scrapers."""


class Exposed(msgspec.Struct, frozen=True):
    """One target: its name, its title and its newest values; `target` is "" for the device."""

    target: str
    values: Mapping[Series, float]
    title: str = ""
    image: str = ""
    container_id: str = ""
    state: TargetState = "running"
    starts: int = 0


class Exposition:
    """Encodes what `read` returns. Thread-safe. Raises ImportError without prometheus-client."""

    def __init__(self, read: Callable[[], Sequence[Exposed]]) -> None:
        # Agents without `live --serve` need not install it.
        from prometheus_client import CollectorRegistry  # noqa: PLC0415

        self._read = read
        self._registry: Any = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._lock = threading.Lock()
        self._cached: dict[str, tuple[float, bytes, str]] = {}

    def encode(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format that a scraper accepts, and its content type."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        encoder, content_type = choose_encoder(accept)
        with self._lock:
            found = self._cached.get(content_type)
            if found and time.monotonic() - found[0] < CACHED_S:
                return found[1], found[2]
            content: bytes = encoder(self._registry)
            # Scrapers use few content types; the cache must not grow with unknown ones.
            self._cached = {content_type: (time.monotonic(), content, content_type)}
        return content, content_type

    def collect(self) -> Iterator[Any]:
        """Families of samples; the interface of prometheus-client's collectors."""
        return families(self._read())


def families(exposed: Sequence[Exposed]) -> Iterator[Any]:
    """One family for each Prometheus name, with a sample for each target and series."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    targets = [each for each in exposed if each.target]
    info = GaugeMetricFamily(
        f"{PREFIX}_target_info", "What a target is.", labels=("target", "title", "image", "container_id")
    )
    running = GaugeMetricFamily(f"{PREFIX}_target_running", "1 while the target runs.", labels=("target",))
    starts = CounterMetricFamily(f"{PREFIX}_target_starts", "Starts that were watched.", labels=("target",))
    for each in targets:
        info.add_metric((each.target, each.title, each.image, each.container_id), 1.0)
        running.add_metric((each.target,), float(each.state == "running"))
        starts.add_metric((each.target,), float(each.starts))
    yield from (info, running, starts)
    found: dict[str, Any] = {}
    for each in exposed:
        for series, value in each.values.items():
            name = prometheus_name(series)
            family = found.get(name.name)
            if family is None:
                kind = CounterMetricFamily if name.is_counter else GaugeMetricFamily
                family = found[name.name] = kind(name.name, f"{series.name} in {series.unit or 'units of its own'}.")
            labels = {label_name(key): text for key, text in series.labels}
            labels |= {"target": each.target} if each.target else {}
            sample = f"{name.name}" if not name.is_counter else f"{name.name.removesuffix('_total')}_total"
            family.add_sample(sample, labels, value * name.factor)
    yield from found.values()
